"""A source's listing in the order of its paths, whatever order the source has and however long it is: it goes through a file, not through memory."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from lineal.records.tracked import SourceFacts
from lineal.store.sources.interface import SourceFile

_ROWS = 5000
_TABLE = """CREATE TABLE files (path BLOB PRIMARY KEY, mode TEXT, target BLOB, size INTEGER, etag TEXT, version TEXT, md5 TEXT, modified INTEGER)
WITHOUT ROWID"""


@contextmanager
def ordered(files: Iterable[SourceFile], folder: Path, *, step: Callable[[int], None]) -> Iterator[Iterator[SourceFile]]:
    """The files in the order of their paths' bytes, each path once; a temporary file in ``folder`` holds them meanwhile.

    Args:
        step: told how many there are so far.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".listing") as file, closing(sqlite3.connect(file.name)) as base:
        base.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384;")
        base.execute(_TABLE)
        waiting, count = iter(files), 0
        while rows := [_row(item) for item in islice(waiting, _ROWS)]:
            base.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            count += len(rows)
            step(count)
        yield map(_file, base.execute("SELECT * FROM files ORDER BY path"))


def _row(item: SourceFile) -> tuple[object, ...]:
    facts = item.facts
    return item.path, item.mode, item.target, facts.size, facts.etag, facts.version, facts.md5, facts.modified


def _file(row: tuple[bytes, str, bytes, int | None, str, str, str, int | None]) -> SourceFile:
    path, mode, target, size, etag, version, md5, modified = row
    facts = SourceFacts(size=size, etag=etag, version=version, md5=md5, modified=modified)
    return SourceFile(path=path, facts=facts, mode=mode, target=target)
