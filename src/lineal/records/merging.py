"""Three-way merge of trees, path by path. No I/O: differences come in as iterators of pairs, trees as whatever can be asked for a path.

What only one side changed is taken; what both changed in the same way is no conflict; where they changed a path in two ways, both are kept:
ours stays, theirs goes beside it under a name of its own. No content that either side has made gets lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from lineal.records.dataset import TreeEntry
from lineal.records.digest import EMPTY, Digest

BOTH, OURS, THEIRS = "both", "ours", "theirs"
KEEP = (BOTH, OURS, THEIRS)
"""What becomes of a conflict: both are kept, or one side is taken."""

REGULAR = frozenset({"file", "executable"})
_LONGEST_NAME = 255  # bytes of one part of a path on every file system that matters

Pair = tuple[TreeEntry | None, TreeEntry | None]
"""What a path was in the base, and what it is on one side."""


class Tree(Protocol):
    """What a merge asks of a tree."""

    def entry(self, path: bytes) -> TreeEntry | None:
        """The entry at a path."""

    def below(self, folder: bytes) -> Iterator[TreeEntry]:
        """The entries in a folder and its folders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryConflict:
    """A path that both sides changed in ways that do not go together.

    Attributes:
        kind: ``both-changed``, ``both-added``, ``changed-removed`` (theirs removed it), ``removed-changed`` (ours did), ``file-folder`` (a file
            on one side, a folder on the other) or ``mode`` (both added it, one of them executable).
        beside: where theirs was put, if it could not stay at its path; empty otherwise.
    """

    path: bytes
    kind: str
    base: TreeEntry | None = None
    ours: TreeEntry | None = None
    theirs: TreeEntry | None = None
    beside: bytes = b""


@dataclass(slots=True)
class Merge:
    """What a merge makes of our tree.

    Attributes:
        changes: entries to put into it, or None to take out, by path; before: what ours has at these paths.
        conflicts: in the order of paths.
    """

    changes: dict[bytes, TreeEntry | None] = field(default_factory=dict)
    before: dict[bytes, TreeEntry | None] = field(default_factory=dict)
    conflicts: list[EntryConflict] = field(default_factory=list)


def three_way(base: TreeEntry | None, ours: TreeEntry | None, theirs: TreeEntry | None) -> tuple[TreeEntry | None, str]:
    """What becomes of one path, and the kind of conflict, empty where there is none. In a conflict ours stays, but an edit outlives a removal."""
    if theirs in (ours, base):
        return ours, ""
    if ours == base:
        return theirs, ""
    if ours is None:
        return theirs, "removed-changed"
    if theirs is None:
        return ours, "changed-removed"
    return _both_there(base, ours, theirs)


def _both_there(base: TreeEntry | None, ours: TreeEntry, theirs: TreeEntry) -> tuple[TreeEntry, str]:
    """Content and the executable bit are merged apart, so that a change of one goes with a change of the other."""
    if "folder" in {ours.mode, theirs.mode}:
        return ours, "file-folder"
    kind = "both-added" if base is None else "both-changed"
    if not {ours.mode, theirs.mode} <= REGULAR:
        return ours, kind
    known = base if base is not None and base.mode in REGULAR else None
    mode = _mode(known, ours, theirs)
    if ours.digest == theirs.digest:
        return replace(ours, mode=mode), "" if known else "mode"
    if known is None or known.digest not in {ours.digest, theirs.digest}:
        return replace(ours, mode=mode), kind
    content = theirs if ours.digest == known.digest else ours
    return replace(content, mode=mode), ""


def _mode(base: TreeEntry | None, ours: TreeEntry, theirs: TreeEntry) -> str:
    """The changed mode where one side changed it; with no base a bit that is set stays set."""
    if ours.mode == theirs.mode:
        return ours.mode
    return "executable" if base is None or base.mode == "file" else "file"


def paired(ours: Iterable[Pair], theirs: Iterable[Pair]) -> Iterator[tuple[TreeEntry | None, TreeEntry | None, TreeEntry | None]]:
    """Base, ours and theirs of every path that differs from the base on either side; both come in the order of paths."""
    sides = (iter(ours), iter(theirs))
    one, other = (next(side, None) for side in sides)
    while one is not None or other is not None:
        first = min(_path(pair) for pair in (one, other) if pair is not None)
        mine = one if one is not None and _path(one) == first else None
        yours = other if other is not None and _path(other) == first else None
        base = mine[0] if mine else yours[0] if yours else None
        yield base, mine[1] if mine else base, yours[1] if yours else base
        one = next(sides[0], None) if mine else one
        other = next(sides[1], None) if yours else other


def merge_trees(ours: Iterable[Pair], theirs: Iterable[Pair], *, trees: tuple[Tree, Tree], label: str, keep: str = BOTH) -> Merge:
    """Merges what two sides made of a base.

    Args:
        ours, theirs: how each side differs from the base, in the order of paths.
        trees: our tree and theirs.
        label: what marks the name under which theirs is put beside ours, such as ``theirs-3f2a91c0``.
        keep: one of `KEEP`.
    """
    work = _Work(trees=trees, label=label, keep=keep)
    for base, mine, yours in paired(ours, theirs):
        work.decide(base, mine, yours)
    work.untangle()
    work.keep_folders()
    return work.done()


@dataclass(slots=True)
class _Work:
    """A merge that is under way.

    Attributes:
        mine: what ours changed, by path. Whatever stands in the way of something that theirs brings in is among it: where both have what the
            base had, theirs has room for its own.
        moved: folders and files of theirs that found no place, and where they went.
        given: names that were given to something of theirs.
    """

    trees: tuple[Tree, Tree]
    label: str
    keep: str
    changes: dict[bytes, TreeEntry | None] = field(default_factory=dict)
    before: dict[bytes, TreeEntry | None] = field(default_factory=dict)
    conflicts: dict[bytes, EntryConflict] = field(default_factory=dict)
    mine: dict[bytes, TreeEntry | None] = field(default_factory=dict)
    moved: dict[bytes, bytes] = field(default_factory=dict)
    given: set[bytes] = field(default_factory=set)

    def decide(self, base: TreeEntry | None, ours: TreeEntry | None, theirs: TreeEntry | None) -> None:
        """What becomes of one path, without a look at its neighbours."""
        entry, kind = three_way(base, ours, theirs)
        if kind and self.keep != BOTH:
            entry = ours if self.keep == OURS else theirs
        path = _path((base, ours or theirs))
        if ours != base:
            self.mine[path] = ours
        if entry != ours:
            self.changes[path], self.before[path] = entry, ours
        if kind:
            beside = b""
            if self.keep == BOTH and ours is not None and theirs is not None and kind != "mode":
                beside = self._put_beside(path, theirs)
            self.conflicts[path] = EntryConflict(path=path, kind=kind, base=base, ours=ours, theirs=theirs, beside=beside)

    def untangle(self) -> None:
        """Nothing may lie below a file: what theirs brings in goes beside what ours has there, and a folder that fills is no longer empty."""
        mine = sorted(path for path, entry in self.mine.items() if entry is not None)
        for path, entry in sorted(self.changes.items()):
            if entry is not None and not self._below_a_file(path, entry):
                self._above_files(path, entry, mine)

    def done(self) -> Merge:
        """The merge, each in the order of paths."""
        before = {path: self.before[path] if path in self.before else self.mine.get(path) for path in self.changes}
        changes = {path: entry for path, entry in sorted(self.changes.items()) if entry != before[path]}
        conflicts = [conflict for _path, conflict in sorted(self.conflicts.items())]
        return Merge(changes=changes, before={path: before[path] for path in changes}, conflicts=conflicts)

    def _below_a_file(self, path: bytes, entry: TreeEntry) -> bool:
        for folder in parents_of(path):
            there = self._changed(folder)
            if there is None:
                continue
            if there.mode == "folder":
                self.changes[folder] = None
            elif self.keep == THEIRS:
                self._collide(folder, there, entry, beside=b"")
                self.changes[folder] = None
            else:
                self._move(path, entry, folder, there)
                return True
        return False

    def _above_files(self, path: bytes, entry: TreeEntry, mine: list[bytes]) -> None:
        start, end = bisect_left(mine, path + b"/"), bisect_left(mine, path + b"0")  # "0" follows "/"
        lower = [found for other in mine[start:end] if (found := self._changed(other)) is not None]
        if not lower:
            return
        if entry.mode == "folder":  # it is empty in theirs only
            del self.changes[path]
        elif self.keep == THEIRS:
            self._collide(path, lower[0], entry, beside=b"")
            self.changes |= dict.fromkeys(found.path for found in lower)
        else:
            self._move(path, entry, path, lower[0])

    def _move(self, path: bytes, entry: TreeEntry, top: bytes, there: TreeEntry) -> None:
        """Puts something of theirs, that ours leaves no place for at ``top``, under another name; drops it if ours is to be taken."""
        del self.changes[path]
        if self.keep == OURS:
            self._collide(top, there, entry, beside=b"")
            return
        target = self.moved.get(top) or self._free_name(top)
        self.moved[top] = target
        placed = target + path[len(top) :]
        self.changes[placed] = replace(entry, path=placed)
        self._collide(top, there, entry, beside=target)

    def _collide(self, path: bytes, ours: TreeEntry, theirs: TreeEntry, *, beside: bytes) -> None:
        """Notes a conflict, once for each file that stands where the other side has a folder."""
        for place in {path, theirs.path}:
            if place in self.conflicts and self.conflicts[place].kind != "file-folder":
                del self.conflicts[place]
        self.conflicts.setdefault(path, EntryConflict(path=path, kind="file-folder", ours=ours, theirs=theirs, beside=beside))

    def keep_folders(self) -> None:
        """A folder that both sides have stays, empty, when each has taken out what the other left in it."""
        thinned = {folder for path, entry in self.mine.items() if entry is None for folder in parents_of(path)}
        filled = {folder for path, entry in self.changes.items() if entry is not None for folder in parents_of(path)}
        removed = {folder for path, entry in self.changes.items() if entry is None for folder in parents_of(path)}
        for folder in sorted((removed & thinned) - filled, key=len, reverse=True):
            if folder not in filled and not self._is_there(folder) and next(self.trees[1].below(folder), None) is not None:
                self.changes[folder] = TreeEntry(path=folder, mode="folder", size=0, digest=EMPTY)
                filled.update(parents_of(folder))

    def _is_there(self, folder: bytes) -> bool:
        """Whether a folder stands empty, or anything that ours has in it stays."""
        return self._merged(folder) is not None or any(self._merged(found.path) for found in self.trees[0].below(folder))

    def _put_beside(self, path: bytes, theirs: TreeEntry) -> bytes:
        target = self._free_name(path)
        self.changes[target] = replace(theirs, path=target)
        return target

    def _free_name(self, path: bytes) -> bytes:
        """A name beside ``path`` that neither side has."""
        folder, slash, name = path.rpartition(b"/")
        number = 1
        while True:
            ending = b"." + self.label.encode() + (b"-%d" % number if number > 1 else b"")
            target = folder + slash + name[: _LONGEST_NAME - len(ending)] + ending
            if not self._taken(target):
                self.given.add(target)
                return target
            number += 1

    def _taken(self, path: bytes) -> bool:
        known = path in self.changes or path in self.given
        return known or any(tree.entry(path) is not None or next(tree.below(path), None) is not None for tree in self.trees)

    def _changed(self, path: bytes) -> TreeEntry | None:
        """What will be at a path, of what any side changed."""
        return self.changes[path] if path in self.changes else self.mine.get(path)

    def _merged(self, path: bytes) -> TreeEntry | None:
        return self.changes[path] if path in self.changes else self.trees[0].entry(path)


def parents_of(path: bytes) -> Iterator[bytes]:
    """The folders that a path lies in, the nearest first."""
    end = path.rfind(b"/")
    while end > 0:
        yield path[:end]
        end = path.rfind(b"/", 0, end)


Overlay = Mapping[bytes, TreeEntry | None]
"""What shall be at some paths of a stored tree instead of what is there."""


def virtual_base(ours: Iterable[Pair], theirs: Iterable[Pair]) -> dict[bytes, TreeEntry | None]:
    """What two common ancestors of a crosswise history have in common, as an overlay of the first.

    A path that they changed in two ways is in the base as something that equals nothing, so that it is a conflict unless both sides agree.
    """
    found: dict[bytes, TreeEntry | None] = {}
    for base, mine, yours in paired(ours, theirs):
        entry, kind = three_way(base, mine, yours)
        path = _path((base, mine or yours))
        if kind:
            entry = TreeEntry(path=path, mode="undecided", size=0, digest=Digest(""))
        if entry != mine:
            found[path] = entry
    return found


def differing(pairs: Iterable[Pair], overlays: tuple[Overlay, Overlay], unchanged: Callable[[bytes], TreeEntry | None]) -> Iterator[Pair]:
    """Differences between two trees that are each a stored one with an overlay, in the order of paths.

    Args:
        pairs: how the stored ones differ.
        unchanged: the entry of a path in which the stored ones do not differ.
    """
    special = sorted({*overlays[0], *overlays[1]}, reverse=True)
    for pair in pairs:
        path = _path(pair)
        while special and special[-1] < path:
            yield from _overlaid(special[-1], (unchanged(special[-1]),) * 2, overlays)
            special.pop()
        if special and special[-1] == path:
            special.pop()
        yield from _overlaid(path, pair, overlays)
    for path in reversed(special):
        yield from _overlaid(path, (unchanged(path),) * 2, overlays)


def _overlaid(path: bytes, pair: Pair, overlays: tuple[Overlay, Overlay]) -> Iterator[Pair]:
    one, other = (overlay.get(path, stored) for stored, overlay in zip(pair, overlays, strict=True))
    if one != other:
        yield one, other


def _path(pair: Pair) -> bytes:
    either = pair[1] or pair[0]
    if either is None:
        raise ValueError("a difference has a side")
    return either.path
