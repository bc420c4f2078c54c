"""A folder compared with a tree: only folders that look different from last time are looked at file by file, only files that do are read.

docs/design/working-copy.md gives the argument why nothing that changed is passed over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest, raw_hash
from lineal.store.copyindex import OUTSIDE, SUBFOLDER, CopyIndex, Kept, Record, flag_of
from lineal.store.ignoring import IGNORE_FILE, NO_RULES, Rules
from lineal.store.listing import FOLDER, UNKNOWN, Listing, list_folder, mode_of, pack
from lineal.store.status import Looked, Status, is_settled

NONE = bytes(32)
SUBFOLDER_KEPT = Kept(FOLDER, SUBFOLDER, NONE)
_IGNORE_NAME = b"\0" + IGNORE_FILE + b"\0"


@dataclass(frozen=True, slots=True)
class Found:
    """Something in a folder.

    Attributes:
        path: relative to the folder that is scanned; full: absolute.
        mode: as in `TreeEntry`; stat: by ``lstat``.
    """

    path: bytes
    full: bytes
    mode: str
    stat: Looked


Resolve = Callable[[Found], TreeEntry]
"""Gives the entry of something that is new or may have changed; reads it where needed."""

Changes = dict[bytes, TreeEntry | None]
"""By path: what is there now where that is not what the tree has; None where nothing is there any more."""


class Side(Protocol):
    """Of which tree new records are: the one the index was about, or that of what is there now."""

    def differing(self, now: Kept, before: Kept | None) -> Kept | None:
        """What to keep of a name that is new, or whose content is another than before."""

    def gone(self, before: Kept) -> Kept | None:
        """What to keep of a path of the tree that is not there any more."""

    def record(self, kept: Mapping[bytes, Kept], before: Record | None) -> Record | None:
        """What to keep of a folder, if anything."""

    def vanished(self, before: Record) -> Record | None:
        """What to keep of a folder that is not there any more."""


class AsRecorded:
    """Records go on to be about the tree they were about; what differs from it is looked at again next time."""

    def differing(self, now: Kept, before: Kept | None) -> Kept | None:  # noqa: ARG002 - as `Side` has it
        """As it is in the tree, if it is there."""
        return None if before is None else self.gone(before)

    def gone(self, before: Kept) -> Kept | None:
        """As it is in the tree, equal to nothing that could be there."""
        return Kept(UNKNOWN, before.flag, before.raw)

    def record(self, kept: Mapping[bytes, Kept], before: Record | None) -> Record | None:
        """Nothing of a folder of which the tree has nothing; an empty one of the tree stays one, whatever is in it now."""
        if before is not None and not before.flags:
            return before
        return make_record(kept) if kept else None

    def vanished(self, before: Record) -> Record | None:
        """What the tree has of it."""
        if not before.flags:
            return before
        kept = {name: Kept(UNKNOWN, was.flag, was.raw) for name, was in before.kept().items() if _in_tree(was)}
        return make_record(kept) if kept else None


class AsFound:
    """Records will be about the tree of what is there now."""

    def differing(self, now: Kept, before: Kept | None) -> Kept | None:  # noqa: ARG002 - as `Side` has it
        """As it is now."""
        return now

    def gone(self, before: Kept) -> Kept | None:  # noqa: ARG002 - as `Side` has it
        """Nothing."""
        return None

    def record(self, kept: Mapping[bytes, Kept], before: Record | None) -> Record | None:  # noqa: ARG002 - as `Side` has it
        """All of it."""
        return make_record(kept)

    def vanished(self, before: Record) -> Record | None:  # noqa: ARG002 - as `Side` has it
        """Nothing."""
        return None


@dataclass(slots=True)
class Survey:
    """What a look at a working copy found.

    Attributes:
        changes: against the index's tree; records: for the next index.
        fresh: whether any record differs from the index's.
    """

    changes: Changes = field(default_factory=dict)
    records: dict[bytes, Record] = field(default_factory=dict)
    fresh: bool = False


def survey(folder: bytes, index: CopyIndex | None, resolve: Resolve, side: Side) -> Survey:
    """Compares a folder with the tree of an index, or with an empty one where there is none.

    ``.lineal``, ``.git`` and what a checkout has not finished are always left out, and what ``.linealignore`` says in the folder or below.

    Raises:
        InvalidInput: kind ``not-a-file``, for sockets, pipes and devices.
        NotFound: kind ``file-vanished``; PermissionDenied: kind ``file-unreadable``.
    """
    look = _Look({} if index is None else index.records, resolve, side)
    look.at(folder)
    return look.outcome


def index_of(root: Digest, entries: Iterable[TreeEntry]) -> CopyIndex:
    """An index that knows a tree, and of no file whether it is still as in it: for when the true one is lost."""
    names: dict[bytes, dict[bytes, Kept]] = {b"": {}}
    for entry in entries:
        folder, _slash, name = entry.path.rpartition(b"/")
        if entry.mode == "folder":
            _make_known(names, entry.path)
            continue
        _make_known(names, folder)
        names[folder][name] = Kept(UNKNOWN, flag_of(entry.mode), raw_hash(entry.digest))
    return CopyIndex(root, {path: make_record(kept) for path, kept in names.items()})


def make_record(kept: Mapping[bytes, Kept]) -> Record:
    """A record of names in their order."""
    listing = pack(b"\0".join(kept), (item.status for item in kept.values()))
    return Record(listing, bytes(item.flag for item in kept.values()), b"".join(item.raw for item in kept.values()))


def paths_of(index: CopyIndex) -> Iterator[bytes]:
    """Every path of the index's tree."""
    for folder, record in index.records.items():
        yield from _paths_in(folder, record)


def _paths_in(folder: bytes, record: Record) -> Iterator[bytes]:
    if not record.flags:
        if folder:
            yield folder
        return
    prefix = folder + b"/" if folder else b""
    for name, flag in zip(record.listing.names.split(b"\0"), record.flags, strict=True):
        if flag not in {OUTSIDE, SUBFOLDER}:
            yield prefix + name


def certain(status: Status, seen: int) -> Status:
    """The status to remember of something whose content is known: none where a change in the same moment would not show."""
    return status if is_settled(status, seen) else UNKNOWN


def _make_known(names: dict[bytes, dict[bytes, Kept]], folder: bytes) -> None:
    if folder not in names:
        above, _slash, name = folder.rpartition(b"/")
        _make_known(names, above)
        names[above][name] = SUBFOLDER_KEPT
        names[folder] = {}


def _in_tree(kept: Kept | None) -> bool:
    return kept is not None and kept.flag not in {OUTSIDE, SUBFOLDER}


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder that is looked at.

    Attributes:
        path: inside the working copy; full: absolute; rules: that hold in it.
        doubted: whether a rule above it has changed; seen: nanoseconds, from before it was looked at.
    """

    path: bytes
    full: bytes
    rules: Rules = NO_RULES
    doubted: bool = False
    seen: int = 0

    @property
    def prefix(self) -> bytes:
        """What paths in it begin with."""
        return self.path + b"/" if self.path else b""

    def below(self, name: bytes) -> _Place:
        """A subfolder."""
        return replace(self, path=self.prefix + name, full=os.path.join(self.full, name))


class _Look:
    """One walk through a folder."""

    def __init__(self, records: Mapping[bytes, Record], resolve: Resolve, side: Side) -> None:
        self._records = records
        self._resolve = resolve
        self._side = side
        self.outcome = Survey()

    def at(self, folder: bytes) -> None:
        """Walks through all of it, neighbours after one another."""
        waiting = [_Place(b"", folder)]
        visited: set[bytes] = set()
        while waiting:
            place = waiting.pop()
            visited.add(place.path)
            waiting += reversed(self._folder(replace(place, seen=time.time_ns())))
        for path in sorted(self._records.keys() - visited):
            self._vanished(path, self._records[path])

    def _folder(self, place: _Place) -> list[_Place]:
        """Looks at one folder; returns its subfolders."""
        listing = list_folder(place.full)
        record = self._records.get(place.path)
        if _IGNORE_NAME in b"\0%b\0" % listing.names:
            place = replace(place, rules=place.rules.within(place.prefix, os.path.join(place.full, IGNORE_FILE)))
        if record is not None and not place.doubted and record.listing == listing:
            self._keep(place.path, record)
            return [place.below(name) for name in record.subfolders()]
        return self._differing_folder(place, listing, record)

    def _differing_folder(self, place: _Place, listing: Listing, record: Record | None) -> list[_Place]:
        before = {} if record is None else record.kept()
        found = dict(listing.items())
        was, now = before.get(IGNORE_FILE), found.get(IGNORE_FILE)
        doubted = place.doubted or (record is not None and (None if was is None else was.status) != now)
        place = replace(place, doubted=doubted)
        kept: dict[bytes, Kept | None] = dict.fromkeys(found)
        subfolders = []
        for name in sorted(found):
            status = found[name]
            if place.rules.ignore(place.prefix + name, name, "folder" if status == FOLDER else "file"):
                kept[name] = self._replaced(place, name, before.pop(name, None), Kept(certain(status, place.seen), OUTSIDE, NONE))
            elif status == FOLDER:
                kept[name] = self._replaced(place, name, before.pop(name, None), SUBFOLDER_KEPT)
                subfolders.append(place.below(name))
            else:
                kept[name] = self._file(place, name, status, before.pop(name, None))
        kept |= {name: self._replaced(place, name, was, None) for name, was in before.items()}
        self._emptiness(place, listing, record)
        self._keep(place.path, self._side.record({name: item for name, item in kept.items() if item is not None}, record))
        self.outcome.fresh = True
        return subfolders

    def _file(self, place: _Place, name: bytes, status: Status, before: Kept | None) -> Kept | None:
        full = place.full + b"/" + name
        mode = mode_of(status, full)
        flag = flag_of(mode)
        if before is not None and before.status == status and before.flag == flag:
            return before
        path = place.prefix + name
        entry = self._resolve(Found(path, full, mode, status))
        now = Kept(certain(status, place.seen), flag, raw_hash(entry.digest))
        if before is not None and before.flag == flag and before.raw == now.raw:
            return now
        self.outcome.changes[path] = entry
        return self._side.differing(now, before if _in_tree(before) else None)

    def _replaced(self, place: _Place, name: bytes, before: Kept | None, now: Kept | None) -> Kept | None:
        """What to keep of a name that is no path of a tree now, but perhaps was one."""
        if before is None or not _in_tree(before):
            return now
        self.outcome.changes[place.prefix + name] = None
        return self._side.gone(before) or now

    def _emptiness(self, place: _Place, listing: Listing, record: Record | None) -> None:
        """An empty folder is a path of the tree; one with anything in it is not, even if that is ignored."""
        if not place.path:
            return
        was = record is not None and not record.flags
        if was and listing.count:
            self.outcome.changes.setdefault(place.path, None)
        elif not was and not listing.count:
            self.outcome.changes[place.path] = self._resolve(Found(place.path, place.full, "folder", FOLDER))

    def _vanished(self, path: bytes, record: Record) -> None:
        """Everything of a folder that is not there any more, or ignored now."""
        for inner in _paths_in(path, record):
            self.outcome.changes.setdefault(inner, None)
        self._keep(path, self._side.vanished(record))
        self.outcome.fresh = True

    def _keep(self, path: bytes, record: Record | None) -> None:
        if record is not None:
            self.outcome.records[path] = record
