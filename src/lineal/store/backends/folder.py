"""Bytes in a folder. Temporary file, fsync, rename, fsync of the folder: a file is there whole or not at all, whatever happens."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lineal.errors import Conflict, Integrity, LinealError, PermissionDenied, Unavailable
from lineal.store.durable import make_folders, rename, sync_folder, unlink, write_pieces

LOCK_SECONDS = 30.0
ABANDONED_SECONDS = 3600.0
_TEMPORARY = "tmp"
_LEASES = "leases"
_LOCK = "lock"
_UNLISTED = (_TEMPORARY + "/", _LEASES + "/", _LOCK)


class FolderBackend:
    """A place for bytes in a local folder.

    Values are swapped under a file lock that the system releases when its holder dies, so no lock is ever left over.
    """

    mapped = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with translated(folder):
            make_folders(folder / _TEMPORARY)
            self._sweep()

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Writes a file once; see `Backend.create`."""
        target = self._folder / key
        with translated(target):
            if target.exists():
                sync_folder(target.parent)  # its writer may have died between rename and this
                return target.stat().st_size
            make_folders(target.parent)
            with self._temporary() as temporary:
                size = write_pieces(temporary, pieces)
                rename(temporary, target)
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
            if key.startswith(prefix) and not key.startswith(_UNLISTED) and path.is_file():
                yield key

    def delete(self, *keys: str) -> None:
        """Takes files away."""
        for key in keys:
            with translated(self._folder / key):
                unlink(self._folder / key)

    def move(self, key: str, target: str) -> None:
        """Gives a file another key; see `Backend.move`."""
        old, new = self._folder / key, self._folder / target
        with translated(old):
            make_folders(new.parent)
            rename(old, new)
            sync_folder(new.parent)
            sync_folder(old.parent)

    def age(self, key: str) -> float | None:
        """How long ago a file was written; see `Backend.age`. The file system's clock says so, which on a network is not this machine's."""
        path = self._folder / key
        with translated(path):
            try:
                written = path.stat().st_mtime
            except FileNotFoundError:
                return None
            with self._temporary() as probe:
                probe.touch()
                return probe.stat().st_mtime - written

    def size(self, key: str) -> int | None:
        """A file's bytes; see `Backend.size`."""
        with translated(self._folder / key), suppress(FileNotFoundError):
            return (self._folder / key).stat().st_size
        return None

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
                unlink(target)
            else:
                make_folders(target.parent)
                with self._temporary() as temporary:
                    write_pieces(temporary, (new,))
                    rename(temporary, target)
            sync_folder(target.parent)
        return True

    @contextmanager
    def hold(self, note: Callable[[], bytes]) -> Iterator[None]:
        """Shows a note while the block lasts; see `Backend.hold`. The file is locked before it has its name, and the system unlocks it for the dead."""
        name = f"{os.getpid()}-{secrets.token_hex(8)}"
        hidden, shown = self._folder / _TEMPORARY / name, self._folder / _LEASES / name
        with translated(shown):
            shown.parent.mkdir(exist_ok=True)
            descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with translated(shown):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.write(descriptor, note())
                os.rename(hidden, shown)
            yield
        finally:
            for place in (hidden, shown):
                with suppress(OSError):
                    os.unlink(place)
            os.close(descriptor)

    def held(self) -> tuple[bytes, ...] | None:
        """The notes of the living; see `Backend.held`."""
        folder = self._folder / _LEASES
        with translated(folder):
            found = sorted(folder.iterdir()) if folder.is_dir() else []
            return tuple(note for path in found if (note := _living_note(path)) is not None)

    def trusted(self, _note: str) -> bool:
        """No: a folder is asked, which costs next to nothing."""
        return False

    def trust(self, _note: str) -> None:
        """Notes nothing."""

    def request_count(self) -> int:
        """None."""
        return 0

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        path = self._folder / _TEMPORARY / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            yield path
        finally:
            unlink(path)

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
        """Takes away what writers left that died long ago, as the file system's clock says: this machine's may be hours ahead of it."""
        with os.scandir(self._folder / _TEMPORARY) as found:
            names = [item.name for item in found]
        for name in names:
            with suppress(FileNotFoundError):
                if (self.age(f"{_TEMPORARY}/{name}") or 0) > ABANDONED_SECONDS:
                    os.unlink(self._folder / _TEMPORARY / name)


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


def _living_note(path: Path) -> bytes | None:
    """What a lease says, or None where its holder is dead: then it is taken away."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 1 << 20)
    else:
        with suppress(OSError):
            os.unlink(path)
        return None
    finally:
        os.close(descriptor)


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
