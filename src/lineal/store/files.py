"""Files into the store and out of it: read whole or refused, written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from blake3 import blake3

from lineal.errors import Conflict, InvalidInput, LinealError, NotFound, PermissionDenied, Unavailable
from lineal.records.digest import Digest, blake3_digest
from lineal.store import content
from lineal.store.backends.folder import translated
from lineal.store.chunking import WHOLE
from lineal.store.durable import rename, step
from lineal.store.objects import Objects
from lineal.store.status import Looked

_PIECE = 4 * 1024 * 1024

Observer = Callable[[memoryview], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that is now in the store.

    Attributes:
        digest: content id of its bytes.
        size: how many bytes it has.
        stored_bytes: how many of them the store did not have, before compression.
        stat: from before it was read; what the stat index remembers.
    """

    digest: Digest
    size: int
    stored_bytes: int
    stat: Looked


def put_file(objects: Objects, path: bytes, *, observe: Observer | None = None, status: Looked | None = None) -> StoredFile:
    """Stores a file's bytes, each read once; raises as `Repository.put_file` says.

    Args:
        observe: sees every byte in order.
        status: what the file was when it was found; one that differs by now has changed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for its writer for ever
        try:
            before = status or os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise InvalidInput(f"{os.fsdecode(path)} is not a regular file", kind="not-a-file")
            identity, size, new = _put(objects, descriptor, before.st_size, observe)
            _unchanged(path, before, os.fstat(descriptor), size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise read_error(error, path) from error
    return StoredFile(digest=blake3_digest(identity), size=size, stored_bytes=new, stat=before)


def digest_file(path: bytes) -> tuple[Digest, os.stat_result]:
    """A file's content id, and its stat from before it was read; raises as `put_file` does."""
    with readable(path), open(path, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        hasher = blake3()
        buffer = memoryview(bytearray(min(_PIECE, before.st_size + 1)))
        while got := file.readinto(buffer):
            hasher.update(buffer[:got])
        _unchanged(path, before, os.fstat(file.fileno()))
    return blake3_digest(hasher.digest()), before


def write_file(pieces: Iterable[bytes], path: bytes, *, executable: bool) -> os.stat_result:
    """Writes a file beside its place and renames it, so that nobody ever sees half of it; returns its stat."""
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, b".lineal-" + secrets.token_hex(8).encode())
    with translated(path):
        step("write", temporary)
        descriptor = _create(temporary, 0o777 if executable else 0o666)  # less the user's umask
        try:
            try:
                for piece in pieces:
                    _write_all(descriptor, piece)
                status = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    return status


class readable:  # noqa: N801 - reads as the function it is; a generator would cost more than opening a small file
    """Turns the system's errors about a user's file into Lineal's."""

    def __init__(self, path: bytes) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise read_error(error, self._path) from error


def read_error(error: OSError, path: bytes) -> LinealError:
    """What a failure to read a user's file means."""
    name = os.fsdecode(path)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return NotFound(f"{name} is not there, or was taken away meanwhile", kind="file-vanished", hint="Check the path, then try again.")
        case errno.EACCES | errno.EPERM:
            return PermissionDenied(f"{name} may not be read", kind="file-unreadable", hint="Give yourself the right to read it, or ignore it.")
        case errno.EISDIR:
            return InvalidInput(f"{name} is a folder", kind="not-a-file")
        case errno.ELOOP:
            return InvalidInput(f"{name} is a symbolic link that leads to itself", kind="link-loop", hint="Remove or mend the link.")
    return Unavailable(f"{name} cannot be read: {error.strerror or error}", kind="file-unreadable", hint="Check the disk it lies on.")


def _unchanged(path: bytes, before: Looked, after: os.stat_result, size: int | None = None) -> None:
    same = before.st_mtime_ns == after.st_mtime_ns and before.st_size == after.st_size and before.st_ino == after.st_ino
    if not same or size not in {None, before.st_size}:
        raise Conflict(
            f"{os.fsdecode(path)} changed while it was read",
            kind="file-changed",
            hint="Wait until whatever writes it is done, then try again.",
        )


def _put(objects: Objects, descriptor: int, size: int, observe: Observer | None) -> tuple[bytes, int, int]:
    if size < WHOLE:
        data = os.read(descriptor, size + 1)
        if observe is not None:
            observe(memoryview(data))
        identity, new = content.put_bytes(objects, data)
        return identity, len(data), new

    def read_into(buffer: memoryview) -> int:
        got = os.readv(descriptor, [buffer])
        if observe is not None:
            observe(buffer[:got])
        return got

    with objects.batch():
        return content.put_stream(objects, read_into)


def _create(path: bytes, mode: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, flags, mode)


def _write_all(descriptor: int, piece: bytes) -> None:
    written = os.write(descriptor, piece)
    while written < len(piece):
        written += os.write(descriptor, memoryview(piece)[written:])
