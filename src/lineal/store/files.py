"""Files into the store and out of it: read whole or refused, written whole or not at all."""

from __future__ import annotations

import io
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from blake3 import blake3

from lineal.errors import Conflict, InvalidInput, LinealError, NotFound, PermissionDenied, Unavailable
from lineal.records.digest import Digest, blake3_digest
from lineal.store import content
from lineal.store.backends.folder import translated
from lineal.store.chunking import WHOLE
from lineal.store.objects import Objects

_PIECE = 4 * 1024 * 1024


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
    stat: os.stat_result


def put_file(objects: Objects, path: bytes, *, observe: Callable[[memoryview], object] | None = None) -> StoredFile:
    """Stores a file's bytes, each read once; ``observe`` sees them in order. Raises as `Repository.put_file` says."""
    with readable(path), open(path, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise InvalidInput(f"{os.fsdecode(path)} is not a regular file", kind="not-a-file")
        with objects.batch():
            identity, size, new = _put(objects, file, before.st_size, observe)
        _unchanged(path, before, os.fstat(file.fileno()), size)
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


def write_file(pieces: Iterable[bytes], path: bytes, *, executable: bool) -> None:
    """Writes a file beside its place and renames it, so that nobody ever sees half of it."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, b".lineal-" + secrets.token_hex(8).encode())
    with translated(path):
        if folder:
            os.makedirs(folder, exist_ok=True)
        try:
            mode = 0o777 if executable else 0o666  # less the user's umask
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with open(descriptor, "wb", buffering=0) as file:
                for piece in pieces:
                    _write_all(file.write, piece)
            os.replace(temporary, os.path.join(folder, name))
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)


@contextmanager
def readable(path: bytes) -> Iterator[None]:
    """Turns the system's errors about a user's file into Lineal's."""
    name = os.fsdecode(path)
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{name} is not there, or was taken away meanwhile", kind="file-vanished", hint="Check the path, then try again.") from error
    except PermissionError as error:
        raise PermissionDenied(f"{name} may not be read", kind="file-unreadable", hint="Give yourself the right to read it, or ignore it.") from error
    except IsADirectoryError as error:
        raise InvalidInput(f"{name} is a folder", kind="not-a-file") from error
    except OSError as error:
        raise read_error(error, name) from error


def read_error(error: OSError, name: str) -> LinealError:
    """What any other failure to read means."""
    if error.errno == 40:  # ELOOP
        return InvalidInput(f"{name} is a symbolic link that leads to itself", kind="link-loop", hint="Remove or mend the link.")
    return Unavailable(f"{name} cannot be read: {error.strerror or error}", kind="file-unreadable", hint="Check the disk it lies on.")


def _unchanged(path: bytes, before: os.stat_result, after: os.stat_result, size: int | None = None) -> None:
    same = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    if not same or size not in {None, before.st_size}:
        raise Conflict(
            f"{os.fsdecode(path)} changed while it was read",
            kind="file-changed",
            hint="Wait until whatever writes it is done, then try again.",
        )


def _put(objects: Objects, file: io.FileIO, size: int, observe: Callable[[memoryview], object] | None) -> tuple[bytes, int, int]:
    if size < WHOLE:
        data = file.read(size + 1)
        if observe is not None:
            observe(memoryview(data))
        identity, new = content.put_bytes(objects, data)
        return identity, len(data), new
    if observe is None:
        return content.put_stream(objects, file.readinto)

    def observed(buffer: memoryview) -> int:
        got = file.readinto(buffer)
        observe(buffer[:got])
        return got

    return content.put_stream(objects, observed)


def _write_all(write: Callable[[memoryview], int], piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[write(view) :]
