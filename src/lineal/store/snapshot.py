"""A folder as it is now, as entries of a tree."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator

from blake3 import blake3

from lineal.records.dataset import TreeEntry
from lineal.records.digest import EMPTY, Digest, blake3_digest
from lineal.store.chunking import WHOLE
from lineal.store.files import digest_file, readable
from lineal.store.listing import mode_of, not_a_file
from lineal.store.repository import Repository
from lineal.store.statindex import StatIndex
from lineal.store.workingcopy import AsFound, Found, survey

Observer = Callable[[memoryview], object]


def scan(folder: bytes) -> Iterator[Found]:
    """Everything below a folder that is not ignored, neighbours after one another; symbolic links are not followed.

    Raises as `survey` does.
    """
    found: list[Found] = []

    def note(one: Found) -> TreeEntry:
        found.append(one)
        return TreeEntry(path=one.path, mode=one.mode, size=0, digest=EMPTY)

    survey(folder, None, note, AsFound())
    return iter(found)


def look_at(path: bytes, name: bytes) -> Found:
    """One file, as if it lay in a scanned folder under ``name``."""
    with readable(path):
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise not_a_file(path)
    return Found(name, path, mode_of(found, path), found)


def store_found(store: Repository, index: StatIndex, found: Found, *, observe: Observer | None = None) -> TreeEntry:
    """The entry of something found, its content stored; a larger file that did not change since it was last seen is not read.

    Args:
        observe: sees every byte in order, if the file is read.
    """
    if found.mode == "folder":
        return TreeEntry(path=found.path, mode="folder", size=0, digest=store.put_bytes(b""))
    if found.mode == "symlink":
        target = link_target(found)
        return TreeEntry(path=found.path, mode="symlink", size=len(target), digest=store.put_bytes(target))
    if found.stat.st_size < WHOLE:  # reading it costs no more than asking whether it must be read
        small = store.put_file(found.full, observe=observe, status=found.stat)
        return TreeEntry(path=found.path, mode=found.mode, size=small.size, digest=small.digest)
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
