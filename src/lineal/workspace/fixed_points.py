"""Fixed points of data that lies elsewhere: what is known of every file becomes a version, and no byte of it is stored.

A listing is compared with the version before, path by path in one pass, so that memory does not grow with the number of files, and only what
changed is asked for more (its version's id, its MD5) and written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from lineal.errors import Conflict, InvalidInput, NotFound
from lineal.records.dataset import DatasetVersion, PathChange, TreeEntry
from lineal.records.digest import Digest
from lineal.records.location import URL, Location
from lineal.records.tracked import NOTICE_ONLY, RESTORABLE, SourceFacts, recorded_facts
from lineal.store.digesting import bytes_digest
from lineal.store.repository import Repository
from lineal.store.sources import FOLDER
from lineal.store.sources.interface import Source, SourceFile
from lineal.store.sources.listing import ordered
from lineal.workspace.facts import text_of
from lineal.workspace.importing import checked_name, checked_path, location_of, throttled
from lineal.workspace.interface import Progress
from lineal.workspace.site import Site

PAGE = 10_000
"""Changed files that are written at a time."""

MOST_CHANGES = 10_000
"""Of a source that changed, how many paths are named."""

_ASKERS = {"bucket": 32, "web": 1, "folder": 2}
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPoint:
    """A listing as a tree.

    Attributes:
        files: without empty folders.
        restorable: whether the version of every file is recorded.
    """

    root: Digest
    files: int
    size: int
    restorable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """How a source differs from a fixed point.

    Attributes:
        changes: the first `MOST_CHANGES` of them.
        damaged: what could be had again when it was recorded, and cannot any more, one sentence each.
    """

    changes: tuple[PathChange, ...]
    damaged: tuple[str, ...]
    files: int
    size: int


def place_of(site: Site, source: Source) -> Location:
    """Where a source is: a URL, or a path. Raises InvalidInput kind ``bad-path`` for Lineal's own folder, which changes with every command."""
    if source.kind == FOLDER:
        return location_of(site, checked_path(site, Path(source.place)))
    return Location(root=URL, path=source.place.rstrip("/").encode("utf-8", "surrogateescape"))


def name_of(source: Source, given: str) -> str:
    """A dataset's name: the given one, or one made from the last part of the place. Raises InvalidInput kind ``bad-name``."""
    last = source.place.rstrip("/").partition("?")[0].rpartition("/")[2]
    if source.kind != FOLDER and source.single:
        last = last.partition(".")[0]
    return checked_name(given, os.fsencode(source.place) if source.kind == FOLDER else last.encode())


def fixed_point(
    site: Site, source: Source, *, name: str, before: DatasetVersion | None, md5: bool, message: str, progress: Progress
) -> DatasetVersion:
    """The version that the source is now, not yet committed.

    Args:
        before: the latest version of that name; what it says of unchanged files is taken over.
        md5: read every file that is new or changed for its MD5; a dataset that was tracked so once stays so.

    Raises:
        NotFound: kind ``unknown-source``; InvalidInput: kind ``nothing-to-go-by``, if the source says nothing by which a change could be told.
    """
    known = before if before is not None and before.tracked.get("url") == source.place else None
    md5 = md5 or bool(known is not None and known.tracked.get("md5"))
    stored = site.store.written_bytes
    taken = take_fixed_point(
        site.store, source, before=None if known is None else known.digest, md5=md5, scratch=site.layout.temporary, progress=progress
    )
    label = RESTORABLE if taken.restorable else NOTICE_ONLY
    location = place_of(site, source)
    return DatasetVersion(
        name=name,
        number=0,
        commit=Digest(""),
        digest=taken.root,
        path=source.place if location.root == URL else location.text,
        root=location.root,
        single_file=source.single,
        files=taken.files,
        size=taken.size,
        stored_bytes=site.store.written_bytes - stored,
        message=message,
        author=site.actor,
        source=source.place,
        tracked={"url": source.place, "kind": source.kind, "label": label, "md5": md5, "options": source.options},
    )


def take_fixed_point(store: Repository, source: Source, *, before: Digest | None, md5: bool, scratch: Path, progress: Progress) -> FixedPoint:
    """Stores what is known of every file of a source; raises as `fixed_point` does."""
    step = throttled(f"listing {source.place}", progress)
    taking = _Taking(store, source, md5=md5)
    root = store.put_tree([]) if before is None else before
    listing = source.files_with_versions() if before is None else None  # later, few files changed, and those are asked one by one
    with ordered(listing or _listed(source, empty_is_fine=before is not None), scratch, step=lambda count: step(count, 0)) as files:
        old = store.entries(root) if before is not None else iter(())
        changes = taking.changes(side_by_side(files, old))
        done, written = throttled(f"recording {source.place}", progress), 0
        while page := list(islice(changes, PAGE)):
            with store.batch():
                root = store.edit_tree(root, dict(taking.entries(page)))
            written += len(page)
            done(written, 0)
    files_below, size = store.totals(root)
    return FixedPoint(root=root, files=files_below - taking.folders, size=size, restorable=taking.versions is True and not taking.unversioned)


def compare_source(store: Repository, source: Source, root: Digest, *, reread: bool, scratch: Path, progress: Progress) -> SourceReport:
    """How a source differs now from a fixed point.

    Args:
        reread: read every file whose MD5 was recorded, whatever its size and time say.
    """
    step = throttled(f"asking {source.place}", progress)
    changes: list[PathChange] = []
    damaged: list[str] = []
    count = size = 0
    with ordered(_listed(source, empty_is_fine=True), scratch, step=lambda number: step(number, 0)) as files:
        for found, entry in side_by_side(files, store.entries(root)):
            count, size = count + (entry is not None), size + (0 if entry is None else entry.size)
            if found is not None and entry is not None and not reread and _exactly(found, entry):
                continue
            recorded = None if entry is None else _recorded(store, entry)
            if entry is not None and recorded is not None and recorded.path != entry.path:
                continue  # a merge kept it beside another: the source has no file of that name
            change = _difference(found, entry, recorded) or (reread and _read_again(source, found, entry, recorded))
            if not change or len(changes) >= MOST_CHANGES:
                continue
            changes.append(change)
            if entry is not None and recorded is not None and recorded.version and source.look(entry.path, recorded.version) is None:
                damaged.append(f"{text_of(entry.path)}: the source does not keep version {recorded.version} any more")
    return SourceReport(changes=tuple(changes), damaged=tuple(damaged), files=count, size=size)


def side_by_side(
    now: Iterable[SourceFile], before: Iterable[TreeEntry]
) -> Iterator[tuple[SourceFile | None, None] | tuple[None, TreeEntry] | tuple[SourceFile, TreeEntry]]:
    """Two listings in the order of their paths, path by path."""
    left, right = iter(now), iter(before)
    found, entry = next(left, None), next(right, None)
    while found is not None or entry is not None:
        if found is not None and (entry is None or found.path < entry.path):
            yield found, None
            found = next(left, None)
        elif entry is not None and (found is None or entry.path < found.path):
            yield None, entry
            entry = next(right, None)
        elif found is not None and entry is not None:
            yield found, entry
            found, entry = next(left, None), next(right, None)


class _Taking:
    """Decides what is new, and asks for what a listing does not say."""

    def __init__(self, store: Repository, source: Source, *, md5: bool) -> None:
        self._store = store
        self._source = source
        self._md5 = md5
        self.versions: bool | None = None
        self.unversioned = 0
        self.folders = 0

    def changes(self, pairs: Iterable[tuple[SourceFile | None, TreeEntry | None]]) -> Iterator[tuple[bytes, SourceFile | None]]:
        """Paths that are not what they were, each with what it is now."""
        for found, entry in pairs:
            if found is None:
                if entry is not None:
                    yield entry.path, None
                continue
            self.folders += found.mode == "folder"
            if self.versions is None and found.mode == "tracked":
                self.versions = self._source.keeps_versions(found.path)
            if entry is None or not self._same(found, entry):
                yield found.path, found

    def entries(self, page: list[tuple[bytes, SourceFile | None]]) -> Iterator[tuple[bytes, TreeEntry | None]]:
        """The entries of a page of changes; many files are asked for at a time."""
        if not (self.versions or self._md5):
            yield from (self._put(*self._complete(change)) for change in page)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_ASKERS.get(self._source.kind, 1), thread_name_prefix="lineal-source") as pool:
            yield from (self._put(*completed) for completed in pool.map(self._complete, page))

    def _same(self, found: SourceFile, entry: TreeEntry) -> bool:
        if found.mode != entry.mode:
            return False
        if not self._md5 and not self.versions and _exactly(found, entry):
            return True
        recorded = _recorded(self._store, entry)
        if recorded is None:
            return self._store.read(entry.digest) == found.target
        if (self._md5 and not recorded.md5) or (self.versions and not (recorded.version and _same_second(recorded, found.facts))):
            return False
        return recorded.agrees(found.facts) is True

    def _complete(self, change: tuple[bytes, SourceFile | None]) -> tuple[bytes, SourceFacts | None, SourceFile | None]:
        path, found = change
        if found is None or found.mode != "tracked":
            return path, None if found is None else found.facts, found
        facts: SourceFacts | None = found.facts
        if self.versions and not found.facts.version:
            facts = self._source.look(path)
        if facts is not None and self._md5:
            facts = _with_md5(self._source, path, facts)
        if facts is not None and not facts.known:
            raise InvalidInput(
                f"{self._source.place} says neither an entity tag nor a time, so a change could not be told",
                kind="nothing-to-go-by",
                hint="Have it read for its MD5: lineal data track --md5",
            )
        return path, facts, found

    def _put(self, path: bytes, facts: SourceFacts | None, found: SourceFile | None) -> tuple[bytes, TreeEntry | None]:
        return path, None if found is None or facts is None else self._entry(found, facts)

    def _entry(self, found: SourceFile, facts: SourceFacts) -> TreeEntry:
        if found.mode != "tracked":
            return TreeEntry(path=found.path, mode=found.mode, size=len(found.target), digest=self._store.put_bytes(found.target))
        self.unversioned += not facts.version
        return TreeEntry(path=found.path, mode="tracked", size=facts.size or 0, digest=self._store.put_bytes(facts.encode(found.path)))


def _listed(source: Source, *, empty_is_fine: bool) -> Iterator[SourceFile]:
    try:
        yield from source.files()
    except NotFound:
        if not empty_is_fine:
            raise


def _recorded(store: Repository, entry: TreeEntry) -> SourceFacts | None:
    return recorded_facts(entry, store.read(entry.digest)) if entry.mode == "tracked" else None


def _exactly(found: SourceFile, entry: TreeEntry) -> bool:
    """Whether what was recorded is just what the listing says, which need not be read to be known."""
    return found.mode == entry.mode == "tracked" and bytes_digest(found.facts.encode(found.path)) == entry.digest


def _same_second(one: SourceFacts, other: SourceFacts) -> bool:
    return one.modified is not None and other.modified is not None and one.modified // _SECOND == other.modified // _SECOND


def _with_md5(source: Source, path: bytes, facts: SourceFacts) -> SourceFacts:
    hasher, size = hashlib.md5(usedforsecurity=False), 0
    for piece in source.read(path, facts):
        hasher.update(piece)
        size += len(piece)
    return replace(facts, md5=hasher.hexdigest(), size=size)


def _difference(found: SourceFile | None, entry: TreeEntry | None, recorded: SourceFacts | None) -> PathChange | None:
    """How a path differs by what the listing says, or None."""
    if found is not None and entry is not None:
        if recorded is not None and found.mode == "tracked":
            same = recorded.agrees(found.facts) is not False
        else:
            same = found.mode == entry.mode and found.facts.size == entry.size
        return None if same else _change("modified", found, entry, recorded)
    return _change("added" if entry is None else "removed", found, entry, recorded)


def _change(kind: str, found: SourceFile | None, entry: TreeEntry | None, recorded: SourceFacts | None) -> PathChange:
    path = entry.path if entry is not None else found.path if found is not None else b""
    return PathChange(
        path=text_of(path),
        change=kind,
        before=None if recorded is None else recorded.digest,
        after=None if found is None else found.facts.digest,
        size_before=0 if entry is None else entry.size,
        size_after=0 if found is None else found.facts.size or 0,
    )


def _read_again(source: Source, found: SourceFile | None, entry: TreeEntry | None, recorded: SourceFacts | None) -> PathChange | None:
    """Bytes that changed although nothing else says so."""
    if found is None or entry is None or recorded is None or not recorded.md5:
        return None
    try:
        now = _with_md5(source, found.path, found.facts)
    except Conflict:
        return _change("modified", found, entry, recorded)
    return None if now.md5 == recorded.md5 else _change("modified", replace(found, facts=now), entry, recorded)
