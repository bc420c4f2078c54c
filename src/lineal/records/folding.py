"""Folding: many files below one folder become that one folder, so that rows do not grow with files."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence

MORE_THAN = 64
"""Files below one folder that are still listed one by one."""


def fold(paths: Sequence[bytes], *, more_than: int = MORE_THAN) -> dict[bytes, list[int]]:
    """The folders that stand for more than ``more_than`` of the files each, with the places of those files in ``paths``.

    The deepest folder with enough files takes them; those of folders with fewer count for the folder above. What is in no folder is left alone.

    >>> fold([b"a/1", b"a/2", b"a/b/3", b"c"], more_than=2)
    {b'a': [0, 1, 2]}
    """
    waiting: dict[int, dict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, path in enumerate(paths):
        folder = posixpath.dirname(path)
        waiting[_depth(folder)][folder].append(place)
    folded: dict[bytes, list[int]] = {}
    for depth in range(max(waiting, default=0), -1, -1):
        for folder, places in waiting[depth].items():
            if len(places) > more_than:
                folded[folder] = sorted(places)
            elif depth:
                waiting[depth - 1][posixpath.dirname(folder)].extend(places)
    return folded


def below(folder: bytes, path: bytes) -> bytes:
    """The path relative to a folder that holds it.

    >>> below(b"", b"a/b"), below(b"/", b"/a"), below(b"a", b"a/b")
    (b'a/b', b'a', b'b')
    """
    return path[len(folder.rstrip(b"/")) + 1 :] if folder else path


def ancestors(path: bytes) -> list[bytes]:
    """Every folder that holds a path, the nearest first; ``b""`` or ``b"/"`` last.

    >>> ancestors(b"a/b/c"), ancestors(b"/a/b")
    ([b'a/b', b'a', b''], [b'/a', b'/'])
    """
    found = []
    while path not in {b"", b"/"}:
        path = posixpath.dirname(path)
        found.append(path)
    return found


def _depth(folder: bytes) -> int:
    inner = folder.strip(b"/")
    return inner.count(b"/") + 1 if inner else 0
