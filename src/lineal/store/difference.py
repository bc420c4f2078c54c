"""What is in a working copy beside what a tree has, path by path, wherever the two differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.store.repository import Repository
from lineal.store.workingcopy import Changes

_FEW = 64

Pair = tuple[TreeEntry | None, TreeEntry | None]
"""An entry on either side, or None where a side has none."""


def pairs_against(store: Repository, root: Digest, wanted: Iterable[Pair], changes: Changes) -> Iterator[Pair]:
    """What a tree has beside what is there, wherever that differs.

    Args:
        root: the tree that is there, but for the ``changes``.
        wanted: how that tree differs from the one that is asked about.
    """
    waiting = dict(changes)
    for there, entry in wanted:
        path = path_of((there, entry))
        now = waiting.pop(path) if path in waiting else there
        if now != entry:
            yield entry, now
    for path, entry in _entries_at(store, root, waiting):
        if waiting[path] != entry:
            yield entry, waiting[path]


def path_of(pair: Pair) -> bytes:
    """The path that a pair is about."""
    entry = pair[0] or pair[1]
    if entry is None:
        raise ValueError("a pair has a side")
    return entry.path


def _entries_at(store: Repository, root: Digest, paths: Collection[bytes]) -> Iterator[tuple[bytes, TreeEntry | None]]:
    """What a tree has at certain paths; if they are many, it is read through once."""
    if len(paths) <= _FEW:
        yield from ((path, store.entry(root, path)) for path in paths)
        return
    found = {entry.path: entry for entry in store.entries(root) if entry.path in paths}
    yield from ((path, found.get(path)) for path in paths)
