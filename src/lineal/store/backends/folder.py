"""Bytes in a folder. Temporary file, fsync, rename, fsync of the folder: a file is there whole or not at all, whatever happens."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lineal.errors import Conflict, Integrity, LinealError, PermissionDenied, Unavailable
from lineal.store.durable import sync_folder

LOCK_SECONDS = 30.0
ABANDONED_SECONDS = 3600.0
_TEMPORARY = "tmp"
_LOCK = "lock"


class FolderBackend:
    """A place for bytes in a local folder.

    Values are swapped under a file lock that the system releases when its holder dies, so no lock is ever left over.
    """

    mapped = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with translated(folder):
            (folder / _TEMPORARY).mkdir(parents=True, exist_ok=True)
            self._sweep()

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Writes a file once; see `Backend.create`."""
        target = self._folder / key
        with translated(target):
            if target.exists():
                sync_folder(target.parent)  # its writer may have died between rename and this
                return target.stat().st_size
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._temporary() as temporary:
                size = _write(temporary, pieces)
                temporary.replace(target)
            sync_folder(target.parent)
        return size

    def read(self, key: str, offset: int, length: int) -> bytes:
        """A part of a file; see `Backend.read`."""
        with translated(self._folder / key):
            descriptor = os.open(self._folder / key, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)

    def view(self, key: str) -> memoryview:
        """A file, mapped into memory; see `Backend.view`."""
        with translated(self._folder / key), open(self._folder / key, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def exists(self, key: str) -> bool:
        """Whether a file is there."""
        return (self._folder / key).is_file()

    def list(self, prefix: str) -> Iterator[str]:
        """Keys in order; see `Backend.list`."""
        folder = self._folder / prefix.rpartition("/")[0]
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            key = path.relative_to(self._folder).as_posix()
            if key.startswith(prefix) and key != _LOCK and not key.startswith(_TEMPORARY + "/") and path.is_file():
                yield key

    def delete(self, key: str) -> None:
        """Takes a file away."""
        with translated(self._folder / key):
            (self._folder / key).unlink(missing_ok=True)

    def fetch(self, key: str) -> bytes | None:
        """A small value; see `Backend.fetch`."""
        path = self._folder / key
        with translated(path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def swap(self, key: str, new: bytes | None, *, expected: bytes | None) -> bool:
        """Compares and replaces a small value under the lock; see `Backend.swap`."""
        target = self._folder / key
        with self._locked(), translated(target):
            if self.fetch(key) != expected:
                return False
            if new is None:
                target.unlink(missing_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                with self._temporary() as temporary:
                    _write(temporary, (new,))
                    temporary.replace(target)
            sync_folder(target.parent)
        return True

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        path = self._folder / _TEMPORARY / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with translated(self._folder):
            descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _lock(descriptor, self._folder)
            yield
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Takes away what writers left that died long ago."""
        oldest = time.time() - ABANDONED_SECONDS
        with os.scandir(self._folder / _TEMPORARY) as found:
            for item in found:
                with suppress(FileNotFoundError):
                    if item.stat().st_mtime < oldest:
                        os.unlink(item)


@contextmanager
def translated(path: Path | bytes) -> Iterator[None]:
    """Turns the system's errors into Lineal's; ``path`` is what they are about."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def storage_error(error: OSError, path: Path | bytes) -> LinealError:
    """What an error of the system means for whoever keeps bytes at ``path``."""
    name = os.fsdecode(path)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Unavailable(f"the disk that holds {name} is full; nothing was changed", kind="disk-full", hint="Free space, then try again.")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return PermissionDenied(f"{name} may not be used: {error.strerror}", kind="store-denied", hint="Check the folder's owner and rights.")
    if error.errno == errno.ENOENT:
        return Integrity(f"{name} is missing from the store", kind="missing-file", hint="See what is left with: lineal fsck")
    return Unavailable(f"{name} cannot be used: {error.strerror or error}", kind="store-unavailable", hint="Check the disk with: lineal doctor")


def _lock(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Conflict(
                    f"another writer has held {folder} for over {LOCK_SECONDS:.0f} s", kind="store-busy", hint="Try again when it is done."
                ) from None
            time.sleep(0.002)
        else:
            return


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    with open(path, "wb", buffering=1 << 20) as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()
