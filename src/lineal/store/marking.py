"""What is still needed: marks on everything that can be reached from given roots, in bounded memory.

A mark is the first 8 bytes of a key. Two keys that share those are marked together, which keeps an object too many about once in 10^19 pairs,
and never one too few. Nothing is held per object but such a mark, and most of them lie sorted on disk.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import numpy as np

from lineal.errors import LinealError
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest, raw_hash
from lineal.store import content
from lineal.store.columns import Prefixes, Slice, child_keys, prefixes_of
from lineal.store.commits import decode_commit
from lineal.store.nodes import MAGIC as NODE
from lineal.store.objects import Objects
from lineal.store.packs import CHUNK, LIST
from lineal.store.tree import Trees

_HELD = 1 << 22
"""Bytes of marks in memory before they go to disk; sorting them takes as much several times over."""
_BUFFERED = 1 << 15
"""Keys that are looked at together."""
_PARTS = 256
_LOOKUPS = 16
"""Lists that are looked up before what that has mapped of the index is given back: each of three lookups may map 2 MB around its place."""


class Marks:
    """Collects marks in any order, and says them sorted and once each. Not thread safe.

    Args:
        folder: where runs of sorted marks lie meanwhile, in files without a name, which the system takes away whatever happens.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = bytearray()
        self._runs: list[_Mapped] = []

    def add(self, prefixes: Prefixes) -> None:
        """Takes marks in."""
        self._held += prefixes.tobytes()
        if len(self._held) >= _HELD:
            self._spill()

    def finish(self) -> Marked:
        """Everything that was marked: the runs are merged part by part of the keys' range, so that only one part is in memory."""
        self._spill()
        bounds = np.arange(1, _PARTS, dtype=np.uint64) << np.uint64(56)
        cuts = [[0, *np.searchsorted(run.marks, bounds).tolist(), len(run.marks)] for run in self._runs]
        with TemporaryFile(dir=self._folder) as file:
            for part in range(_PARTS):
                pieces = [run.marks[cut[part] : cut[part + 1]] for run, cut in zip(self._runs, cuts, strict=True)]
                if pieces:
                    np.unique(np.concatenate(pieces)).tofile(file)
                for run in self._runs:
                    run.release()
            return Marked(_Mapped(cast("BinaryIO", file)))

    def _spill(self) -> None:
        if not self._held:
            return
        held, self._held = self._held, bytearray()
        with TemporaryFile(dir=self._folder) as file:
            np.unique(np.frombuffer(held, dtype=np.uint64)).tofile(file)
            self._runs.append(_Mapped(cast("BinaryIO", file)))


class _Mapped:
    """Sorted marks in a file that has no name any more; it stays for as long as this is referred to."""

    def __init__(self, file: BinaryIO) -> None:
        file.flush()
        size = os.fstat(file.fileno()).st_size
        self._map = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) if size else None
        self.marks: Prefixes = np.frombuffer(b"" if self._map is None else self._map, dtype=np.uint64)

    def release(self) -> None:
        """Gives back the memory that looking at them has mapped."""
        if self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)


class Marked:
    """Sorted marks."""

    def __init__(self, marks: _Mapped) -> None:
        self._mapped = marks
        self._marks = marks.marks

    def __len__(self) -> int:
        return len(self._marks)

    def has(self, prefixes: Prefixes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of these are marked."""
        if not len(self._marks):
            return np.zeros(len(prefixes), dtype=bool)
        places = np.searchsorted(self._marks, prefixes)
        places[places == len(self._marks)] = 0
        found: np.ndarray[tuple[int], np.dtype[np.bool_]] = self._marks[places] == prefixes
        self._mapped.release()
        return found


class Lists:
    """Which contents are lists of chunks, and which of those were followed already: some bytes a list, in arrays.

    Args:
        slices: all records there are.
    """

    def __init__(self, slices: Iterable[Slice]) -> None:
        firsts: list[Prefixes] = []
        seconds: list[Prefixes] = []
        for piece in slices:
            lists = piece.table[piece.table["kind"] == LIST]
            firsts.append(lists["prefix"].astype(np.uint64))
            seconds.append(lists["second"].astype(np.uint64))
        first = np.concatenate(firsts) if firsts else np.empty(0, dtype=np.uint64)
        second = np.concatenate(seconds) if seconds else np.empty(0, dtype=np.uint64)
        order = np.lexsort((second, first))
        first, second = first[order], second[order]
        fresh = np.ones(len(first), dtype=bool)
        fresh[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        self._prefixes, counts = np.unique(first[fresh], return_counts=True)
        self._ambiguous = counts > 1  # two lists share a mark: they are followed each time, so that none is left out
        self._followed = np.zeros(len(self._prefixes), dtype=bool)

    def number(self, key: bytes) -> int | None:
        """The number of one list, or None where it cannot be one."""
        found = self.among(prefixes_of(key))
        return found[0][1] if found else None

    def among(self, prefixes: Prefixes) -> list[tuple[int, int]]:
        """Places among ``prefixes`` that are perhaps lists which were not followed yet, each with the number to ask `followed` about."""
        if not len(self._prefixes):
            return []
        numbers = np.searchsorted(self._prefixes, prefixes)
        numbers[numbers == len(self._prefixes)] = 0
        wanted = np.flatnonzero((self._prefixes[numbers] == prefixes) & ~self._followed[numbers])
        return [(int(place), int(numbers[place])) for place in wanted]

    def followed(self, number: int) -> bool:
        """Whether the list was followed meanwhile."""
        return bool(self._followed[number])

    def note(self, number: int) -> None:
        """Says that the list was followed."""
        self._followed[number] = not self._ambiguous[number]


class Marking:
    """Follows roots to all that they need. Not thread safe."""

    def __init__(self, objects: Objects, trees: Trees, *, lists: Lists, marks: Marks) -> None:
        self._objects = objects
        self._trees = trees
        self._lists = lists
        self._marks = marks
        self._keys = bytearray()
        self._nodes: set[bytes] = set()
        self._pieces: set[bytes] = set()
        self._commits: set[Digest] = set()
        self._lookups = 0

    def commits(self, head: Digest, *, given_up: frozenset[bytes], partial: bool = False) -> int:
        """A commit with all that came before it; of those in ``given_up`` only the commit itself. Returns how many were new.

        Args:
            partial: whether commits may be missing, as behind what a remote was last seen at.
        """
        waiting, before = [head], len(self._commits)
        while waiting:
            commit = waiting.pop()
            if commit in self._commits:
                continue
            identity = raw_hash(commit)
            if partial and self._objects.kind_anywhere(identity) is None:
                continue
            read = decode_commit(content.read(self._objects, identity), commit)
            self._commits.add(commit)
            self._mark(identity)
            waiting += read.parents
            if identity not in given_up:
                self.tree(raw_hash(read.root), partial=partial)
        return len(self._commits) - before

    def tree(self, root: bytes, *, partial: bool = False) -> None:
        """A tree with all its contents."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if node in self._nodes or (partial and self._objects.kind_anywhere(node) is None):
                continue
            self._nodes.add(node)
            self._mark(node)
            for item in self._trees.items(node):
                if isinstance(item, TreeEntry):
                    self._mark(raw_hash(item.digest))
                else:
                    waiting.append(item.node)

    def content(self, identity: bytes) -> bool:
        """A content that may be a tree or not; says whether it is here."""
        kind = self._objects.kind_anywhere(identity)
        if kind is None:
            return False
        self._mark(identity)
        if self._begins_like_a_node(identity, kind):
            try:
                self._trees.items(identity)
            except LinealError:
                return True  # a file that begins like a node
            self.tree(identity, partial=True)
        return True

    def everything(self, piece: Slice) -> None:
        """All of some records, and what the lists among them name."""
        self._settle()
        self._keys += b"".join(record.tobytes()[:32] for record in piece.table)
        self._settle()

    def finish(self) -> Marked:
        """All that was marked."""
        self._settle()
        return self._marks.finish()

    def _begins_like_a_node(self, identity: bytes, kind: int) -> bool:
        if kind == CHUNK:
            return self._objects.get(identity)[1][:2] == NODE
        return next(content.pieces(self._objects, identity), b"")[:2] == NODE

    def _mark(self, key: bytes) -> None:
        self._keys += key
        if len(self._keys) >= 32 * _BUFFERED:
            self._settle()

    def _settle(self) -> None:
        """Marks what was collected, and follows the lists among it."""
        if not self._keys:
            return
        keys, self._keys = bytes(self._keys), bytearray()
        prefixes = prefixes_of(keys)
        self._marks.add(prefixes)
        for place, number in self._lists.among(prefixes):
            identity = keys[32 * place : 32 * place + 32]
            if not self._lists.followed(number) and self._objects.kind_anywhere(identity) == LIST:  # else only its first bytes are a list's
                self._follow(identity)
                self._lists.note(number)

    def _follow(self, identity: bytes) -> None:
        self._lookups += 1
        if not self._lookups % _LOOKUPS:
            self._objects.index.release()
        found = content.extent(self._objects, identity)
        waiting = [(found.key, found.depth)]
        while waiting:
            key, depth = waiting.pop()
            if depth < found.depth:  # a topmost piece is of one list only, and that is followed once
                if key in self._pieces:
                    continue
                self._pieces.add(key)
            self._marks.add(prefixes_of(key))
            children = child_keys(self._objects.get(key)[1])
            if depth:
                waiting += [(_raw(child), depth - 1) for child in children]
            else:
                self._marks.add(children["prefix"].astype(np.uint64))


def _raw(child: np.void) -> bytes:
    return child.tobytes()[:32]
