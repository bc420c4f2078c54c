"""Asking databases: a statement goes to whatever connection the program has, and the answer comes back with what the record needs of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from lineal.errors import InvalidInput, LinealError, Unavailable
from lineal.records.digest import Digest, blake3_digest
from lineal.records.redaction import Redactor, public_url
from lineal.records.result_text import result_lines

Parameters = Sequence[Any] | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a database said.

    Attributes:
        text: the statement as it was sent, without its parameters.
        source: the database as a URL without user and password; kind: the brand.
        took: microseconds until the last row was here.
    """

    columns: tuple[str, ...]
    rows: list[Sequence[Any]]
    text: str
    source: str
    kind: str
    took: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenResult:
    """A result as text.

    Attributes:
        kept: whether the file holds all of it.
    """

    digest: Digest
    size: int
    kept: bool


def ask(statement: Any, connection: Any, parameters: Parameters) -> Answer:
    """Sends a statement and fetches all rows. Nothing is committed; an error of the driver is the cause of ours.

    Args:
        connection: of DB-API 2 (sqlite3, psycopg, duckdb, ADBC and so on), a connection or engine of SQLAlchemy, or its URL as text.

    Raises:
        InvalidInput: kind ``not-a-connection``; kind ``query-failed``, if the database refuses it; kind ``no-rows``, if the statement gives none.
        Unavailable: kind ``database-unavailable``, if there is no way in; kind ``missing-extra``, if the driver is not installed.
    """
    began = time.perf_counter_ns()
    if isinstance(connection, str) or _is_of(connection, "sqlalchemy"):
        columns, rows, source, kind = _ask_sqlalchemy(statement, connection, parameters)
    else:
        with _refusals():
            columns, rows = _ask_plain(statement, connection, parameters)
        source, kind = _described(connection)
    took = (time.perf_counter_ns() - began) // 1000
    return Answer(columns=columns, rows=rows, text=_text_of(statement, connection), source=source, kind=kind, took=took)


def write_result(answer: Answer, path: Path, *, largest: int) -> WrittenResult:
    """Writes the result to an empty file, and empties that again if the result has more than ``largest`` bytes."""
    hasher, size = blake3(), 0
    with path.open("r+b") as file:
        for piece in result_lines(answer.columns, answer.rows):
            hasher.update(piece)
            size += len(piece)
            _write_below(file, piece, size, largest)
        if size > largest:
            file.truncate(0)
    return WrittenResult(digest=blake3_digest(hasher.digest()), size=size, kept=size <= largest)


def free_path(folder: Path, name: str, ending: str = ".csv") -> Path:
    """A new empty file for something of that name: ``orders.csv``, then ``orders-2.csv``; another process gets another."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = folder / (f"{name}{ending}" if number == 1 else f"{name}-{number}{ending}")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            number += 1
        else:
            return path


def _write_below(file: BinaryIO, piece: bytes, size: int, largest: int) -> None:
    if size <= largest:
        file.write(piece)


def _ask_sqlalchemy(statement: Any, connection: Any, parameters: Parameters) -> tuple[tuple[str, ...], list[Sequence[Any]], str, str]:
    import sqlalchemy

    engine = _engine(connection) if isinstance(connection, str) else connection
    try:
        with _connected(engine) as opened, _refusals():
            prepared = sqlalchemy.text(statement) if isinstance(statement, str) else statement
            result = opened.execute(prepared, parameters) if parameters else opened.execute(prepared)
            if not result.returns_rows:
                raise _no_rows()
            url = opened.engine.url
            return tuple(result.keys()), [tuple(row) for row in result], public_url(url.render_as_string()), str(url.get_backend_name())
    finally:
        if isinstance(connection, str):
            engine.dispose()


def _engine(url: str) -> Any:
    """The engine of a database URL, whose text is not shown: it holds a password, or is none at all."""
    import sqlalchemy

    try:
        return sqlalchemy.create_engine(url)
    except sqlalchemy.exc.NoSuchModuleError as error:
        scheme = url.partition("://")[0]
        raise _not_a_connection(f"{scheme}:// is no kind of database that SQLAlchemy knows here") from error
    except ImportError as error:
        raise Unavailable(
            f"the driver {error.name} of that database is not installed", kind="missing-extra", hint=f"Install it with: pip install {error.name}"
        ) from error
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise _not_a_connection("the text that was given as the connection is no database URL") from error


@contextmanager
def _connected(engine: Any) -> Iterator[Any]:
    import sqlalchemy

    if not hasattr(engine, "connect") or hasattr(engine, "in_transaction"):
        yield engine
        return
    try:
        opened = engine.connect()
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _unavailable(error) from error
    with opened:
        yield opened


@contextmanager
def _refusals() -> Iterator[None]:
    """What a driver raises as ours. Its errors derive from a class that is called Error, as DB-API 2 wants it."""
    try:
        yield
    except Exception as error:
        if not any(base.__name__ in {"Error", "SQLAlchemyError"} for base in type(error).__mro__):
            raise
        if getattr(error, "connection_invalidated", False):
            raise _unavailable(error) from error
        raise InvalidInput(
            f"the database refuses the statement: {_said(error)}", kind="query-failed", hint="Correct the statement or its parameters."
        ) from error


def _unavailable(error: Exception) -> LinealError:
    return Unavailable(
        f"the database does not let us in: {_said(error)}",
        kind="database-unavailable",
        hint="Check host, port, user and password of the database URL, and whether the database runs.",
    )


def _not_a_connection(reason: str) -> InvalidInput:
    return InvalidInput(
        reason,
        kind="not-a-connection",
        hint="Give a connection of DB-API 2 (sqlite3, psycopg, duckdb), one of SQLAlchemy, or a database URL such as postgresql+psycopg://host/name.",
    )


def _said(error: Exception) -> str:
    """The first line of what the driver says, without secrets."""
    text = str(getattr(error, "orig", None) or error).strip()
    return Redactor().text(text.partition("\n")[0]) or type(error).__name__


def _ask_plain(statement: Any, connection: Any, parameters: Parameters) -> tuple[tuple[str, ...], list[Sequence[Any]]]:
    if _is_of(connection, "duckdb") or _is_of(connection, "_duckdb"):  # its cursors are connections of their own, which do not see what is registered
        done = connection.execute(statement, parameters) if parameters else connection.execute(statement)
        return _columns_of(done), done.fetchall()
    if not callable(getattr(connection, "cursor", None)):
        raise _not_a_connection(f"{type(connection).__name__} is no connection")
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement, parameters) if parameters else cursor.execute(statement)
        return _columns_of(cursor), [tuple(row) if not isinstance(row, Mapping) else tuple(row.values()) for row in cursor.fetchall()]


def _columns_of(cursor: Any) -> tuple[str, ...]:
    if not cursor.description:
        raise _no_rows()
    return tuple(str(column[0]) for column in cursor.description)


def _no_rows() -> InvalidInput:
    return InvalidInput("the statement gives no rows", kind="no-rows", hint="run.query is for what a run reads; send other statements by themselves.")


def _text_of(statement: Any, connection: Any) -> str:
    if isinstance(statement, str):
        return statement
    if isinstance(statement, bytes):
        return statement.decode("utf-8", "replace")
    compose = getattr(statement, "as_string", None)
    return str(compose(connection)) if callable(compose) else str(statement)


def _is_of(value: Any, package: str) -> bool:
    return any(base.__module__.partition(".")[0] == package for base in type(value).__mro__)


def _described(connection: Any) -> tuple[str, str]:
    """A connection's database as a URL without user and password, and the brand; what a driver does not tell is left out."""
    brand = type(connection).__module__.partition(".")[0].lstrip("_")
    for known, describe in _DESCRIBE.items():
        if brand == known:
            try:
                return describe(connection)
            except Exception:  # noqa: BLE001 - the answer is here; where exactly it came from is said by the brand alone
                break
    return f"{brand}://", brand


def _sqlite(connection: Any) -> tuple[str, str]:
    files = [row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main"]
    return f"sqlite:///{files[0] if files and files[0] else ':memory:'}", "sqlite"


def _duckdb(connection: Any) -> tuple[str, str]:
    rows = connection.cursor().execute("SELECT path FROM duckdb_databases() WHERE NOT internal").fetchall()
    return f"duckdb:///{rows[0][0] if rows and rows[0][0] else ':memory:'}", "duckdb"


def _postgres(connection: Any) -> tuple[str, str]:
    info = connection.info
    return f"postgresql://{info.host}:{info.port}/{info.dbname}", "postgresql"


_DESCRIBE: Mapping[str, Callable[[Any], tuple[str, str]]] = {"sqlite3": _sqlite, "duckdb": _duckdb, "psycopg": _postgres, "psycopg2": _postgres}
