"""A file that only grows by whole frames, and survives a full disk: what does not fit waits in memory and is tried again."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

SYNC_SECONDS = 5.0
LARGEST_BACKLOG = 32 * 1024 * 1024
"""Bytes of points that wait for a full disk; more are dropped and counted. Other entries always wait."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_sync = getattr(os, "fdatasync", os.fsync)


class FrameFile:
    """Not thread safe: the journal's lock is held around every call."""

    def __init__(self, path: Path, *, sync_seconds: float = SYNC_SECONDS) -> None:
        self._path = path
        self._descriptor = -1
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._size = 0
        self._sync_seconds = sync_seconds
        self._synced = time.monotonic()
        self._dirty = False
        self.full = False
        self.reason = ""

    @property
    def waiting(self) -> bool:
        """Whether frames wait to be written."""
        return bool(self._waiting)

    def create(self, head: bytes) -> bool:
        """Makes the file and writes its head; False where that fails, with nothing left behind."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._failed(error)
            return False
        if self._write(head):
            return True
        os.close(self._descriptor)
        self._descriptor = -1
        self._path.unlink(missing_ok=True)
        return False

    def add(self, frame: bytes) -> None:
        """Queues a frame."""
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)

    def add_points(self, frame: bytes) -> bool:
        """Queues a frame of points; False where too much waits already."""
        if self._waiting_bytes + len(frame) > LARGEST_BACKLOG and self.full:
            return False
        self.add(frame)
        return True

    def write(self) -> bool:
        """Hands all that waits to the kernel in one write, and to the disk every few seconds."""
        if self._waiting:
            if not self._write(b"".join(self._waiting)):
                return False
            self._waiting.clear()
            self._waiting_bytes = 0
        if self._dirty and time.monotonic() - self._synced >= self._sync_seconds:
            self._sync()
        return True

    def close(self) -> None:
        """Syncs and closes; what still waits is given up."""
        if self._descriptor >= 0:
            self._sync()
            os.close(self._descriptor)
            self._descriptor = -1

    def forget(self) -> None:
        """Closes the descriptor without a word: it belongs to the parent of a fork."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, data: bytes) -> bool:
        view, written = memoryview(data), 0
        try:
            while written < len(view):
                written += os.write(self._descriptor, view[written:])
        except OSError as error:
            self._failed(error)
            self._take_back()
            return False
        self._size += len(view)
        self._dirty = True
        self.full = False
        return True

    def _take_back(self) -> None:
        """Cuts off a frame that was written in part, so that the next try does not stand behind a torn one."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            self._failed(error)

    def _sync(self) -> None:
        try:
            _sync(self._descriptor)
        except OSError as error:
            self._failed(error)
        self._synced = time.monotonic()
        self._dirty = False

    def _failed(self, error: OSError) -> None:
        self.full = error.errno in _FULL
        self.reason = error.strerror or str(error)
