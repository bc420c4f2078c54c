"""Journals: one append-only file per process, written in the background, so that recording never slows or breaks the program.

The calling thread only appends to a list (about a microsecond). A daemon thread turns what has gathered into frames twice a second and hands
them to the kernel in one write, so a killed process loses at most that interval. docs/design/formats.md has the format.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from lineal.capture.identity import process_identity
from lineal.capture.points import PointEncoder, calls_of
from lineal.capture.writing import FrameFile
from lineal.errors import Unavailable
from lineal.records import frames, journal
from lineal.records.packing import packable, unpack_extension

SUFFIX = ".journal"
FLUSH_SECONDS = 0.5
BEAT_SECONDS = 10.0
CAPACITY = 1_000_000
"""Calls of `JournalWriter.point` that may wait for the background; more are counted and dropped."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ext_hook=lambda code, data: unpack_extension(code, bytes(data)))


class JournalWriter:
    """This process's journal of one run. Thread safe; after a fork the child writes a journal of its own.

    Args:
        folder: the run's folder of journals; made where it is missing.
        run, project: their ids.
        clock: microseconds UTC.
        entropy: that many random bytes.
        role: ``owner`` for the process whose end is the run's end, else ``worker``.
        begin: further fields of the `BEGIN` entry: ``name command folder author attempt parent experiment started``.
        rank: of this process in a distributed training.
        flush_seconds: how often what has gathered is written; the most that a kill loses.
        capacity: how many points may wait.

    Raises:
        Unavailable: kind ``journal-unavailable`` or ``disk-full``, if the journal cannot be begun. Nothing raises after that.
    """

    _closed: bool
    _opened: bool
    _flushing: bool

    def __init__(
        self,
        folder: Path,
        *,
        run: str,
        project: str,
        clock: Callable[[], int],
        entropy: Callable[[int], bytes],
        role: str = "worker",
        begin: Mapping[str, Any] | None = None,
        rank: int = 0,
        flush_seconds: float = FLUSH_SECONDS,
        beat_seconds: float = BEAT_SECONDS,
        capacity: int = CAPACITY,
    ) -> None:
        self.folder = folder
        self.run = run
        self.rank = rank
        self._project = project
        self._clock = clock
        self._entropy = entropy
        self._role = role
        self._begin = dict(begin or {})
        self._flush_seconds = flush_seconds
        self._beat_us = int(beat_seconds * 1_000_000)
        self._capacity = capacity * 3
        self._parent = ""
        self._reset()
        if not self._open():
            raise Unavailable(
                f"the journal of run {run[:8]} cannot be begun in {folder}: {self._file.reason}",
                kind="disk-full" if self._file.full else "journal-unavailable",
                hint="Free space or check the folder's rights, then try again.",
            )
        _writers.add(self)
        self._start_thread()

    @property
    def id(self) -> str:
        """Names this journal for ever."""
        return self._id

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self._id}{SUFFIX}"

    @property
    def lost_points(self) -> int:
        """Points that were dropped so far because the buffer or the disk was full, and are not yet told in the journal."""
        return self._lost

    def now(self) -> int:
        """Microseconds UTC, by the clock that points are timed with."""
        return self._clock()

    def append(self, kind: str, /, **fields: Any) -> None:
        """Queues an entry. Values are taken as they are now; nothing is written before the next flush."""
        self._entries.append(encode_entry(kind, fields))

    def point(self, values: Mapping[str, float], step: int | None) -> None:
        """Queues one point for each of ``values``; keeps the mapping. Without a step, each name counts up by itself."""
        waiting = self._points
        if len(waiting) < self._capacity and not self._closed:
            waiting += (self._clock(), step, values)  # flat, in one atomic step: no tuple stays for the garbage collector to visit
        else:
            self._lost += len(values)

    def flush(self) -> bool:
        """Writes what has gathered; False where the disk would not take it all (it is kept and tried again)."""
        with self._lock:
            if self._flushing:  # a signal handler interrupted a flush in this very thread
                return False
            self._flushing = True
            try:
                return self._flush()
            finally:
                self._flushing = False

    def close(self) -> None:
        """Writes everything and ends the journal. May be called again."""
        with self._lock:
            if self._closed or os.getpid() != self._pid:
                return
            self._closed = True
            self._wake.set()
            whole = self.flush()
            if self._opened and whole:
                self.append(journal.CLOSED, time=self._clock())
                self.flush()
            if not whole and not self._flushing:
                sys.stderr.write(f"lineal: the end of the record of run {self.run[:8]} could not be written: {self._file.reason}\n")
            self._file.close()
        _writers.discard(self)

    def _reset(self) -> None:
        """State that belongs to one process."""
        self._pid = os.getpid()
        self._id = f"{self._pid}-{self._entropy(8).hex()}"
        self._points: list[Any] = []  # time, step, values; time, step, values; …
        self._entries: list[bytes] = []
        self._columns = PointEncoder(rank=self.rank)
        self._file = FrameFile(self.path)
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._closed = False
        self._opened = False
        self._flushing = False
        self._lost = 0
        self._beaten = self._clock()

    def _open(self) -> bool:
        fields = {
            "run": self.run,
            "project": self._project,
            "rank": self.rank,
            "started": self._clock(),
            "parent": "",
            "role": self._role,
            "journal": self._id,
            "forked_from": self._parent,
            **process_identity(),
            **self._begin,
        }
        self._opened = self._file.create(frames.head(frames.JOURNAL) + frames.frame(encode_entry(journal.BEGIN, fields)))
        return self._opened

    def _finish_with_worker(self) -> None:
        """A process of ``multiprocessing`` leaves without running exit handlers, but runs its own finalizers."""
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            sys.modules["multiprocessing.util"].Finalize(None, _close_if_there, args=(weakref.ref(self),), exitpriority=0)

    def _start_thread(self) -> None:
        thread = threading.Thread(
            target=_keep_flushing, args=(weakref.ref(self), self._wake, self._flush_seconds), name="lineal-journal", daemon=True
        )
        with contextlib.suppress(RuntimeError):  # the interpreter is shutting down; closing writes the rest
            thread.start()

    def _flush(self) -> bool:
        # Entries are taken before points, and written after them: END comes behind every point that was logged before it.
        entries = _take(self._entries)
        points = _take(self._points)
        if not self._opened and not (entries or points or self._file.waiting):
            return True
        if not self._opened:
            self._open()
        for payload, count in self._columns.encode(calls_of(points)):
            if not self._file.add_points(frames.frame(payload)):
                self._lost += count
        for payload in [*entries, *self._beat()]:
            self._file.add(frames.frame(payload))
        return self._opened and self._file.write() and self._tell_losses()

    def _beat(self) -> list[bytes]:
        now = self._clock()
        if self._closed or now - self._beaten < self._beat_us:
            return []
        self._beaten = now
        return [encode_entry(journal.BEAT, {"time": now})]

    def _tell_losses(self) -> bool:
        """Says what was lost, as soon as the disk takes anything again."""
        if not self._lost:
            return True
        lost, self._lost = self._lost, 0
        self._file.add(frames.frame(encode_entry(journal.LOST, {"points": lost})))
        return self._file.write()

    def _after_fork(self) -> None:
        """In the child: a journal of its own, begun when there is something to write."""
        self._parent = self._id
        self._file.forget()
        self._role = "worker"
        self._reset()
        self._start_thread()
        util = sys.modules.get("multiprocessing.util")
        if util is not None:  # its worker forgets all finalizers first, and then runs this
            util.register_after_fork(self, JournalWriter._finish_with_worker)


def encode_entry(kind: str, fields: Mapping[str, Any]) -> bytes:
    """One entry as a frame's payload."""
    return _encoder.encode({"k": kind, **packable(fields, msgspec.msgpack.Ext)})


def decode_entry(payload: bytes) -> dict[str, Any]:
    """The entry that `encode_entry` wrote; its kind is under ``k``."""
    found: dict[str, Any] = _decoder.decode(payload)
    return found


def journal_paths(folder: Path) -> list[Path]:
    """The journals in a run's folder, in the order of their names; none where the folder is gone."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))
    except FileNotFoundError:
        return []
    return [folder / name for name in names]


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a journal from its beginning, up to a torn end.

    Raises:
        Integrity: kind ``damaged-journal``, at the first damaged frame, behind the sound ones.
        InvalidState: kind ``newer-format``.
    """
    for entry, _offset in read_entries(path.read_bytes(), 0, os.fsdecode(path.name)):
        yield entry


def read_entries(data: bytes, offset: int, name: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Entries from ``offset`` on (0 for the first), each with the offset behind it. Raises like `read_journal`."""
    if not frames.check_head(data, frames.JOURNAL, name):
        return
    for payload, behind in frames.read_frames(data, max(offset, frames.HEAD_SIZE), name):
        yield decode_entry(payload), behind


def _take(waiting: list[Any]) -> list[Any]:
    """Moves what is in a list out of it, while other threads append: each step is atomic, and only the front is taken."""
    count = len(waiting)
    taken = waiting[:count]
    del waiting[:count]
    return taken


def _keep_flushing(reference: weakref.ref[JournalWriter], wake: threading.Event, seconds: float) -> None:
    while not wake.wait(seconds):
        writer = reference()
        if writer is None:
            return
        writer.flush()
        del writer


def _close_if_there(reference: weakref.ref[JournalWriter]) -> None:
    writer = reference()
    if writer is not None:
        writer.close()


_writers: weakref.WeakSet[JournalWriter] = weakref.WeakSet()


def _before_fork() -> None:
    for writer in list(_writers):
        writer._lock.acquire()  # noqa: SLF001 - no flush may be half done in the child


def _after_fork_in_parent() -> None:
    for writer in list(_writers):
        writer._lock.release()  # noqa: SLF001


def _after_fork_in_child() -> None:
    for writer in list(_writers):
        writer._after_fork()  # noqa: SLF001


def _close_all() -> None:
    for writer in list(_writers):
        writer.close()


atexit.register(_close_all)
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
