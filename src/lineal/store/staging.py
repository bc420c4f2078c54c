"""Where a checkout writes before anything moves to its place, so that a damaged pack, a full disk or Ctrl-C leaves everything as it was."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from lineal.records.dataset import TreeEntry
from lineal.store.cloning import Donors
from lineal.store.durable import rename, step
from lineal.store.ignoring import STAGING
from lineal.store.repository import Repository
from lineal.store.status import Status, status_of

_ABANDONED_SECONDS = 86_400
_AT_ONCE = 2
_FEW, _MOST = 128, 2048

Step = Callable[[int, int], None]


class Staging:
    """A folder inside the one that is checked out into: only there it is certainly on the same file system.

    What is written into it lies as it shall lie in the end, so that whole folders move at once where there is nothing yet.
    """

    def __init__(self, path: bytes, store: Repository, donors: Donors) -> None:
        self.path = path
        self._store = store
        self._donors = donors

    def write(self, entries: Sequence[TreeEntry], step: Step) -> dict[bytes, Status]:
        """Writes entries, whose order is that of their paths; returns what they look like until they move, by path."""
        written: dict[bytes, Status] = {}
        if len(entries) <= _FEW:
            written = self._write_some(entries)
            step(len(written), len(entries))
            return written
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lineal-checkout") as pool:
            try:
                for some in pool.map(self._write_some, _batches(entries)):
                    written |= some
                    step(len(written), len(entries))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return written

    def move_into(self, folder: bytes) -> None:
        """Moves everything to its place: what is not a folder takes the place of what is there, each in one step."""
        _merge(self.path, folder)

    def _write_some(self, entries: Sequence[TreeEntry]) -> dict[bytes, Status]:
        writer = _Writer(self.path, self._store, self._donors)
        try:
            return {entry.path: writer.write(entry) for entry in entries}
        finally:
            writer.close()


class _Writer:
    """Writes entries, neighbours after one another. Not thread safe: it holds the folder open that it is in."""

    def __init__(self, path: bytes, store: Repository, donors: Donors) -> None:
        self._path = path
        self._store = store
        self._donors = donors
        self._folder = b""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def write(self, entry: TreeEntry) -> Status:
        """Writes one entry; returns what it looks like."""
        step("write", entry.path)
        if entry.mode == "folder":
            full = os.path.join(self._path, entry.path)
            os.makedirs(full, exist_ok=True)
            return status_of(os.lstat(full))
        folder, _slash, name = entry.path.rpartition(b"/")
        self._enter(folder)
        if entry.mode == "symlink":
            os.symlink(self._store.read(entry.digest), name, dir_fd=self._descriptor)
            return status_of(os.lstat(name, dir_fd=self._descriptor))
        status = self._write_file(entry, name)
        self._donors.add(entry.digest, os.path.join(self._path, entry.path), status)
        return status

    def close(self) -> None:
        """Gives back what is held open."""
        os.close(self._descriptor)

    def _write_file(self, entry: TreeEntry, name: bytes) -> Status:
        mode = 0o777 if entry.mode == "executable" else 0o666  # less the user's umask
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=self._descriptor)
        try:
            if not self._donors.clone(entry.digest, entry.size, descriptor):
                for piece in self._store.chunks(entry.digest):
                    _write_all(descriptor, piece)
            return status_of(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def _enter(self, folder: bytes) -> None:
        if folder != self._folder:
            full = os.path.join(self._path, folder)
            os.makedirs(full, exist_ok=True)
            descriptor = os.open(full, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            os.close(self._descriptor)
            self._folder, self._descriptor = folder, descriptor


def _batches(entries: Sequence[TreeEntry]) -> Iterator[Sequence[TreeEntry]]:
    """Cuts between folders where it can: two writers in one would wait for each other, and files of one lie in the same blocks."""
    start = 0
    for place in range(1, len(entries)):
        size = place - start
        new_folder = entries[place].path.rpartition(b"/")[0] != entries[place - 1].path.rpartition(b"/")[0]
        if size >= _MOST or (size >= _FEW and new_folder):
            yield entries[start:place]
            start = place
    yield entries[start:]


@contextmanager
def staging(folder: bytes, store: Repository, donors: Donors) -> Iterator[Staging]:
    """A place to write into, gone afterwards. What killed checkouts left is removed after a day."""
    made = _make_folders(folder)
    common = os.path.join(folder, STAGING)
    own = os.path.join(common, secrets.token_hex(8).encode())
    try:
        os.makedirs(own)
        yield Staging(own, store, donors)
    except BaseException:
        _remove(common, own)
        for parent in made:
            with suppress(OSError):  # somebody put something into it meanwhile
                os.rmdir(parent)
        raise
    _remove(common, own)


def _merge(source: bytes, target: bytes) -> None:
    for name in sorted(os.listdir(source)):
        staged, place = os.path.join(source, name), os.path.join(target, name)
        if stat.S_ISDIR(os.lstat(staged).st_mode) and os.path.lexists(place):
            _merge(staged, place)
        else:
            rename(staged, place)


def _make_folders(folder: bytes) -> list[bytes]:
    """Makes a folder with its parents; those that were not there, the deepest first."""
    missing: list[bytes] = []
    place = os.path.abspath(folder)
    while not os.path.lexists(place):
        missing.append(place)
        place = os.path.dirname(place)
    os.makedirs(folder, exist_ok=True)
    return missing


def _remove(common: bytes, own: bytes) -> None:
    shutil.rmtree(own, ignore_errors=True)
    with suppress(OSError):
        for other in os.scandir(common):
            if other.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                shutil.rmtree(other.path, ignore_errors=True)
        os.rmdir(common)


def _write_all(descriptor: int, piece: bytes) -> None:
    written = os.write(descriptor, piece)
    while written < len(piece):
        written += os.write(descriptor, memoryview(piece)[written:])
