"""A file of a version, opened."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lineal.interfaces.fsspec.filesystem import LinealFileSystem
    from lineal.records.dataset import TreeEntry
    from lineal.workspace.interface import VersionView

_BUFFER = 1 << 17


class VersionFile(io.BufferedReader):
    """A seekable file; pickled, it is opened again at the same place.

    Attributes:
        fs, path, size: as other file systems of fsspec have them.
    """

    def __init__(self, fs: LinealFileSystem, path: str, *, view: VersionView, entry: TreeEntry) -> None:
        super().__init__(view.open(entry).detach(), _BUFFER)  # type: ignore[attr-defined] # a store's contents are buffered readers
        self.fs = fs
        self.path = path
        self.size = entry.size

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.fs, self.path, self.tell())


def _reopened(fs: LinealFileSystem, path: str, place: int) -> VersionFile:
    file: VersionFile = fs.open(path, "rb")
    file.seek(place)
    return file
