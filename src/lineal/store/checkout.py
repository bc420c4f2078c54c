"""A tree, written into a folder: only what differs, each file in one step, and nothing that is recorded nowhere is overwritten."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from lineal.errors import Conflict, InvalidState
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.store.backends.folder import translated
from lineal.store.durable import rename, unlink
from lineal.store.ignoring import STAGING
from lineal.store.repository import Repository
from lineal.store.snapshot import look_up, scan
from lineal.store.statindex import StatIndex
from lineal.store.workingcopy import Found

_MOST_NAMED = 10
_ABANDONED_SECONDS = 86_400

Recorded = Callable[[TreeEntry], bool]
"""Whether an entry can be had again: the same path with the same content is in some version."""

Step = Callable[[int, int], None]


@dataclass(slots=True)
class Plan:
    """What a checkout would do.

    Attributes:
        write: entries to write; remove: what is there and should not be; blocked: what is in the way and recorded nowhere.
    """

    write: list[TreeEntry] = field(default_factory=list)
    remove: list[TreeEntry] = field(default_factory=list)
    blocked: list[bytes] = field(default_factory=list)


def plan_checkout(wanted: Iterable[TreeEntry], there: Mapping[bytes, TreeEntry], recorded: Recorded) -> Plan:
    """What to do so that a folder, in which ``there`` is, becomes ``wanted``; what is recorded nowhere and not in the way stays."""
    plan = Plan()
    kept: set[bytes] = set()
    folders: set[bytes] = set()
    for entry in wanted:
        kept.add(entry.path)
        folders.update(_parents(entry.path))
        now = there.get(entry.path)
        if now == entry:
            continue
        plan.write.append(entry)
        if now is not None:
            _make_way(plan, entry, now, recorded)
    for path, now in there.items():
        if path in kept:
            continue
        hindering = (path in folders and now.mode != "folder") or any(parent in kept for parent in _parents(path))
        if recorded(now):
            plan.remove.append(now)
        elif hindering:
            plan.blocked.append(path)
    return plan


def _make_way(plan: Plan, entry: TreeEntry, now: TreeEntry, recorded: Recorded) -> None:
    """Decides about what is at the very path of an entry; an empty folder holds nothing that could be lost."""
    if now.mode != "folder" and not recorded(now):
        plan.blocked.append(entry.path)
    elif (now.mode == "folder") != (entry.mode == "folder"):
        plan.remove.append(now)


def check_out(store: Repository, root: Digest, folder: bytes, *, index: StatIndex, recorded: Recorded, step: Step) -> int:
    """Makes a folder what the tree says; returns how many paths were written or removed.

    Raises:
        Conflict: kind ``would-overwrite``, naming what is recorded nowhere and in the way; nothing is changed then.
    """
    there = {found.path: look_up(index, found) for found in scan(folder)} if os.path.isdir(folder) else {}
    plan = plan_checkout(store.entries(root), there, recorded)
    for entry in plan.write:
        hidden = None if entry.path in there else _entry_at(index, os.path.join(folder, entry.path), entry.path)
        if hidden is not None and hidden != entry and hidden.mode != "folder" and not recorded(hidden):
            plan.blocked.append(entry.path)  # ignored by the rules that are in the folder now, but there all the same
    refuse_blocked(plan.blocked, os.fsdecode(folder))
    with translated(folder), _staging(folder) as staging:
        for done, entry in enumerate(plan.write):
            write_entry(store, entry, os.path.join(staging, b"%d" % done))
            step(done + 1, len(plan.write))
        _remove(folder, plan.remove)
        for done, entry in enumerate(plan.write):
            _move_in(os.path.join(staging, b"%d" % done), os.path.join(folder, entry.path))
    return len(plan.write) + len(plan.remove)


@contextmanager
def _staging(folder: bytes) -> Iterator[bytes]:
    """A folder inside ``folder`` to write into, so that a damaged pack, a full disk or Ctrl-C leaves everything as it was; gone afterwards.

    It is inside because only there it is certainly on the same file system. What killed checkouts left is removed after a day.
    """
    made = _make_folders(folder)
    common = os.path.join(folder, STAGING)
    own = os.path.join(common, secrets.token_hex(8).encode())
    try:
        os.makedirs(own)
        yield own
    except BaseException:
        _remove_staging(common, own)
        for parent in made:
            with suppress(OSError):  # somebody put something into it meanwhile
                os.rmdir(parent)
        raise
    _remove_staging(common, own)


def _remove_staging(common: bytes, own: bytes) -> None:
    shutil.rmtree(own, ignore_errors=True)
    with suppress(OSError):
        for other in os.scandir(common):
            if other.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                shutil.rmtree(other.path, ignore_errors=True)
        os.rmdir(common)


def _make_folders(folder: bytes) -> list[bytes]:
    """Makes a folder with its parents; those that were not there, the deepest first."""
    missing: list[bytes] = []
    place = os.path.abspath(folder)
    while not os.path.lexists(place):
        missing.append(place)
        place = os.path.dirname(place)
    os.makedirs(folder, exist_ok=True)
    return missing


def _move_in(staged: bytes, target: bytes) -> None:
    if os.path.isdir(staged) and not os.path.islink(staged):
        os.makedirs(target, exist_ok=True)
        return
    try:
        rename(staged, target)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        rename(staged, target)


def check_out_file(store: Repository, entry: TreeEntry, target: bytes, *, index: StatIndex, recorded: Recorded) -> int:
    """Makes one file what the entry says; raises as `check_out` does."""
    now = _entry_at(index, target, entry.path)
    if now == entry:
        return 0
    if now is not None and not recorded(now):
        refuse_blocked([entry.path], os.fsdecode(os.path.dirname(target)))
    write_entry(store, entry, target)
    return 1


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
    if entry.mode == "tracked":
        raise InvalidState(
            f"{os.fsdecode(entry.path)} lies elsewhere, and only what is known of it is here",
            kind="tracked-elsewhere",
            hint="Check out its dataset by name, which fetches it: lineal data checkout REF DIR",
        )
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
