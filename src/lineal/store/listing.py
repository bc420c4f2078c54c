"""What is in one folder now, in the shape in which it is cheapest to compare with what was there before."""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

from lineal.errors import InvalidInput
from lineal.store.files import read_error, readable
from lineal.store.status import Looked, Status

FOLDER = Status(stat.S_IFDIR, 0, 0, 0, 0)
"""What stands for a subfolder: what changes in it is seen in its own listing."""

UNKNOWN = Status(0, 0, 0, 0, 0)
"""Equal to nothing that is there."""

WIDTH = 8 * len(FOLDER)
_statuses = attrgetter(*Status._fields)


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder's names and statuses, in the order in which the file system gives them.

    Attributes:
        names: joined by zero bytes; statuses: five u64 each, as in `Status`.
    """

    names: bytes
    statuses: bytes

    @property
    def count(self) -> int:
        """How many things are there."""
        return len(self.statuses) // WIDTH

    def items(self) -> Iterator[tuple[bytes, Status]]:
        """Names with their statuses."""
        numbers, times = array("Q", self.statuses), array("q", self.statuses)  # a time may be before 1970
        names = self.names.split(b"\0") if self.statuses else []
        for name, at in zip(names, range(0, len(numbers), 5), strict=True):
            yield name, Status(numbers[at], numbers[at + 1], times[at + 2], times[at + 3], numbers[at + 4])


def list_folder(path: bytes) -> Listing:
    """Looks into a folder without following links.

    Raises:
        NotFound: kind ``file-vanished``; PermissionDenied: kind ``file-unreadable``.
    """
    with readable(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with readable(path), os.scandir(descriptor) as items:  # by descriptor, the system need not walk the whole path for each file
            found = list(items)
        statuses = [_look(path, item) for item in found]
    finally:
        os.close(descriptor)
    return pack(os.fsencode("\0".join([item.name for item in found])), statuses)


def pack(names: bytes, statuses: Iterable[tuple[int, ...]]) -> Listing:
    """A listing of names, joined by zero bytes, with their statuses."""
    statuses = list(statuses)
    try:
        numbers = array("Q", chain.from_iterable(statuses))
    except OverflowError:
        numbers = array("Q", (number % (1 << 64) for number in chain.from_iterable(statuses)))
    return Listing(names, numbers.tobytes())


def mode_of(status: Looked, path: bytes) -> str:
    """What a tree says of it: ``file``, ``executable``, ``symlink`` or ``folder``.

    Raises:
        InvalidInput: kind ``not-a-file``, for sockets, pipes and devices.
    """
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFREG:
        return "executable" if status.st_mode & 0o100 else "file"
    if kind == stat.S_IFDIR:
        return "folder"
    if kind == stat.S_IFLNK:
        return "symlink"
    raise not_a_file(path)


def not_a_file(path: bytes) -> InvalidInput:
    """The error for a socket, a pipe or a device."""
    return InvalidInput(
        f"{os.fsdecode(path)} is neither a file nor a folder nor a link", kind="not-a-file", hint="Name it in .linealignore to leave it out."
    )


def _look(folder: bytes, item: os.DirEntry[str]) -> tuple[int, ...]:
    try:
        if item.is_dir(follow_symlinks=False):
            return FOLDER
        found: tuple[int, ...] = _statuses(item.stat(follow_symlinks=False))
    except OSError as error:
        path = os.path.join(folder, os.fsencode(item.name))
        raise read_error(error, path) from error
    return found
