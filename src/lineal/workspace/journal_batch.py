"""Reads what is new in a run's journals into one batch: entries as they are, points in columns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.capture.journal import SUFFIX, journal_paths, read_entries
from lineal.errors import Integrity
from lineal.ledger.metric_rows import SeriesKey
from lineal.records import frames, journal

if TYPE_CHECKING:
    from lineal.ledger.blocks import Columns

WINDOW = 16 * 1024 * 1024
"""Bytes that are read of one journal for one transaction."""

SETTLED = frozenset({journal.FILE, journal.MODEL, journal.READ, journal.QUERY, journal.ROWS, journal.NAMED})
"""Kinds of entries that become occurrences and edges once the run has ended."""

_LARGEST_WINDOW = frames.LARGEST_PAYLOAD + 64


@dataclass(slots=True, kw_only=True)
class JournalPart:
    """What one journal had to say behind an offset.

    Attributes:
        begin: the journal's first entry, whether it is new or not; empty where it is not written yet.
        start, end: offsets in bytes; equal where there is nothing new.
        size: of the file when it was read.
        heard: when the file was last written, microseconds UTC by the clock of the machine that holds it.
        entries: everything but points, in order.
        points: columns by name and rank.
        closed: whether its writer closed it in this part.
        problem: why reading stopped for good, or empty.
    """

    path: Path
    begin: Mapping[str, Any]
    start: int
    end: int
    size: int
    heard: int = 0
    entries: list[dict[str, Any]] = field(default_factory=list)
    points: dict[SeriesKey, list[Columns]] = field(default_factory=dict)
    closed: bool = False
    problem: str = ""

    @property
    def id(self) -> str:
        """The journal's id."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def is_owner(self) -> bool:
        """Whether its writer's end is the run's end."""
        return self.begin.get("role") == "owner"

    @property
    def wholly_read(self) -> bool:
        """Whether nothing follows that could be read in another window."""
        return self.end >= self.size or bool(self.problem)


def read_parts(folder: Path, offsets: Mapping[str, int], done: frozenset[str]) -> list[JournalPart]:
    """What is new in every journal of a folder that is not ``done``.

    Raises:
        InvalidState: kind ``newer-format``, if a newer Lineal wrote one of them.
    """
    parts = []
    for path in journal_paths(folder):
        identifier = path.name.removesuffix(SUFFIX)
        if identifier not in done:
            parts.append(read_part(path, offsets.get(identifier, 0)))
    return parts


def read_part(path: Path, offset: int) -> JournalPart:
    """What is new in one journal. A torn end waits; damage ends the reading behind the sound part. Raises like `read_parts`."""
    found = path.stat()
    part = JournalPart(path=path, begin={}, start=offset, end=offset, size=found.st_size, heard=found.st_mtime_ns // 1000)
    try:
        part.begin = next((entry for entry, _end in _entries(path, 0)), {})
        for entry, end in _entries(path, offset):
            _take(part, entry)
            part.end = end
    except Integrity as error:
        part.problem = error.message
    return part


def file_entries(path: Path, start: int, end: int) -> Iterator[dict[str, Any]]:
    """The entries between two offsets of a journal that are settled when the run has ended: `SETTLED`."""
    while start < end:
        before = start
        for entry, behind in _entries(path, start):
            if behind > end:
                return
            start = behind
            if entry["k"] in SETTLED:
                yield entry
            if behind == end:
                return  # what follows may be damaged
        if start == before:
            return


def _entries(path: Path, offset: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Entries of one window with the offsets behind them; the window grows until it holds at least one."""
    window = WINDOW
    with path.open("rb") as file:
        head = file.read(frames.HEAD_SIZE)
        start = max(offset, frames.HEAD_SIZE)
        while window <= _LARGEST_WINDOW:
            file.seek(start)
            data = head + file.read(window)
            found = False
            for entry, end in _with_place(data, path, start):
                found = True
                yield entry, start + end - frames.HEAD_SIZE
            if found or len(data) < window:
                return
            window = window * 4 if window * 4 < _LARGEST_WINDOW else max(window + 1, _LARGEST_WINDOW)


def _with_place(data: bytes, path: Path, start: int) -> Iterator[tuple[dict[str, Any], int]]:
    behind = frames.HEAD_SIZE
    try:
        for entry, end in read_entries(data, frames.HEAD_SIZE, os.fsdecode(path.name)):
            behind = end
            yield entry, end
    except Integrity as error:
        place = start + behind - frames.HEAD_SIZE
        raise Integrity(f"journal {path.name} is damaged at byte {place}", kind=error.kind, hint=error.hint) from error


def _take(part: JournalPart, entry: dict[str, Any]) -> None:
    kind = entry["k"]
    if kind == journal.POINTS:
        for key, columns in _columns(entry).items():
            part.points.setdefault(key, []).append(columns)
        return
    if kind == journal.CLOSED:
        part.closed = True
    part.entries.append(entry)


def _columns(entry: Mapping[str, Any]) -> dict[SeriesKey, Columns]:
    """A frame's points by name and rank, in the order they were logged."""
    import numpy as np  # only for points, which not every run has

    from lineal.ledger.blocks import Columns

    names, rank = entry["keys"], int(entry["rank"])
    every = Columns(
        steps=np.frombuffer(entry["step"], dtype="<i8"),
        values=np.frombuffer(entry["value"], dtype="<f8"),
        times=np.frombuffer(entry["time"], dtype="<i8"),
    )
    if len(names) == 1:
        return {(str(names[0]), rank): every}
    index = np.frombuffer(entry["key"], dtype="<u2")
    order = np.argsort(index, kind="stable")
    bounds = np.searchsorted(index[order], np.arange(len(names) + 1))
    return {(str(name), rank): every.take(order[bounds[place] : bounds[place + 1]]) for place, name in enumerate(names)}


def joined(parts: list[JournalPart]) -> dict[SeriesKey, Columns]:
    """The points of several journals by name and rank."""
    found: dict[SeriesKey, list[Columns]] = {}
    for part in parts:
        for key, columns in part.points.items():
            found.setdefault(key, []).extend(columns)
    if not found:
        return {}
    from lineal.ledger.blocks import join

    return {key: join(columns) for key, columns in found.items()}
