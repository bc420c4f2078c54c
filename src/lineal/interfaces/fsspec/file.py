"""A file of a version, opened."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lineal.interfaces.fsspec.filesystem import LinealFileSystem
    from lineal.records.dataset import TreeEntry
    from lineal.workspace.interface import VersionView

_BUFFER = 1 << 17


class VersionFile(io.BufferedReader):
    """A seekable file; pickled, it is opened again at the same place.

    DuckDB lets several threads seek and read in one file object without waiting for one another, and takes what it gets for what it asked for.
    So a thread that reads after seeking reads from where it went, wherever others have gone meanwhile.

    Attributes:
        fs, path, size: as other file systems of fsspec have them.
    """

    def __init__(self, fs: LinealFileSystem, path: str, *, view: VersionView, entry: TreeEntry) -> None:
        super().__init__(view.open(entry).detach(), _BUFFER)  # type: ignore[attr-defined] # a store's contents are buffered readers
        self.fs = fs
        self.path = path
        self.size = entry.size
        self._turn = threading.Lock()
        self._last = 0
        self._gone_to: dict[int, int] = {}

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Goes to a place; returns it."""
        with self._turn:
            self._last = threading.get_ident()
            place = self._gone_to[self._last] = super().seek(offset, whence)
            return place

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to so many bytes, or all that follow."""
        with self._turn:
            self._return()
            return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        """Fills a buffer as far as it can; returns how far."""
        with self._turn:
            self._return()
            return super().readinto(buffer)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.fs, self.path, self.tell())

    def _return(self) -> None:
        """Goes back to where this thread went, if another has gone elsewhere since; a thread that never went anywhere was handed the file as it is."""
        thread = threading.get_ident()
        place = self._gone_to.pop(thread, None)
        if place is None:
            self._gone_to.clear()
        elif self._last != thread:
            super().seek(place)
        self._last = thread


def _reopened(fs: LinealFileSystem, path: str, place: int) -> VersionFile:
    file: VersionFile = fs.open(path, "rb")
    file.seek(place)
    return file
