"""What a working copy is known to look like when a checkout has ended: what it wrote need not be read at the next look."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lineal.errors import LinealError
from lineal.records.dataset import TreeEntry
from lineal.records.digest import raw_hash
from lineal.store.copyindex import OUTSIDE, SUBFOLDER, CopyIndex, Kept, Record, flag_of
from lineal.store.ignoring import IGNORE_FILE
from lineal.store.listing import FOLDER, UNKNOWN, Listing, list_folder
from lineal.store.status import Status, is_settled, is_settled_at
from lineal.store.workingcopy import NONE, SUBFOLDER_KEPT, make_record

Wanted = Mapping[bytes, TreeEntry | None]

_CTIME = Status._fields.index("st_ctime_ns")


@dataclass(frozen=True, slots=True)
class Written:
    """What a checkout wrote.

    Attributes:
        statuses: by path, from before a file moved to its place; moved: nanoseconds, from before the first did.
    """

    statuses: Mapping[bytes, Status]
    moved: int

    def certain(self, path: bytes, status: Status, seen: int) -> Status:
        """The status of a file that nobody can have changed since it was written; unknown where that is not sure.

        A move changes the status's own time and nothing else. A change before the move would have had to be in a folder of a random name.
        """
        was = self.statuses[path]
        moved_only = was[:_CTIME] == status[:_CTIME] and was[_CTIME + 1 :] == status[_CTIME + 1 :]
        untouched = moved_only and is_settled_at(was.st_mtime_ns, self.moved) and is_settled(status, seen)
        return status if untouched else UNKNOWN


def index_after(folder: bytes, index: CopyIndex, differing: Wanted, written: Written, changes: Collection[bytes]) -> CopyIndex:
    """The index about the tree that was checked out.

    Args:
        index: with the new root, and the records about the tree that was there before.
        differing: what the new tree has, wherever that differs from the tree before; changes: where the folder differed from that.
    """
    rules_changed = any(path.rpartition(b"/")[2] == IGNORE_FILE for path in (*differing, *changes))
    by_folder: dict[bytes, dict[bytes, TreeEntry | None]] = {}
    for path in (*changes, *written.statuses, *differing):
        above, _slash, name = path.rpartition(b"/")
        _make_known(by_folder, above)
        if path in differing:
            by_folder[above][name] = differing[path]
    empty = {path for path, entry in differing.items() if entry is not None and entry.mode == "folder"}
    emptied = differing.keys() - empty
    records = {path: record for path, record in index.records.items() if path not in by_folder and not (path in emptied and not record.flags)}
    for path, wanted in by_folder.items():
        before = index.records.get(path)
        still_empty = before is not None and not before.flags and path not in emptied  # of the tree, whatever lies in it now
        made = before if still_empty else _After(folder, path, written, rules_changed=rules_changed).record(before, wanted)
        if made is not None:
            records[path] = made
    records |= {path: make_record({}) for path in empty}
    return CopyIndex(index.root, records)


def _make_known(by_folder: dict[bytes, dict[bytes, TreeEntry | None]], folder: bytes) -> None:
    """A folder with those above it: it may be new in them."""
    while folder not in by_folder:
        by_folder[folder] = {}
        folder = folder.rpartition(b"/")[0]


class _After:
    """One folder that a checkout may have changed."""

    def __init__(self, copy: bytes, path: bytes, written: Written, *, rules_changed: bool) -> None:
        self._full = copy + b"/" + path if path else copy
        self._prefix = path + b"/" if path else b""
        self._written = written
        self._rules_changed = rules_changed

    def record(self, before: Record | None, wanted: Mapping[bytes, TreeEntry | None]) -> Record | None:
        """The new tree's names in it with what is certain of them; None where the tree has none."""
        seen = time.time_ns()
        listing = Listing(b"", b"")
        with suppress(LinealError):  # it is not there any more: nothing is certain
            listing = list_folder(self._full)
        old = {} if before is None else before.kept()
        tree = {name: kept for name, kept in old.items() if kept.flag not in {OUTSIDE, SUBFOLDER}}
        for name, entry in wanted.items():
            tree.pop(name, None)
            if entry is not None and entry.mode != "folder":
                tree[name] = Kept(UNKNOWN, flag_of(entry.mode), raw_hash(entry.digest))
        kept: dict[bytes, Kept] = {}
        for name, status in listing.items():
            found = self._kept(name, status, (tree.pop(name, None), old.get(name)), seen)
            if found is not None:
                kept[name] = found
        kept |= {name: Kept(UNKNOWN, gone.flag, gone.raw) for name, gone in tree.items()}
        return make_record(kept) if kept else None

    def _kept(self, name: bytes, status: Status, known: tuple[Kept | None, Kept | None], seen: int) -> Kept | None:
        in_tree, old = known
        if in_tree is not None:
            path = self._prefix + name
            if path in self._written.statuses:
                return Kept(self._written.certain(path, status, seen), in_tree.flag, in_tree.raw)
            return Kept(status if in_tree.status == status else UNKNOWN, in_tree.flag, in_tree.raw)
        ignored = old is not None and old.flag == OUTSIDE
        if status == FOLDER and not ignored:
            return SUBFOLDER_KEPT
        return Kept(status, OUTSIDE, NONE) if ignored and old is not None and old.status == status and not self._rules_changed else None
