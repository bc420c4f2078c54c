"""Versions that are read where they lie, without a checkout."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from lineal.capture.reads import note_read
from lineal.records.address import Address
from lineal.store.view import TreeView

if TYPE_CHECKING:
    from lineal.records.dataset import DatasetVersion, TreeEntry
    from lineal.workspace.fetching import TrackedBytes
    from lineal.workspace.interface import RangeReader
    from lineal.workspace.site import Site


class LocalView(TreeView):
    """A version of a dataset, looked at like a file system; see `lineal.workspace.interface.VersionView`."""

    def __init__(self, site: Site, version: DatasetVersion) -> None:
        super().__init__(site.store, version.digest)
        self._site = site
        self._version = version

    @cached_property
    def _elsewhere(self) -> TrackedBytes:
        from lineal.workspace.fetching import TrackedBytes

        return TrackedBytes(self._site, self._version)

    def open(self, entry: TreeEntry) -> BinaryIO:
        """A file's content, seekable and lazy; a tracked one's is asked of its source, which must still have it."""
        return self._elsewhere.open(entry) if entry.mode == "tracked" else super().open(entry)

    def read(self, entry: TreeEntry, start: int, stop: int) -> bytes:
        """A file's bytes from ``start`` up to ``stop`` or its end; a tracked one's from its source."""
        return self._elsewhere.read(entry, start, stop) if entry.mode == "tracked" else super().read(entry, start, stop)

    def reader(self, entry: TreeEntry) -> RangeReader:
        """The same without a buffer, for ranges."""
        return _TrackedRanges(self._elsewhere, entry) if entry.mode == "tracked" else super().reader(entry)

    @property
    def version(self) -> DatasetVersion:
        """The version, which is the same for as long as this is held."""
        return self._version

    @cached_property
    def single(self) -> TreeEntry | None:
        """The only file of a dataset that is one file; None of a folder's."""
        return next(self.entries(b""), None) if self._version.single_file else None

    def note(self, entry: TreeEntry) -> None:
        """Ties the run that this process is part of, if it is part of one, to this version, of which it reads a file."""
        facts = {"commit": self._version.commit, "digest": entry.digest, "size": entry.size}
        note_read(self.address(entry.path), facts)

    def address(self, path: bytes) -> str:
        """The address of a path of exactly this version."""
        return Address(reference=self._version.reference, path=path).text


class _TrackedRanges:
    """A tracked file, each range of it asked of its source."""

    def __init__(self, elsewhere: TrackedBytes, entry: TreeEntry) -> None:
        self._elsewhere = elsewhere
        self._entry = entry

    def read_at(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop`` or the end."""
        return self._elsewhere.read(self._entry, start, stop)

    def close(self) -> None:
        """Nothing is held open."""
