"""TensorBoard's event files of a run become its series: read while they are written, each record once.

A batch of points and how far the file was read for it are one frame of the journal, so that whoever reads on after a kill knows where. What the
program records itself under the same name counts instead: frameworks tell two loggers the same.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from lineal.capture.journal import JournalWriter, journal_paths
from lineal.capture.points import Single, point_fields
from lineal.capture.tracers.inject import lineal_hook
from lineal.errors import LinealError
from lineal.records import frames, journal
from lineal.records.event_file import LARGEST_RECORD, Damaged, read_events, series_prefix, series_root

MARK = b"tfevents"
"""Is in the name of every event file."""
SECONDS = 2.0
FINAL_SECONDS = 5.0
MOST_TAGS = 10_000
"""Series that a run's event files may make."""
BATCH = 32_768
_GIVEN_UP = 1 << 62
"""Where a damaged file counts as read to."""
_WINDOW = LARGEST_RECORD + 64
_JOURNAL_WINDOW = frames.LARGEST_PAYLOAD + 64


def is_event_file(path: bytes) -> bool:
    """Whether the name is one that TensorBoard would read."""
    return MARK in os.path.basename(path)


@dataclass(slots=True)
class EventReader:
    """Reads event files of one run on from where they were read.

    Attributes:
        note: takes kind and fields of a journal's entry.
        own: names of the metrics that the program records itself.
        offsets: up to where each file was read.
        root: folder that series are named from; empty until there is a file.
    """

    note: Callable[..., None]
    own: set[str] = field(default_factory=set)
    offsets: dict[bytes, int] = field(default_factory=dict)
    root: str = ""
    _tags: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)

    def read(self, path: bytes, *, rank: int, end: int | None = None, deadline: float = float("inf")) -> bool:
        """Notes what is new in a file, up to ``end`` or where it ends now; whether time sufficed for it.

        Args:
            deadline: of `time.monotonic`.
        """
        folder = os.fsdecode(os.path.dirname(path))
        self.root = self.root or series_root(folder)
        prefix = series_prefix(folder, self.root)
        with contextlib.suppress(OSError), open(path, "rb") as file:
            bound = os.fstat(file.fileno()).st_size if end is None else end
            while self.offsets.get(path, 0) < bound:
                if time.monotonic() > deadline:
                    return False
                start = self.offsets.get(path, 0)
                file.seek(start)
                self.offsets[path] = self._window(path, file.read(min(_WINDOW, bound - start)), bound, (prefix, rank))
                if self.offsets[path] == start:
                    break  # the rest is not written yet
        return True

    def _window(self, path: bytes, data: bytes, bound: int, named: tuple[str, int]) -> int:
        """Notes the points of the bytes that follow; gives the offset behind the last record of those that end before ``bound``."""
        points: list[Single] = []
        start = end = self.offsets.get(path, 0)
        try:
            for event, behind in read_events(data):
                if start + behind > bound:
                    break
                if event.damaged:
                    self._tell(f"a record of {os.fsdecode(path)} is damaged, and its values are not among the series")
                points.extend(self._points(event.scalars, event.time, event.step, named[0]))
                end = start + behind
                if len(points) >= BATCH:
                    break
        except Damaged:
            self._tell(f"{os.fsdecode(path)} is damaged at byte {end}, and what follows is not among the series")
            end = end if points else _GIVEN_UP
        if points:
            columns = point_fields(points)
            self.note(journal.POINTS, **columns, rank=named[1], source=path, behind=end, root=os.fsencode(self.root))
        return end

    def _points(self, scalars: Iterable[tuple[str, float]], at: int, step: int, prefix: str) -> Iterator[Single]:
        for tag, value in scalars:
            name = prefix + tag
            if name in self.own:
                continue
            if name not in self._tags:
                if len(self._tags) >= MOST_TAGS:
                    self._tell(f"the run's event files hold more than {MOST_TAGS} series, and the others are left out")
                    continue
                self._tags.add(name)
            yield name, value, at, step

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.note(journal.WARNING, text=text)


class EventWatch:
    """Follows the event files that a run's processes are seen to write, from a thread of its own.

    Args:
        folder: the run's journals, of which the tracer's say what is written.
        writer: this process's journal, which takes the points.
        seconds: from one look to the next.
    """

    def __init__(self, folder: Path, writer: JournalWriter, *, seconds: float = SECONDS) -> None:
        self._reader = EventReader(writer.append)
        self._tail = _Tail(folder, self._reader.own, writer.path)
        self._seconds = seconds
        self._sizes: dict[bytes, int] = {}
        self._over = threading.Event()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._work, name="lineal-event-files", daemon=True)
        self._thread.start()

    def finish(self, seconds: float = FINAL_SECONDS) -> None:
        """Reads what is there, for at most so long; the rest is read when the run's files are collected."""
        self._over.set()
        if os.getpid() == self._pid:
            self._thread.join(seconds + 1)

    def _work(self) -> None:
        lineal_hook.exempt.add(threading.get_ident())  # what is read here is no input of the run
        try:
            with contextlib.suppress(Exception):  # a run goes on without
                while not self._over.wait(self._seconds):
                    self._look()
                self._look_last(time.monotonic() + FINAL_SECONDS)
        finally:
            lineal_hook.exempt.discard(threading.get_ident())

    def _look(self) -> None:
        """Reads what was there the last time already: by now the program's own metrics of that time are in its journals."""
        self._tail.take_sightings()
        sizes = {path: _size(path) for path in self._tail.found}
        news = {path: size for path, size in self._sizes.items() if size > self._reader.offsets.get(path, 0)}
        self._sizes = sizes
        if news:
            self._tail.take_names()
        for path, size in news.items():
            self._reader.read(path, rank=self._tail.found[path], end=size, deadline=time.monotonic() + self._seconds)

    def _look_last(self, deadline: float) -> None:
        self._tail.take_sightings()
        if self._tail.found:
            self._tail.take_names()
        for path, rank in self._tail.found.items():
            self._reader.read(path, rank=rank, deadline=deadline)


class _Entry(msgspec.Struct):
    """What is wanted of a journal's entry; the rest is passed over without being decoded."""

    k: str
    rank: int = 0
    started: int = 0
    parent_pid: int = -1
    path: bytes = b""
    mode: str = ""
    keys: list[Any] = []
    source: bytes = b""


@dataclass(slots=True)
class _Followed:
    """One journal that is read on."""

    path: Path
    offset: int = frames.HEAD_SIZE
    rank: int = 0
    started: int = 0
    is_tracers: bool = False


class _Tail:
    """What a run's journals say of event files, and which metrics the program records itself, as they grow.

    Args:
        mine: the owner's journal: what began before it is an earlier attempt's, whose files are not this one's.

    Attributes:
        found: event files that are written, with the rank of the process that does.
    """

    def __init__(self, folder: Path, own: set[str], mine: Path) -> None:
        self.found: dict[bytes, int] = {}
        self._mine = mine
        self._folder = folder
        self._own = own
        self._journals: dict[Path, _Followed] = {}
        self._decoder = msgspec.msgpack.Decoder(_Entry, ext_hook=lambda _code, _data: "")

    def take_sightings(self) -> None:
        """Reads the tracers' journals on."""
        for path in journal_paths(self._folder):
            if path not in self._journals:
                self._journals[path] = followed = _Followed(path)
                self._begin(followed)
        since = self._journals[self._mine].started if self._mine in self._journals else 0
        for followed in self._journals.values():
            if followed.is_tracers and followed.started >= since:
                self._take(followed)

    def take_names(self) -> None:
        """Reads the others on, which hold points."""
        for followed in self._journals.values():
            if not followed.is_tracers:
                self._take(followed)

    def _begin(self, followed: _Followed) -> None:
        """Finds out whose journal it is; one without its first entry is asked again."""
        for entry in self._entries(followed, 1 << 20):
            followed.rank, followed.started, followed.is_tracers = entry.rank, entry.started, entry.parent_pid >= 0
            return
        self._journals.pop(followed.path)

    def _take(self, followed: _Followed) -> None:
        for entry in self._every(followed):
            if entry.k == journal.OPENED and "w" in entry.mode and is_event_file(entry.path):
                self.found.setdefault(entry.path, followed.rank)
            elif entry.k == journal.POINTS and not entry.source:
                self._own.update(entry.keys)

    def _every(self, followed: _Followed) -> Iterator[_Entry]:
        before = -1
        while before != followed.offset:
            before = followed.offset
            yield from self._entries(followed, _JOURNAL_WINDOW)

    def _entries(self, followed: _Followed, window: int) -> Iterator[_Entry]:
        """New entries, each taken once; a torn end waits, and behind damage nothing more is read."""
        start = followed.offset
        with contextlib.suppress(OSError, LinealError):
            with followed.path.open("rb") as file:
                file.seek(start)
                data = file.read(window)
            for payload, behind in frames.read_frames(data, 0, followed.path.name):
                followed.offset = start + behind
                with contextlib.suppress(msgspec.DecodeError):
                    yield self._decoder.decode(payload)


def _size(path: bytes) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def read_rest(reader: EventReader, files: Mapping[bytes, int], *, deadline: float) -> int:
    """Reads files (path and rank) to their ends; gives how many were not finished in time."""
    return sum(not reader.read(path, rank=rank, deadline=deadline) for path, rank in files.items())
