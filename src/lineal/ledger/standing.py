"""Where every dataset lies and what its latest version is: asked by each ``lineal data status``, and so without SQLAlchemy where SQLite can do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from lineal.ledger.format import FORMAT_VERSION
from lineal.ledger.version_rows import version_of_row
from lineal.records.dataset import DatasetVersion
from lineal.records.digest import Digest
from lineal.records.location import Location

Answer = TypeVar("Answer")

_SQLITE = "sqlite:///"
_BUSY_SECONDS = 30.0

_DATASETS = "SELECT name, root, path FROM datasets WHERE project_id = ? ORDER BY name"
_VERSION = """
SELECT number, digest, json_extract(body, '$.path'), json_extract(body, '$.single_file'), json_extract(body, '$.tracked.label')
FROM dataset_versions
WHERE project_id = ? AND "commit" = ? AND name = ? AND deleted_at IS NULL
"""
_NUMBERED = "SELECT * FROM dataset_versions WHERE project_id = ? AND name = ? AND number = ? AND deleted_at IS NULL"
_ROOTS = "SELECT DISTINCT digest FROM dataset_versions WHERE project_id = ? AND name = ? AND deleted_at IS NULL"
_LOCATION = "SELECT root, path FROM datasets WHERE project_id = ? AND name = ?"
_LIVING = "SELECT count(*) FROM dataset_versions WHERE project_id = ? AND name = ? AND deleted_at IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A dataset and its latest version.

    Attributes:
        commit: its commit; digest: the tree's root; shown: the path for people.
        tracked: the label of a version whose bytes lie elsewhere, else empty.
    """

    name: str
    number: int
    commit: Digest
    digest: Digest
    single_file: bool
    location: Location
    shown: str
    tracked: str = ""

    @property
    def reference(self) -> str:
        """``name@number``."""
        return f"{self.name}@{self.number}"


def read_standings(url: str, project_id: str, tip: Callable[[str], Digest | None]) -> tuple[Standing, ...] | None:
    """Every dataset with a version that is not deleted, by name; None where another way to the ledger must be taken.

    That is a ledger in another database, one of another format, which may have to be migrated, one that cannot be read, and one that does not
    have what the store has.

    Args:
        tip: the commit of the latest version of the branch that a dataset's working copy is on, by the dataset's name.
    """
    return _asked(url, lambda connection: tuple(_standings(connection, project_id, tip)))


def read_numbered(url: str, project_id: str, name: str, number: int) -> DatasetVersion | None:
    """The version of that number that is not deleted; None where there is none, or another way to the ledger must be taken, as above."""

    def ask(connection: sqlite3.Connection) -> DatasetVersion | None:
        connection.row_factory = sqlite3.Row
        row = connection.execute(_NUMBERED, (project_id, name, number)).fetchone()
        return None if row is None else version_of_row(dict(row))

    return _asked(url, ask)


def read_roots(url: str, project_id: str, name: str) -> frozenset[Digest] | None:
    """The trees of a dataset's versions that are not deleted; None where another way to the ledger must be taken, as above."""
    return _asked(url, lambda connection: frozenset(Digest(root) for (root,) in connection.execute(_ROOTS, (project_id, name))) or None)


def read_location(url: str, project_id: str, name: str) -> Location | None:
    """Where a dataset lies; None where that is not known, or another way to the ledger must be taken, as above."""

    def ask(connection: sqlite3.Connection) -> Location | None:
        row = connection.execute(_LOCATION, (project_id, name)).fetchone()
        return None if row is None else Location(root=row[0], path=bytes(row[1]))

    return _asked(url, ask)


def _asked(url: str, ask: Callable[[sqlite3.Connection], Answer | None]) -> Answer | None:
    path = Path(unquote(url.removeprefix(_SQLITE)))
    if not url.startswith(_SQLITE) or "?" in url or not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
            if connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() != (str(FORMAT_VERSION),):
                return None
            return ask(connection)
    except (sqlite3.Error, LookupError, OverflowError):
        return None


def _standings(connection: sqlite3.Connection, project_id: str, tip: Callable[[str], Digest | None]) -> Iterator[Standing]:
    for name, root, path in connection.execute(_DATASETS, (project_id,)).fetchall():
        commit = tip(name)
        found = connection.execute(_VERSION, (project_id, commit or "", name)).fetchone()
        if found is not None and commit is not None:
            location = Location(root=root, path=bytes(path))
            number, digest, shown, single_file, tracked = found
            yield Standing(
                name=name,
                number=number,
                commit=commit,
                digest=Digest(digest),
                single_file=bool(single_file),
                location=location,
                shown=shown,
                tracked=tracked or "",
            )
        elif connection.execute(_LIVING, (project_id, name)).fetchone()[0]:
            raise LookupError(name)
