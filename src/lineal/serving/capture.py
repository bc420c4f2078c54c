"""Writes captured predictions: a bounded queue in memory, emptied by one thread that groups rows into frames and frames into one fdatasync."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lineal.errors import Unavailable
from lineal.records.frames import PREDICTIONS, frame, head
from lineal.records.ids import uuid7
from lineal.serving.compaction import compact, worth_compacting
from lineal.serving.segments import SUFFIX, AnsweredRows, encode_rows
from lineal.store.durable import sync_folder

REJECTED = "rejected.json"
QUEUE_ROWS = 65_536
SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENT_FRAMES = 4096
"""So many frames at most: a service with few requests writes a frame for each, and they are put together when the segment is full."""

FLUSH_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureState:
    """How the writer is doing: rows waiting, rows on disk, why it cannot write (or an empty text), and whether it refuses more."""

    waiting: int
    written: int
    trouble: str
    full: bool


class PredictionWriter:
    """Appends answered rows to segments in ``folder``. Thread safe; `add` never waits for the disk.

    Rows are on disk at most `FLUSH_SECONDS` after they were added. While the disk refuses them they wait; when `QUEUE_ROWS` wait, further
    ones are refused, so that nothing that was answered is lost silently.
    """

    def __init__(
        self, folder: Path, *, clock: Callable[[], int] | None = None, queue_rows: int = QUEUE_ROWS, flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        self._folder = folder
        self._clock = clock or _now
        self._limit = queue_rows
        self._interval = flush_seconds
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._queue: deque[AnsweredRows] = deque()
        self._waiting = 0
        self._written = 0
        self._trouble = ""
        self._closing = False
        self._last_id_us = 0
        self._entropy = b""
        self._segment: _Segment | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._rejected = read_rejected(folder)
        self._rejected_changed = False
        self._thread = threading.Thread(target=self._work, name="lineal-capture", daemon=True)
        self._thread.start()

    def new_ids(self, count: int) -> list[str]:
        """UUIDv7 ids, each later than every one before, even where the clock stands still or was set back."""
        with self._lock:
            now = max(self._clock(), self._last_id_us + 1)
            self._last_id_us = now + count - 1
            if len(self._entropy) < 8 * count:
                self._entropy = os.urandom(8 * max(count, 1024))
            taken, self._entropy = self._entropy[: 8 * count], self._entropy[8 * count :]
        return [uuid7(now + row, taken[8 * row : 8 * row + 8]) for row in range(count)]

    def add(self, rows: AnsweredRows) -> bool:
        """Queues rows for writing; whether they may wait longer than usual, because the last write failed.

        Raises:
            Unavailable: kind ``capture-full``, if too many rows wait already; none of ``rows`` is kept.
        """
        with self._lock:
            if self._closing or self._waiting + len(rows.ids) > self._limit:
                reason = self._trouble or ("the service is stopping" if self._closing else "they come faster than they can be written")
                raise Unavailable(
                    f"predictions cannot be recorded: {reason}", kind="capture-full", hint="Try again in a moment; nothing was answered unrecorded."
                )
            self._queue.append(rows)
            self._waiting += len(rows.ids)
            crowded, delayed = self._waiting >= self._limit // 2, bool(self._trouble)
        if crowded and not delayed:
            self._wake.set()
        return delayed

    def reject(self, reason: str) -> None:
        """Counts a request that was refused; the counts are kept beside the segments."""
        with self._lock:
            self._rejected[reason] = self._rejected.get(reason, 0) + 1
            self._rejected_changed = True

    def rejected(self) -> dict[str, int]:
        """The counts so far, those of earlier services in this folder included."""
        with self._lock:
            return dict(self._rejected)

    def state(self) -> CaptureState:
        """How the writer is doing."""
        with self._lock:
            return CaptureState(waiting=self._waiting, written=self._written, trouble=self._trouble, full=self._waiting >= self._limit)

    def close(self) -> None:
        """Writes what waits and stops. What the disk still refuses after 5 s is said on stderr."""
        with self._lock:
            self._closing = True
        self._wake.set()
        self._thread.join(timeout=10)
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _work(self) -> None:
        self._tidy()
        give_up = 0.0
        while True:
            self._wake.wait(self._interval)
            self._wake.clear()
            self._flush()
            with self._lock:
                closing, waiting = self._closing, self._waiting
            if not closing:
                continue
            give_up = give_up or time.monotonic() + 5
            if not waiting:
                return
            if time.monotonic() > give_up:
                sys.stderr.write(f"{waiting} captured predictions could not be written: {self._trouble}\n")
                return

    def _tidy(self) -> None:
        """Puts small frames of earlier services together; what cannot be now is left as it is."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            with contextlib.suppress(OSError):
                if worth_compacting(path):
                    compact(path)

    def _flush(self) -> None:
        with self._lock:
            batch = list(self._queue)
        try:
            if batch:
                self._write(batch)
            self._write_rejected()
        except OSError as error:
            with self._lock:
                self._trouble = "the disk is full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else f"the disk refuses them: {error.strerror}"
            return
        with self._lock:
            self._trouble = ""
            for _done in batch:
                self._queue.popleft()
            done = sum(len(rows.ids) for rows in batch)
            self._waiting -= done
            self._written += done

    def _write(self, batch: Sequence[AnsweredRows]) -> None:
        if self._segment is not None and (self._segment.size > SEGMENT_BYTES or self._segment.frames >= SEGMENT_FRAMES):
            full, self._segment = self._segment, None
            full.close()
            compact(full.path)
        if self._segment is None:
            self._segment = _Segment(self._folder, first=batch[0].ids[0])
        payloads = encode_rows(batch)
        self._segment.append(b"".join(frame(payload) for payload in payloads), frames=len(payloads))

    def _write_rejected(self) -> None:
        with self._lock:
            changed, counts = self._rejected_changed, dict(self._rejected)
        if changed:
            temporary = self._folder / f".{REJECTED}"
            temporary.write_bytes(msgspec.json.encode(counts))
            temporary.replace(self._folder / REJECTED)
            with self._lock:
                self._rejected_changed = self._rejected != counts


class _Segment:
    """One file of frames; an append that fails leaves it as it was."""

    def __init__(self, folder: Path, *, first: str) -> None:
        self.path = folder / f"{first.replace('-', '')[:12]}-{os.urandom(4).hex()}{SUFFIX}"
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self.size = 0
        self.frames = 0
        try:
            self.append(head(PREDICTIONS), frames=0)
            sync_folder(folder)
        except OSError:
            os.close(self._fd)
            self.path.unlink(missing_ok=True)
            raise

    def append(self, data: bytes, *, frames: int) -> None:
        """Writes and syncs; on failure the file is cut back, so that a later append does not follow a torn one."""
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._fd, memoryview(data)[written:], self.size + written)
            _sync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)
        self.frames += frames

    def close(self) -> None:
        os.close(self._fd)


def read_rejected(folder: Path) -> dict[str, int]:
    """The counts of refused requests in a folder of predictions; empty where there are none."""
    try:
        return msgspec.json.decode((folder / REJECTED).read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}


def _sync(descriptor: int) -> None:
    getattr(os, "fdatasync", os.fsync)(descriptor)


def _now() -> int:
    return time.time_ns() // 1000
