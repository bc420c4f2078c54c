"""Bytes that are on the disk when a function returns, or not there at all: for whoever keeps files outside the store, too.

Every step that a crash can come before is one of this module's: writing, fsync, rename, unlink, making a folder. `watch` sees them all, which
is how tests kill a process before each, and work out what a power loss would leave.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

PathLike = Path | bytes

_VECTOR = 512
"""Pieces for one call of the system; it takes at most 1,024."""

Watch = Callable[[str, PathLike, PathLike | None], object]
"""Is told of a step before it is done: ``write fsync rename unlink mkdir sync-folder``, on what, and for ``rename`` to where."""

_watching: list[Watch] = []


def watch(observer: Watch | None) -> None:
    """Shows every step of this process to an observer; None ends that. Not for programs, but for tests of what a crash leaves."""
    _watching[:] = [] if observer is None else [observer]


def step(what: str, path: PathLike, to: PathLike | None = None) -> None:
    """Says that a step comes now; where nobody watches it costs next to nothing."""
    if _watching:
        _watching[0](what, path, to)


def write_pieces(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    """Writes a file and has it on the disk; returns its size."""
    step("write", path)
    waiting = iter(pieces)
    with open(path, "wb", buffering=0) as file:
        while some := list(islice(waiting, _VECTOR)):
            _write_all(file.fileno(), some)
        sync_file(file, path)
        return file.tell()


def _write_all(descriptor: int, pieces: list[bytes | memoryview]) -> None:
    """Writes pieces without copying them together first."""
    written = os.writev(descriptor, pieces)
    for piece in pieces:
        rest = memoryview(piece)[written:] if written < len(piece) else b""
        written = max(0, written - len(piece))
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def sync_file(file: BinaryIO, path: PathLike) -> None:
    """Makes the bytes of an open, flushed file last."""
    step("fsync", path)
    os.fsync(file.fileno())


def rename(path: PathLike, target: PathLike) -> None:
    """Puts a file in another's place in one step; `sync_folder` makes that last."""
    step("rename", path, target)
    os.replace(path, target)


def unlink(path: PathLike) -> None:
    """Takes a name away; one that is not there is no error."""
    step("unlink", path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def make_folders(folder: Path) -> None:
    """Makes a folder with its parents, so that they last: each new one's name is made certain in the folder above it."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    step("mkdir", folder)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder last: a new or renamed file is only certain to be found after it."""
    step("sync-folder", folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write what ``path`` shall hold; it takes the place of the old one whole, or, if anything fails, not at all.

    Only for one writer at a time: its temporary name is always the same, so that what a killed writer left is overwritten.
    """
    temporary = path.with_name(f".{path.name}")
    try:
        step("write", temporary)
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            sync_file(stream, temporary)
        rename(temporary, path)
    finally:
        unlink(temporary)
    sync_folder(path.parent)
