"""One tree, looked at like a file system that nobody can write to: folders, links, contents, each read only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from lineal.records.dataset import TreeEntry
from lineal.records.digest import EMPTY, Digest
from lineal.store.repository import Repository


class RangeReader(Protocol):
    """An open file that is read range by range. Not thread safe."""

    def read_at(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop`` or the end."""

    def close(self) -> None:
        """Gives back what is held open."""


MOST_LINKS = 40
"""As many links are followed on the way to one path, as on Linux."""


class TreeView:
    """A tree by its root. Paths are relative, as in `TreeEntry`, and ``b""`` is the root folder. Thread safe."""

    def __init__(self, store: Repository, root: Digest) -> None:
        self._store = store
        self._root = root

    def entry(self, path: bytes) -> TreeEntry | None:
        """What lies at a path, links not followed; folders that hold something are found, too."""
        return self._store.lookup(self._root, path) if path else _folder(path)

    def follow(self, path: bytes) -> TreeEntry | None:
        """What a path leads to, through links as far as they stay inside the tree; None where it leads nowhere or in a circle."""
        found = self.entry(path)
        return found if found is not None and found.mode != "symlink" else self._walk(path)

    def children(self, folder: bytes, *, after: bytes = b"") -> Iterator[TreeEntry]:
        """What lies directly in a folder, links not followed; ``after`` is the last path of the page before."""
        return self._store.children(self._root, folder, after=after)

    def entries(self, folder: bytes) -> Iterator[TreeEntry]:
        """Everything in a folder and below it; folders only where they are empty."""
        return self._store.entries(self._root, prefix=folder + b"/" if folder else b"")

    def target(self, link: TreeEntry) -> bytes:
        """Where a link points."""
        return self._store.read(link.digest)

    def open(self, entry: TreeEntry) -> BinaryIO:
        """A file's content, seekable; what is not read is not fetched. Of a tracked file what is known of it."""
        return self._store.open_content(entry.digest)

    def reader(self, entry: TreeEntry) -> RangeReader:
        """The same without a buffer, for ranges."""
        return self._store.content_reader(entry.digest)

    def read(self, entry: TreeEntry, start: int, stop: int) -> bytes:
        """A file's bytes from ``start`` up to ``stop`` or its end."""
        return self._store.read_range(entry.digest, start, stop)

    def totals(self) -> tuple[int, int]:
        """How many entries there are, and how many bytes their contents have."""
        return self._store.totals(self._root)

    def _walk(self, path: bytes) -> TreeEntry | None:
        """Goes part by part, and in a link's place to where that points. Source: path_resolution(7)."""
        here: list[bytes] = []
        waiting = path.split(b"/")[::-1]
        links = 0
        while waiting:
            part = waiting.pop()
            if part == b".." and not here:
                return None
            if not _step(here, part):
                continue
            found = self.entry(b"/".join(here))
            if found is None:
                return None
            if found.mode == "symlink":
                target = self.target(found)
                links += 1
                if links > MOST_LINKS or target.startswith(b"/"):
                    return None
                here.pop()
                waiting += target.split(b"/")[::-1]
        return self.entry(b"/".join(here))


def _folder(path: bytes) -> TreeEntry:
    return TreeEntry(path=path, mode="folder", size=0, digest=EMPTY)


def _step(here: list[bytes], part: bytes) -> bool:
    """Goes one part on; whether that led down, to something that must be looked at."""
    if part == b"..":
        here.pop()
    elif part not in {b"", b"."}:
        here.append(part)
        return True
    return False
