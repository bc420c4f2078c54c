"""What comes of bringing two versions of a dataset together. Reads only what differs; nothing is written before it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from lineal.errors import Conflict, InvalidState, LinealError
from lineal.records.dataset import DatasetVersion, PathChange, PathConflict, TreeEntry
from lineal.records.digest import Digest, short
from lineal.records.history import merge_bases
from lineal.records.merging import BOTH, REGULAR, EntryConflict, Merge, Overlay, Pair, differing, merge_trees, virtual_base
from lineal.store.repository import Repository
from lineal.workspace.comparing import change_of, table_rows
from lineal.workspace.facts import text_of
from lineal.workspace.lines import History
from lineal.workspace.site import Site
from lineal.workspace.tables import suffix

_MOST_TABLES = 5
_MOST_SHOWN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a merge: a stored tree, at some paths otherwise, that stands for some commits.

    Attributes:
        root: None stands for a tree without entries.
    """

    root: Digest | None
    commits: frozenset[str] = frozenset()
    overlay: Overlay = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What a merge makes of our version.

    Attributes:
        bases: the commits that both stand on, in a fixed order.
    """

    merge: Merge
    bases: tuple[str, ...]
    conflicts: tuple[PathConflict, ...]


class _StoredTree:
    """A stored tree as a merge asks it."""

    def __init__(self, store: Repository, root: Digest | None) -> None:
        self._store = store
        self._root = root

    def entry(self, path: bytes) -> TreeEntry | None:
        return None if self._root is None else self._store.entry(self._root, path)

    def below(self, folder: bytes) -> Iterator[TreeEntry]:
        return iter(()) if self._root is None else self._store.entries(self._root, prefix=folder + b"/")


def join(site: Site, ours: DatasetVersion, theirs: DatasetVersion, *, keep: str = BOTH) -> Joined:
    """Merges their version into ours by what both stand on.

    Raises:
        InvalidState: kind ``file-and-folder``, if one is a single file and the other a folder.
        Conflict: kind ``merge-conflict``, if both changed the one file that they are, and both are to be kept.
    """
    history = History(site, ours.name)
    bases = _bases(history, frozenset({ours.commit}), frozenset({theirs.commit}), site.store)
    base = _common(site.store, history, bases)
    merge = combine(site, base, ours, Side(root=theirs.digest), single=_single(ours, theirs), label=f"theirs-{short(theirs.commit)}", keep=keep)
    return Joined(merge=merge, bases=bases, conflicts=_told(site, merge.conflicts))


def take_back(site: Site, ours: DatasetVersion, undone: DatasetVersion, before: Digest | None, *, keep: str = BOTH) -> Joined:
    """Takes the changes of one version back from ours: merges the step from it to the one before it.

    Raises: as `join`.
    """
    label = f"before-{short(undone.commit)}"
    single = _single(ours, undone)
    merge = combine(site, Side(root=undone.digest), ours, Side(root=before), single=single, label=label, keep=keep)
    return Joined(merge=merge, bases=(undone.commit,), conflicts=_told(site, merge.conflicts))


def combine(site: Site, base: Side, ours: DatasetVersion, theirs: Side, *, single: bool, label: str, keep: str) -> Merge:
    """The merge of two sides by a base; of two single files it is that of the file, whatever it is called."""
    store = site.store
    if single:
        merge = _combine_files(store, base, ours, theirs, label=label, keep=keep)
    else:
        mine, yours = pairs(store, base, Side(root=ours.digest)), pairs(store, base, theirs)
        merge = merge_trees(mine, yours, trees=(_StoredTree(store, ours.digest), _StoredTree(store, theirs.root)), label=label, keep=keep)
    if keep == BOTH and single and merge.conflicts:
        raise Conflict(
            f"both sides changed {text_of(merge.conflicts[0].path)}, and {ours.name} is that one file",
            kind="merge-conflict",
            hint="Take one of them with --keep ours or --keep theirs; the other stays a version of its own.",
        )
    return merge


def _combine_files(store: Repository, base: Side, ours: DatasetVersion, theirs: Side, *, label: str, keep: str) -> Merge:
    name = _only(store, ours.digest).path
    before, mine, yours = (None if root is None else replace(_only(store, root), path=name) for root in (base.root, ours.digest, theirs.root))
    before = next((replace(entry, path=name) for entry in base.overlay.values() if entry is not None), before)
    sides = [[(before, side)] if side != before else [] for side in (mine, yours)]
    return merge_trees(*sides, trees=(_StoredTree(store, None), _StoredTree(store, None)), label=label, keep=keep)


def pairs(store: Repository, base: Side, side: Side) -> Iterator[Pair]:
    """How a side differs from the base, in the order of paths."""
    return differing(_stored_pairs(store, base.root, side.root), (base.overlay, side.overlay), _StoredTree(store, side.root).entry)


def _stored_pairs(store: Repository, base: Digest | None, side: Digest | None) -> Iterator[Pair]:
    if base is not None and side is not None:
        yield from store.diff(base, side)
    elif side is not None:
        yield from ((None, entry) for entry in store.entries(side))
    elif base is not None:
        yield from ((entry, None) for entry in store.entries(base))


def _bases(history: History, ours: frozenset[str], theirs: frozenset[str], store: Repository) -> tuple[str, ...]:
    found = merge_bases(history, ours, theirs)
    if len(found) < 2:
        return tuple(found)
    return tuple(sorted(found, key=lambda commit: (store.read_commit(Digest(commit)).meta["at"], commit)))


def _common(store: Repository, history: History, bases: tuple[str, ...]) -> Side:
    """The base of a merge: nothing, a commit's tree, or for lines that were merged crosswise the merge of what they have in common.

    Source: git's "recursive" strategy (git-merge(1)).
    """
    if not bases:
        return Side(root=None)
    side, *others = (Side(root=store.read_commit(Digest(commit)).root, commits=frozenset({commit})) for commit in bases)
    for other in others:
        below = _common(store, history, _bases(history, side.commits, other.commits, store))
        overlay = virtual_base(pairs(store, below, side), pairs(store, below, other))
        side = Side(root=side.root, commits=side.commits | other.commits, overlay={**side.overlay, **overlay})
    return side


def _single(ours: DatasetVersion, theirs: DatasetVersion) -> bool:
    if ours.single_file != theirs.single_file:
        one, other = (f"{version.reference} is a {'file' if version.single_file else 'folder'}" for version in (ours, theirs))
        raise InvalidState(f"{one}, {other}: they have no paths in common", kind="file-and-folder", hint="Check one of them out, and add it.")
    return ours.single_file


def _only(store: Repository, root: Digest) -> TreeEntry:
    return next(store.entries(root, limit=1))


def _told(site: Site, conflicts: Iterable[EntryConflict]) -> tuple[PathConflict, ...]:
    """Conflicts for the record; the first tables that both sides have say how many rows differ."""
    told: list[PathConflict] = []
    tables = 0
    for found in conflicts:
        rows: Mapping[str, Any] = {}
        if tables < _MOST_TABLES and _is_table(found):
            tables += 1
            rows = _rows(site, found)
        told.append(
            PathConflict(
                path=text_of(found.path),
                kind=found.kind,
                base=_digest(found.base),
                ours=_digest(found.ours),
                theirs=_digest(found.theirs),
                beside=text_of(found.beside),
                rows=rows,
            )
        )
    return tuple(told)


def _is_table(found: EntryConflict) -> bool:
    both = found.ours is not None and found.theirs is not None and {found.ours.mode, found.theirs.mode} <= REGULAR
    return both and found.kind in {"both-changed", "both-added"} and bool(suffix(text_of(found.path)))


def _rows(site: Site, found: EntryConflict) -> Mapping[str, Any]:
    """How many rows theirs has otherwise; nothing where the tables cannot be read, as after a pull of some paths only."""
    if found.ours is None or found.theirs is None:
        return {}
    with suppress(LinealError):
        return {key: value for key, value in table_rows(site, found.ours, found.theirs).items() if key != "examples"}
    return {}


def _digest(entry: TreeEntry | None) -> Digest | None:
    return entry.digest if entry is not None and entry.digest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Changes in numbers; the first of them in full."""

    changes: tuple[PathChange, ...]
    added: int
    removed: int
    modified: int


def summary(found: Iterable[Pair]) -> Summary:
    """What pairs of before and after amount to."""
    shown: list[PathChange] = []
    counts = {"added": 0, "removed": 0, "modified": 0, "mode": 0}
    for before, after in found:
        change = change_of(before, after)
        counts[change.change] += 1
        if len(shown) < _MOST_SHOWN:
            shown.append(change)
    return Summary(changes=tuple(shown), added=counts["added"], removed=counts["removed"], modified=counts["modified"] + counts["mode"])


def merged_facts(ours: DatasetVersion, theirs: DatasetVersion, merge: Merge) -> dict[str, Any]:
    """Files, size, MD5 and tables of what a merge makes of ours: for what comes from theirs, what is known of it there."""
    facts: dict[str, Any] = {"files": ours.files, "size": ours.size, "md5": dict(ours.md5), "schema": dict(ours.schema)}
    for path, after in merge.changes.items():
        before = merge.before[path]
        facts["files"] += _counts(after) - _counts(before)
        facts["size"] += (after.size if after else 0) - (before.size if before else 0)
        if before is None or after is None or before.digest != after.digest:
            _learn(facts, text_of(path), after, theirs)
    return facts


def _counts(entry: TreeEntry | None) -> int:
    return int(entry is not None and entry.mode != "folder")


def _learn(facts: dict[str, Any], name: str, entry: TreeEntry | None, theirs: DatasetVersion) -> None:
    """Forgets what was known of a path, and takes what theirs knows of its new content."""
    for key in ("md5", "schema"):
        facts[key].pop(name, None)
    if entry is not None and name in theirs.md5:
        facts["md5"][name] = theirs.md5[name]
    table = theirs.schema.get(name)
    if entry is not None and isinstance(table, Mapping) and table.get("digest") == entry.digest:
        facts["schema"][name] = table
