"""What the kernel asks of a mounted version, and the answers. Nothing is listed or fetched before it is asked for.

A version never changes, so the kernel may keep every answer for as long as it likes: what was read once costs no call any more.

Source: fuse_operations (https://libfuse.github.io/doxygen/structfuse__operations.html), through mfusepy.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import mfusepy
from blake3 import blake3

from lineal.errors import LinealError, Unavailable

if TYPE_CHECKING:
    from lineal.records.dataset import TreeEntry
    from lineal.workspace.interface import RangeReader, VersionView

FOREVER = 365 * 86_400.0
"""Seconds that the kernel keeps what it was told."""

READ_AHEAD = 8 * 1024 * 1024
BLOCK = 4096
_KEPT_NAMES = 4096

_NANOSECONDS = 1_000
_TYPES = {
    "file": stat.S_IFREG | 0o444,
    "tracked": stat.S_IFREG | 0o444,
    "executable": stat.S_IFREG | 0o555,
    "symlink": stat.S_IFLNK | 0o777,
    "folder": stat.S_IFDIR | 0o555,
}
_ATTRIBUTES = ("user.lineal.version", "user.lineal.address", "user.lineal.commit", "user.lineal.digest", "user.lineal.mount")

_log = logging.getLogger("lineal.fuse")


class Operations(mfusepy.Operations):  # type: ignore[misc] # mfusepy has no types
    """A version's view behind a mount. The kernel calls it from several threads.

    Args:
        identity: the mount's id, which tells it apart from any other that may lie at the same place.
        opened: is told of each file that is opened, and of the thread that opens it.
        ready: is called in a thread of its own once the mount answers.
    """

    use_ns = True
    flag_nopath = flag_nullpath_ok = True

    def __init__(self, view: VersionView, *, identity: str, opened: Callable[[int, bytes], None], ready: Callable[[], None]) -> None:
        self._view = view
        self._identity = identity
        self._opened = opened
        self._ready = ready
        self._owner = {"st_uid": os.getuid(), "st_gid": os.getgid()}
        self._time = view.version.created_at * _NANOSECONDS
        self._handles: dict[int, _Handle] = {}
        self._folders: dict[int, _Folder] = {}
        self._next = count(1)

    def init_with_config(self, connection: Any, config: Any) -> None:
        """Tells the kernel to ask much at once, and to remember the answers."""
        connection.max_readahead = READ_AHEAD
        if config is not None:
            config.entry_timeout = config.attr_timeout = config.negative_timeout = FOREVER
            config.kernel_cache = 1
            config.use_ino = 1
            config.nullpath_ok = 1
        threading.Thread(target=self._ready, name="lineal-ready", daemon=True).start()  # what it asks the mount is answered when this returns

    def getattr(self, path: str | None, fh: int | None = None) -> dict[str, Any]:
        """The facts of stat(2)."""
        handle = self._handles.get(fh) if path is None and fh is not None else None
        return self._attributes(handle.entry if handle is not None else self._entry(path))

    def readdir_with_offset(self, _path: str | None, offset: int, fh: int) -> Iterator[tuple[str, dict[str, Any], int]]:
        """The names in a folder from a place on, each with the place behind it."""
        folder = self._folders[fh]
        with _answered():
            for place, (name, attributes) in folder.names(offset):
                yield name, attributes, place

    def opendir(self, path: str) -> int:
        """A handle of a folder."""
        entry = self._entry(path)
        if entry.mode != "folder":
            raise mfusepy.FuseOSError(errno.ENOTDIR)
        number = next(self._next)
        self._folders[number] = _Folder(partial(self._listed, entry.path))
        return number

    def releasedir(self, _path: str | None, fh: int) -> int:
        """Forgets a folder's handle."""
        self._folders.pop(fh, None)
        return 0

    def open(self, path: str, flags: int) -> int:
        """A handle of a file."""
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise mfusepy.FuseOSError(errno.EROFS)
        entry = self._entry(path)
        handle = _Handle(entry, self._view)
        self._opened(mfusepy.fuse_get_context()[2], entry.path)
        number = next(self._next)
        self._handles[number] = handle
        return number

    def read(self, _path: str | None, size: int, offset: int, fh: int) -> bytes:
        """Bytes of an open file."""
        with _answered():
            return self._handles[fh].read(size, offset)

    def release(self, _path: str | None, fh: int) -> int:
        """Closes a file."""
        self._handles.pop(fh).close()
        return 0

    def readlink(self, path: str) -> str:
        """Where a link points."""
        entry = self._entry(path)
        with _answered():
            return os.fsdecode(self._view.target(entry))

    def listxattr(self, path: str) -> list[str]:
        """The names of what `getxattr` tells."""
        return [name for name in _ATTRIBUTES if self._attribute(path, name)]

    def getxattr(self, path: str, name: str, _position: int = 0) -> bytes:
        """Which version, and which content, this is."""
        found = self._attribute(path, name)
        if not found:
            raise mfusepy.FuseOSError(mfusepy.ENOATTR)
        return os.fsencode(found)

    def statfs(self, _path: str) -> dict[str, int]:
        """How much there is; there is room for nothing more."""
        with _answered():
            files, size = self._view.totals()
        blocks = -(-size // BLOCK)
        return {"f_bsize": BLOCK, "f_frsize": BLOCK, "f_blocks": blocks, "f_files": files, "f_namemax": 255}

    def _entry(self, path: str | None) -> TreeEntry:
        with _answered():
            found = self._view.entry(os.fsencode(path or "")[1:])
        if found is None:
            raise mfusepy.FuseOSError(errno.ENOENT)
        return found

    def _attributes(self, entry: TreeEntry) -> dict[str, Any]:
        return {
            "st_mode": _TYPES[entry.mode],
            "st_ino": self._inode(entry.path),
            "st_nlink": 2 if entry.mode == "folder" else 1,
            "st_size": entry.size,
            "st_blksize": BLOCK,
            "st_blocks": -(-entry.size // 512),
            "st_mtime": self._time,
            "st_ctime": self._time,
            "st_atime": self._time,
            **self._owner,
        }

    def _inode(self, path: bytes) -> int:
        """The same for the same path of the same version, in every mount."""
        return int.from_bytes(blake3(self._view.version.commit.encode() + b"\0" + path).digest(8), "little") >> 1 or 1

    def _listed(self, folder: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in (".", ".."):
            yield name, {"st_mode": stat.S_IFDIR}
        for child in self._view.children(folder):
            name = os.fsdecode(child.path.rpartition(b"/")[2])
            yield name, {"st_mode": _TYPES[child.mode], "st_ino": self._inode(child.path)}

    def _attribute(self, path: str, name: str) -> str:
        version = self._view.version
        match name:
            case "user.lineal.version":
                return version.reference
            case "user.lineal.address":
                return self._view.address(os.fsencode(path)[1:])
            case "user.lineal.commit":
                return version.commit
            case "user.lineal.mount":
                return self._identity
            case "user.lineal.digest":
                return version.digest if path == "/" else self._digest(self._entry(path))
        return ""

    def _digest(self, entry: TreeEntry) -> str:
        return "" if entry.mode == "folder" else entry.digest


class _Handle:
    """An open file; its content is looked for when it is first read. The kernel reads ahead, in several threads at once where there are several."""

    def __init__(self, entry: TreeEntry, view: VersionView) -> None:
        self.entry = entry
        self._view = view
        self._content: RangeReader | None = None
        self._turn = threading.Lock()

    def read(self, size: int, offset: int) -> bytes:
        with self._turn:
            if self._content is None:
                self._content = self._view.reader(self.entry)
            return self._content.read_at(offset, offset + size)

    def close(self) -> None:
        if self._content is not None:
            self._content.close()


class _Folder:
    """An open folder: the last names that were listed are kept, for a reader that comes back to where its buffer was full.

    Args:
        listed: begins the listing; again, for a reader that goes further back.
    """

    def __init__(self, listed: Callable[[], Iterator[tuple[str, dict[str, Any]]]]) -> None:
        self._begin = listed
        self._coming = listed()
        self._last: deque[tuple[str, dict[str, Any]]] = deque(maxlen=_KEPT_NAMES)
        self._count = 0
        self._turn = threading.Lock()

    def names(self, offset: int) -> Iterator[tuple[int, tuple[str, dict[str, Any]]]]:
        """Names behind the first ``offset``, each with how many there are up to it."""
        while (found := self._at(offset)) is not None:
            offset += 1
            yield offset, found

    def _at(self, place: int) -> tuple[str, dict[str, Any]] | None:
        with self._turn:
            if place < self._count - len(self._last):
                self._coming, self._count = self._begin(), 0
                self._last.clear()
            while self._count <= place:
                following = next(self._coming, None)
                if following is None:
                    return None
                self._last.append(following)
                self._count += 1
            return self._last[place - self._count]


@contextmanager
def _answered() -> Iterator[None]:
    """Turns our errors into the kernel's, and tells of them in the log: whoever reads sees a number only."""
    try:
        yield
    except LinealError as error:
        _log.error("%s", error)
        raise mfusepy.FuseOSError(errno.EAGAIN if isinstance(error, Unavailable) else errno.EIO) from error
