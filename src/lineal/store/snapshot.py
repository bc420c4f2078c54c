"""A folder as it is now, as entries of a tree."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from blake3 import blake3

from lineal.errors import InvalidInput
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest, blake3_digest
from lineal.store.files import digest_file, read_error, readable
from lineal.store.repository import Repository
from lineal.store.statindex import StatIndex

IGNORE_FILE = b".linealignore"
STAGING = b".lineal-checkout"
"""Name of the folder that a checkout writes into before anything is moved to its place."""

ALWAYS_IGNORED = frozenset({b".lineal", b".git", STAGING})
EMPTY = blake3_digest(blake3(b"").digest())

Observer = Callable[[memoryview], object]


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
    stat: os.stat_result


def scan(folder: bytes) -> Iterator[Found]:
    """Everything below a folder that is not ignored, neighbours after one another; symbolic links are not followed.

    ``.lineal``, ``.git`` and what a checkout has not finished are always left out, and what ``.linealignore`` in the folder says, in gitignore's grammar.

    Raises:
        InvalidInput: kind ``not-a-file``, for sockets, pipes and devices.
        NotFound: kind ``file-vanished``; PermissionDenied: kind ``file-unreadable``.
    """
    ignored = _ignore_rules(folder)
    waiting = [(folder, b"")]
    while waiting:
        full, prefix = waiting.pop()
        below = []
        items = _listed(full)
        for item in items:
            path = prefix + item.name
            mode, status = _look(item)
            if item.name in ALWAYS_IGNORED or ignored(path + b"/" if mode == "folder" else path):
                continue
            if mode == "folder":
                below.append((item.path, path + b"/"))
            else:
                yield Found(path, item.path, mode, status)
        waiting += reversed(below)
        if not items and prefix:
            with readable(full):
                yield Found(prefix[:-1], full, "folder", os.lstat(full))


def look_at(path: bytes, name: bytes) -> Found:
    """One file, as if it lay in a scanned folder under ``name``."""
    with readable(path):
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise _special(path)
    return Found(name, path, "executable" if found.st_mode & 0o100 else "file", found)


def store_found(store: Repository, index: StatIndex, found: Found, *, observe: Observer | None = None) -> TreeEntry:
    """The entry of something found, its content stored; one that did not change since it was last seen is not read.

    Args:
        observe: sees every byte in order, if the file is read.
    """
    if found.mode == "folder":
        return TreeEntry(path=found.path, mode="folder", size=0, digest=store.put_bytes(b""))
    if found.mode == "symlink":
        target = link_target(found)
        return TreeEntry(path=found.path, mode="symlink", size=len(target), digest=store.put_bytes(target))
    known = index.known(found.full, found.stat)
    if known is not None and store.contains(known):
        return TreeEntry(path=found.path, mode=found.mode, size=found.stat.st_size, digest=known)
    began = time.time_ns()
    stored = store.put_file(found.full, observe=observe, status=found.stat)
    index.remember(found.full, stored.stat, stored.digest, seen=began)
    return TreeEntry(path=found.path, mode=found.mode, size=stored.size, digest=stored.digest)


def look_up(index: StatIndex, found: Found) -> TreeEntry:
    """The entry of something found, digested but not stored."""
    if found.mode == "folder":
        return TreeEntry(path=found.path, mode="folder", size=0, digest=EMPTY)
    if found.mode == "symlink":
        target = link_target(found)
        return TreeEntry(path=found.path, mode="symlink", size=len(target), digest=blake3_digest(blake3(target).digest()))
    return TreeEntry(path=found.path, mode=found.mode, size=found.stat.st_size, digest=known_digest(index, found))


def known_digest(index: StatIndex, found: Found) -> Digest:
    """A file's digest: remembered, or taken now."""
    known = index.known(found.full, found.stat)
    if known is not None:
        return known
    began = time.time_ns()
    digest, status = digest_file(found.full)
    index.remember(found.full, status, digest, seen=began)
    return digest


def link_target(found: Found) -> bytes:
    """Where a symbolic link points."""
    with readable(found.full):
        return os.readlink(found.full)


def _listed(folder: bytes) -> list[os.DirEntry[bytes]]:
    with readable(folder), os.scandir(folder) as items:
        return sorted(items, key=lambda item: item.name)


def _look(item: os.DirEntry[bytes]) -> tuple[str, os.stat_result]:
    try:
        status = item.stat(follow_symlinks=False)
    except OSError as error:
        raise read_error(error, item.path) from error
    if stat.S_ISREG(status.st_mode):
        return ("executable" if status.st_mode & 0o100 else "file"), status
    if stat.S_ISDIR(status.st_mode):
        return "folder", status
    if stat.S_ISLNK(status.st_mode):
        return "symlink", status
    raise _special(item.path)


def _special(path: bytes) -> InvalidInput:
    return InvalidInput(
        f"{os.fsdecode(path)} is neither a file nor a folder nor a link", kind="not-a-file", hint="Name it in .linealignore to leave it out."
    )


def _ignore_rules(folder: bytes) -> Callable[[bytes], bool]:
    rules = os.path.join(folder, IGNORE_FILE)
    if not os.path.isfile(rules):
        return lambda _path: False
    from pathspec import GitIgnoreSpec  # most folders have no rules, and need not pay for this

    with readable(rules), open(rules, encoding="utf-8", errors="surrogateescape") as file:
        spec = GitIgnoreSpec.from_lines(file.read().splitlines())
    return lambda path: spec.match_file(os.fsdecode(path))
