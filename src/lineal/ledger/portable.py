"""What SQLite and PostgreSQL say differently, and what neither takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table

T = TypeVar("T")

PIECE = 500
"""Values in one IN list: below every database's bound on parameters."""


def pieces(values: Iterable[T], *, size: int = PIECE) -> Iterator[Sequence[T]]:
    """The values in lists of at most ``size``."""
    every = list(values)
    for start in range(0, len(every), size):
        yield every[start : start + size]


def insert_or_ignore(connection: Connection, table: Table, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> int:
    """Inserts rows, leaving those alone whose key is there; how many were new."""
    if not rows:
        return 0
    statement = _insert(connection, table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return connection.execute(statement, rows).rowcount


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, keys: Sequence[str]) -> None:
    """Inserts rows, replacing those with the same ``keys``. Of rows with equal keys the last one counts. All rows have the same columns."""
    unique = list({tuple(row[key] for key in keys): row for row in rows}.values())
    if not unique:
        return
    statement = _insert(connection, table)
    changed = {name: statement.excluded[name] for name in unique[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed), unique)


def _insert(connection: Connection, table: Table) -> Any:
    """The dialect's own insert. Only the one in use is imported: each costs start-up time."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_postgresql

        return insert_postgresql(table)
    from sqlalchemy.dialects.sqlite import insert as insert_sqlite

    return insert_sqlite(table)


def storable(text: str) -> str:
    r"""The text as both databases take it: NUL and bytes that are not UTF-8 become ``\x00``-like escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
