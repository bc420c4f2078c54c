"""Opens the database, hands out connections, and waits for other writers instead of failing."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, inspect, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from lineal.errors import Conflict, Integrity, InvalidState, LinealError, Unavailable
from lineal.ledger import schema

BUSY_SECONDS = 30.0
CONNECT_SECONDS = 5
_TABLES = 0x11EA1
"""The number of PostgreSQL's advisory lock for whoever makes or changes tables."""
_LOG_SECONDS = 10.0
_logged: dict[str, float] = {}
_log = logging.getLogger("lineal.ledger")
_KEPT_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""So that a connection to a machine that is gone without a word ends within half a minute (libpq's own words; the last is in milliseconds)."""


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...
    def close(self) -> None: ...


class _DriverConnection(Protocol):
    isolation_level: str | None

    def cursor(self) -> _Cursor: ...


class Ledger:
    """The facts of one database. Thread safe; open one per process and keep it.

    `read` gives a snapshot; `write` takes the one write lock at its start, so that a transaction never fails half way for lack of it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Ledger:
        """The ledger at a SQLAlchemy URL (``sqlite:///…`` or ``postgresql+psycopg://…``), created or migrated where needed.

        Raises:
            InvalidState: kind ``newer-format``, if a newer Lineal made it.
            Integrity: kind ``damaged-ledger``, if the database cannot be read.
            Unavailable: kind ``ledger-unavailable``, if it does not answer, is full or read-only.
        """
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}) if url.startswith("sqlite") else _far_engine(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _configure_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        ledger = cls(engine)
        try:
            ledger._prepare()
        except LinealError:
            engine.dispose()
            raise
        return ledger

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations and backups."""
        return self._engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one consistent state."""
        with _translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Like `read`, for many statements: all of them see the state that the first one saw."""
        options = {} if self._engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with _translated(), self._engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: everything or nothing. Waits up to 30 s for other writers."""
        with _translated(), self._engine.connect().execution_options(lineal_write=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Gives back every connection."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self.read() as connection:
            tables = set(inspect(connection).get_table_names())
            version = _stored_version(connection) if "meta" in tables else None
        if version is None:
            self._create()
        elif version > schema.FORMAT_VERSION:
            raise InvalidState(
                f"this ledger has format {version}, made by a newer Lineal; this one reads up to {schema.FORMAT_VERSION}",
                kind="newer-format",
                hint="Upgrade with: pip install --upgrade lineal",
            )
        elif version < schema.FORMAT_VERSION:
            from lineal.ledger.migrations import upgrade  # Alembic costs start-up time and is rarely needed

            upgrade(self._engine)

    def _create(self) -> None:
        with self.write() as connection:
            alone(connection)
            schema.metadata.create_all(connection)
            if _stored_version(connection) is None:
                connection.execute(insert(schema.meta).values(key="format", value=str(schema.FORMAT_VERSION)))


def alone(connection: Connection) -> None:
    """Waits until no other process makes or changes tables, and keeps others from it until the transaction ends. SQLite's write lock does that by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_TABLES)))


def _far_engine(url: str) -> Engine:
    """Connections to a server: as many as requests are worked on at once, asked whether they live before they are used, and none waited for too long."""
    arguments = {"connect_timeout": CONNECT_SECONDS, **_KEPT_ALIVE} if url.startswith("postgresql") else {}
    return create_engine(url, pool_size=20, max_overflow=12, pool_timeout=BUSY_SECONDS, pool_pre_ping=True, connect_args=arguments)


def _stored_version(connection: Connection) -> int | None:
    value = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "format")).scalar()
    return None if value is None else int(value)


def _configure_sqlite(connection: _DriverConnection, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, never by the driver
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "cache_size=-20000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("lineal_write")
    if not write:
        connection.exec_driver_sql("BEGIN")
        return
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - spreads waiting writers, no secret
        else:
            return


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable("every connection to the ledger is in use", kind="ledger-unavailable", hint="Try again in a moment.") from error
    except OperationalError as error:
        raise _operational(error) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _silent(error) from error
        text = str(error.orig)
        if "malformed" in text or "not a database" in text:
            raise Integrity(f"the ledger is damaged: {text}", kind="damaged-ledger", hint="See what is left with: lineal fsck") from error
        raise


def _operational(error: OperationalError) -> LinealError:
    text = str(error.orig)
    if "locked" in text:
        return Conflict(
            f"another writer has held the ledger for over {BUSY_SECONDS:.0f} s",
            kind="ledger-busy",
            hint="Try again when it is done.",
        )
    if "malformed" in text:
        return Integrity(f"the ledger is damaged: {text}", kind="damaged-ledger", hint="See what is left with: lineal fsck")
    if (
        "disk is full" in text or "No space left" in text or getattr(error.orig, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE"
    ):  # no room even for SQLite's shared memory
        return Unavailable("the disk that holds the ledger is full; nothing was changed", kind="disk-full", hint="Free space, then try again.")
    if getattr(error.orig, "sqlite_errorname", ""):
        return Unavailable(f"the ledger does not answer: {text}", kind="ledger-unavailable", hint="Check its path and rights with: lineal doctor")
    return _silent(error)


def _silent(error: DBAPIError) -> Unavailable:
    """A database server that does not answer. Its own words are not passed on: they name hosts, sockets and users to whoever asks; they are logged."""
    text = str(error.orig)
    _log_at_times(text)
    reason = next((words for sign, words in _SIGNS if sign in text), "the connection broke")
    return Unavailable(
        f"the ledger does not answer: {reason}", kind="ledger-unavailable", hint="Is PostgreSQL there? Check --database, user and network."
    )


def _log_at_times(text: str) -> None:
    """Many requests fail for one reason, which is worth a line every few seconds."""
    now = time.monotonic()
    if now - _logged.get("at", -_LOG_SECONDS) >= _LOG_SECONDS:
        _logged["at"] = now
        _log.warning("the ledger does not answer: %s", text)


_SIGNS = (
    ("refused", "nobody listens there"),
    ("No such file", "nobody listens there"),
    ("starting up", "it is starting"),
    ("shutting down", "it is shutting down"),
    ("terminating connection", "it was stopped"),
    ("timeout", "it is too slow"),
    ("authentication failed", "it refuses this user or password"),
    ("does not exist", "there is no such database or user"),
    ("resolve host", "its name is not known"),
    ("too many", "it has too many connections"),
)
