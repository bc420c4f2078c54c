"""Brings an older ledger up to this version, after a backup. Alembic keeps the steps; it is imported here only, when a version differs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, inspect, select, update

from lineal.errors import Unavailable
from lineal.ledger import schema
from lineal.ledger.database import alone

FOLDER = Path(__file__).parent


def upgrade(engine: Engine) -> Path | None:
    """Runs every step between the ledger's format and `schema.FORMAT_VERSION`; the path of the backup, on SQLite.

    One transaction: a step that fails leaves the ledger as it was. Two clients that come at once go one after the other.

    Raises:
        Unavailable: kind ``backup-failed``, if the backup cannot be written; nothing was changed then.
    """
    backup = back_up(engine)
    with engine.connect().execution_options(lineal_write=True) as connection, connection.begin():
        alone(connection)
        migrate(connection)
    return backup


def migrate(connection: Connection, target: str = "head") -> None:
    """Runs the steps up to ``target`` inside the caller's transaction, and writes the new format version."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" not in tables and "runs" in tables:
        made = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "format")).scalar() or "1"
        command.stamp(config, f"{int(made):04d}")  # a ledger is made in one go, without Alembic, in the format of its day
    command.upgrade(config, target)
    if target == "head":
        connection.execute(update(schema.meta).where(schema.meta.c.key == "format").values(value=str(schema.FORMAT_VERSION)))


def back_up(engine: Engine) -> Path | None:
    """Copies a SQLite ledger beside itself, consistently, while others may write; None for other databases, which have tools of their own."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    path = Path(engine.url.database)
    with engine.connect() as connection:
        version = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "format")).scalar() or "0"
    target = path.with_name(f"{path.name}.format-{version}.bak")
    temporary = target.with_name(f"{target.name}.tmp")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy)
        temporary.replace(target)
    except (sqlite3.Error, OSError) as error:
        temporary.unlink(missing_ok=True)
        raise Unavailable(
            f"the ledger cannot be backed up to {target} before its upgrade: {error}", kind="backup-failed", hint="Free space, then try again."
        ) from error
    return target
