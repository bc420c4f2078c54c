"""A tree, written into a folder: only what differs, each file in one step, and nothing that is recorded nowhere is overwritten."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from lineal.errors import Conflict, Integrity, InvalidState
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.store.afterwards import Written, index_after
from lineal.store.backends.folder import translated
from lineal.store.cloning import Donors
from lineal.store.copyindex import CopyIndex
from lineal.store.difference import Pair, pairs_against, path_of
from lineal.store.durable import rename, unlink
from lineal.store.repository import Repository
from lineal.store.snapshot import look_up
from lineal.store.staging import Step, staging
from lineal.store.statindex import StatIndex
from lineal.store.tree import is_confined
from lineal.store.workingcopy import AsRecorded, Found, Survey, index_of, survey

_MOST_NAMED = 10

Recorded = Callable[[TreeEntry], bool]
"""Whether an entry can be had again: the same path with the same content is in some version."""


@dataclass(slots=True)
class Plan:
    """What a checkout would do.

    Attributes:
        write: entries to write; remove: what is there and should not be; blocked: what is in the way and recorded nowhere.
    """

    write: list[TreeEntry] = field(default_factory=list)
    remove: list[TreeEntry] = field(default_factory=list)
    blocked: list[bytes] = field(default_factory=list)


def plan_checkout(pairs: Iterable[Pair], recorded: Recorded) -> Plan:
    """What to do where a folder differs from what is wanted; what is recorded nowhere and not in the way stays.

    Args:
        pairs: what is wanted, and what is there, wherever these differ.
    """
    plan = Plan()
    spare: list[TreeEntry] = []
    for wanted, now in pairs:
        if wanted is None:
            spare += () if now is None else (now,)
            continue
        plan.write.append(wanted)
        if now is not None:
            _make_way(plan, wanted, now, recorded)
    kept = {entry.path for entry in plan.write}
    folders = {parent for path in kept for parent in _parents(path)} if spare else set()
    for now in spare:
        hindering = (now.path in folders and now.mode != "folder") or any(parent in kept for parent in _parents(now.path))
        if recorded(now):
            plan.remove.append(now)
        elif hindering:
            plan.blocked.append(now.path)
    return plan


def _make_way(plan: Plan, entry: TreeEntry, now: TreeEntry, recorded: Recorded) -> None:
    """Decides about what is at the very path of an entry; an empty folder holds nothing that could be lost."""
    if now.mode != "folder" and not recorded(now):
        plan.blocked.append(entry.path)
    elif (now.mode == "folder") != (entry.mode == "folder"):
        plan.remove.append(now)


def check_out(
    store: Repository, root: Digest, folder: bytes, *, index: StatIndex, recorded: Recorded, step: Step, beside: Sequence[bytes] = ()
) -> int:
    """Makes a folder what the tree says; returns how many paths were written or removed.

    Args:
        beside: other working copies, from whose files those of the same content are cloned where the file system can.

    Raises:
        Conflict: kind ``would-overwrite``, naming what is recorded nowhere and in the way; nothing is changed then.
        Integrity: kind ``unsafe-tree``, if the tree would have something written outside of the folder.
    """
    before = _Before.of(store, root, folder, index)
    plan = plan_checkout(before.pairs, recorded)
    refuse_escapes(plan.write)
    if not before.empty:
        plan.blocked += _hidden(plan, folder, index, recorded)
    refuse_blocked(plan.blocked, os.fsdecode(folder))
    copies = ((other, copy) for other in (folder, *beside) if (copy := index.copy_of(other)) is not None)
    for entry in plan.write:
        refuse_tracked(entry)
    with translated(folder), staging(folder, store, Donors(copies)) as place:
        written = place.write(sorted(plan.write, key=lambda entry: entry.path), step)
        moved = time.time_ns()
        _remove(folder, plan.remove)
        place.move_into(folder)
    index.keep_copy(folder, index_after(folder, CopyIndex(root, before.look.records), before.differing, Written(written, moved), before.look.changes))
    return len(plan.write) + len(plan.remove)


@dataclass(frozen=True, slots=True)
class _Before:
    """A folder before a checkout.

    Attributes:
        look: what is there, against some tree; differing: what that tree has, and what is wanted, by path, where these differ.
        pairs: what is wanted, and what is there, wherever these differ; empty: whether nothing was there.
    """

    look: Survey
    differing: dict[bytes, TreeEntry | None]
    pairs: list[Pair]
    empty: bool = False

    @classmethod
    def of(cls, store: Repository, root: Digest, folder: bytes, index: StatIndex) -> _Before:
        if not os.path.isdir(folder) or not os.listdir(folder):
            entries = list(store.entries(root))
            return cls(Survey(), {entry.path: entry for entry in entries}, [(entry, None) for entry in entries], empty=True)
        base = index.copy_of(folder)
        try:
            differing = [] if base is None else list(store.diff(base.root, root))
        except Integrity:  # the tree that it was about is gone
            base = None
        if base is None:
            base, differing = index_of(root, store.entries(root)), []
        look = survey(folder, base, partial(look_up, index), AsRecorded())
        pairs = list(pairs_against(store, base.root, differing, look.changes))
        return cls(look, {path_of(pair): pair[1] for pair in differing}, pairs)


def _hidden(plan: Plan, folder: bytes, index: StatIndex, recorded: Recorded) -> Iterator[bytes]:
    """What is in the way although nobody sees it: what the rules that are in the folder now ignore."""
    going = {entry.path for entry in plan.remove}
    for parent in {parent for entry in plan.write for parent in _parents(entry.path)} - going:
        if os.path.lexists(full := os.path.join(folder, parent)) and not stat.S_ISDIR(os.lstat(full).st_mode):
            yield parent  # a link there would lead out
    for entry in plan.write:
        hidden = None if any(parent in going for parent in _parents(entry.path)) else _entry_at(index, os.path.join(folder, entry.path), entry.path)
        if hidden is not None and hidden != entry and hidden.mode != "folder" and not recorded(hidden):
            yield entry.path


def check_out_file(store: Repository, entry: TreeEntry, target: bytes, *, index: StatIndex, recorded: Recorded) -> int:
    """Makes one file what the entry says; raises as `check_out` does."""
    refuse_escapes([entry])
    now = _entry_at(index, target, entry.path)
    if now == entry:
        return 0
    if now is not None and not recorded(now):
        refuse_blocked([entry.path], os.fsdecode(os.path.dirname(target)))
    write_entry(store, entry, target)
    return 1


def refuse_escapes(entries: Sequence[TreeEntry]) -> None:
    """Raises Integrity kind ``unsafe-tree`` if a path leads out of its folder, by itself or through a link: no tree that Lineal built has such a one."""
    paths = {entry.path for entry in entries if entry.mode != "folder"}
    folders = {entry.path.rpartition(b"/")[0] for entry in entries}
    folders |= {parent for folder in folders for parent in _parents(folder)}
    bad = next((entry.path for entry in entries if not is_confined(entry.path)), None) or next(iter(folders & paths), None)
    if bad is not None:
        raise Integrity(
            f"the tree leads out of its folder at {os.fsdecode(bad)}; nothing was written",
            kind="unsafe-tree",
            hint="Whoever made it means no good, or it is damaged: do not use the store that it came from.",
        )


def refuse_blocked(blocked: Sequence[bytes], where: str) -> None:
    """Raises Conflict kind ``would-overwrite`` if anything is blocked."""
    if not blocked:
        return
    names = ", ".join(os.fsdecode(path) for path in sorted(blocked)[:_MOST_NAMED])
    more = f" and {len(blocked) - _MOST_NAMED} more" if len(blocked) > _MOST_NAMED else ""
    raise Conflict(
        f"in {where} there is what no version has: {names}{more}",
        kind="would-overwrite",
        hint="Add it as a version first (lineal data add), or check out into another folder.",
    )


def write_entry(store: Repository, entry: TreeEntry, target: bytes) -> None:
    """Puts one entry at an absolute path, in one step."""
    if entry.mode in {"file", "executable"}:
        store.write_to(entry.digest, target, executable=entry.mode == "executable")
        return
    refuse_tracked(entry)
    with translated(target):
        if entry.mode == "folder":
            os.makedirs(target, exist_ok=True)
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        temporary = target + b".lineal-link"
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(store.read(entry.digest), temporary)
        rename(temporary, target)


def refuse_tracked(entry: TreeEntry) -> None:
    """Raises InvalidState kind ``tracked-elsewhere`` if only what is known of a file is here."""
    if entry.mode == "tracked":
        raise InvalidState(
            f"{os.fsdecode(entry.path)} lies elsewhere, and only what is known of it is here",
            kind="tracked-elsewhere",
            hint="Check out its dataset by name, which fetches it: lineal data checkout REF DIR",
        )


def _remove(folder: bytes, entries: Iterable[TreeEntry]) -> None:
    parents: set[bytes] = set()
    for entry in entries:
        full = os.path.join(folder, entry.path)
        parents.update(_parents(entry.path))
        if entry.mode == "folder":
            parents.add(entry.path)
        else:
            unlink(full)
    for parent in sorted(parents, key=len, reverse=True):
        with suppress(OSError):  # not empty: something in it stays
            os.rmdir(os.path.join(folder, parent))


def _parents(path: bytes) -> Iterator[bytes]:
    end = path.rfind(b"/")
    while end > 0:
        yield path[:end]
        end = path.rfind(b"/", 0, end)


def _entry_at(index: StatIndex, full: bytes, path: bytes) -> TreeEntry | None:
    """What lies at a path now, as an entry; None where nothing does."""
    try:
        status = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISREG(status.st_mode):
        return look_up(index, Found(path, full, "executable" if status.st_mode & 0o100 else "file", status))
    kind = "symlink" if stat.S_ISLNK(status.st_mode) else "folder"
    return look_up(index, Found(path, full, kind, status))
