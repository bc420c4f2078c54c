"""Reading everything back: packs against their names, the index against the packs, and all that refs lead to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from blake3 import blake3

from lineal.errors import Integrity, LinealError
from lineal.records.dataset import TreeEntry, VerifyReport
from lineal.records.digest import Digest, blake3_digest, raw_hash
from lineal.store import content
from lineal.store.backends.interface import Backend
from lineal.store.commits import decode_commit
from lineal.store.index import HEAD_KEY, Index
from lineal.store.objects import Objects
from lineal.store.packs import CHUNK, RECORD, decode_block, pack_key, read_footer
from lineal.store.refs import Refs
from lineal.store.tree import Trees

_PIECE = 8 * 1024 * 1024
_MOST_NAMED = 1000

Progress = Callable[[str, int, int], None]


def verify_store(objects: Objects, trees: Trees, refs: Refs, *, progress: Progress | None = None) -> VerifyReport:
    """Reads every pack, the index, and everything that the project's refs lead to."""
    objects.refresh()
    found = _Findings(progress=progress or (lambda _what, _done, _total: None))
    _check_packs(objects, found)
    _check_index(objects, found)
    for name in refs.names():
        _check_ref(_Walk(objects, trees, found), refs, name)
    return VerifyReport(subject="store", objects=found.objects, bytes=found.size, damaged=tuple(found.damaged))


def verify_tree(objects: Objects, trees: Trees, root: Digest, *, progress: Progress | None = None) -> VerifyReport:
    """Reads every content of one tree and compares it with its digest."""
    damaged: list[str] = []
    seen = size = 0
    total = trees.totals(raw_hash(root))[0]
    for entry in trees.entries(raw_hash(root)):
        problem = _reread(objects, entry)
        if problem:
            damaged.append(f"{os.fsdecode(entry.path)} ({entry.digest}): {problem}")
        seen, size = seen + 1, size + entry.size
        if progress is not None and not seen % 256:
            progress("verify", seen, total)
    return VerifyReport(subject=root, objects=seen, bytes=size, damaged=tuple(damaged))


def rebuild_index(backend: Backend) -> int:
    """Makes the index anew from all packs whose list of objects is sound; returns how many those are."""
    names: list[str] = []

    def sound() -> list[str]:
        names[:] = [name for name in pack_names(backend) if _has_footer(backend, name)]
        return names

    Index.rebuild(backend, sound)
    return len(names)


def pack_names(backend: Backend) -> list[str]:
    """Every pack that is there, whether the index knows it or not."""
    return [key.rpartition("/")[2].removesuffix(".pack") for key in backend.list("packs/") if key.endswith(".pack")]


@dataclass(slots=True)
class _Findings:
    progress: Progress
    objects: int = 0
    size: int = 0
    damaged: list[str] = field(default_factory=list)
    broken: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class _Walk:
    """What was followed already, so that what versions share is looked at once."""

    objects: Objects
    trees: Trees
    found: _Findings
    seen: set[bytes] = field(default_factory=set)

    def missing(self, key: bytes) -> bool:
        """Whether an object is not there, or in a part of a pack that is damaged."""
        return key in self.found.broken or self.objects.kind(key) is None


def _check_packs(objects: Objects, found: _Findings) -> None:
    names = pack_names(objects.backend)
    for done, name in enumerate(names):
        found.progress("packs", done, len(names))
        view = objects.backend.view(pack_key(name))
        hasher = blake3()
        for start in range(0, len(view), _PIECE):
            hasher.update(view[start : start + _PIECE])
        found.size += len(view)
        if hasher.hexdigest() == name:
            found.objects += len(read_footer(view, name)) // RECORD.size
        else:
            found.damaged.append(f"pack {name} is damaged: its bytes do not match its name")
            found.broken |= _broken_objects(view, name, found)


def _broken_objects(view: memoryview, name: str, found: _Findings) -> set[bytes]:
    """Which objects of a damaged pack cannot be read any more."""
    try:
        footer = read_footer(view, name)
    except LinealError as error:
        found.damaged.append(error.message)
        return set()
    broken = set()
    for key, _pack, block, stored, start, length, kind in RECORD.iter_unpack(footer):
        found.objects += 1
        try:
            data = decode_block(view[block : block + stored], name)[start : start + length]
        except LinealError:
            broken.add(key)
            continue
        if kind == CHUNK and blake3(data).digest() != key:
            broken.add(key)
    return broken


def _check_index(objects: Objects, found: _Findings) -> None:
    there = set(pack_names(objects.backend))
    if there and not objects.backend.exists(HEAD_KEY):
        found.damaged.append("the head of the index is missing")
    for key, name in objects.index.files():
        try:
            actual = blake3(objects.backend.view(key)).hexdigest()
        except LinealError as error:
            found.damaged.append(error.message)
            continue
        if actual != name:
            found.damaged.append(f"index shard {name} is damaged: its bytes do not match its name")
    try:
        found.damaged += [f"pack {name} is missing" for name in sorted(objects.index.packs() - there)]
    except LinealError as error:
        found.damaged.append(error.message)


def _has_footer(backend: Backend, name: str) -> bool:
    try:
        read_footer(backend.view(pack_key(name)), name)
    except Integrity:
        return False
    return True


def _check_ref(walk: _Walk, refs: Refs, name: str) -> None:
    try:
        waiting = [digest] if (digest := refs.get(name)) else []
    except LinealError as error:
        walk.found.damaged.append(error.message)
        return
    while waiting:
        commit = waiting.pop()
        if raw_hash(commit) in walk.seen:
            continue
        walk.seen.add(raw_hash(commit))
        try:
            read = decode_commit(content.read(walk.objects, raw_hash(commit)), commit)
            waiting += read.parents
            _check_tree(walk, raw_hash(read.root), name)
        except LinealError as error:
            walk.found.damaged.append(f"{name}, commit {commit}: {error.message}")


def _check_tree(walk: _Walk, root: bytes, name: str) -> None:
    waiting = [root]
    while waiting and len(walk.found.damaged) < _MOST_NAMED:
        node = waiting.pop()
        if node in walk.seen:
            continue
        walk.seen.add(node)
        try:
            items = walk.trees.items(node)
        except LinealError as error:
            walk.found.damaged.append(f"{name}, tree node {blake3_digest(node)}: {error.message}")
            continue
        for item in items:
            if isinstance(item, TreeEntry):
                _check_entry(walk, item, name)
            else:
                waiting.append(item.node)


def _check_entry(walk: _Walk, entry: TreeEntry, name: str) -> None:
    identity = raw_hash(entry.digest)
    if identity in walk.seen:
        return
    walk.seen.add(identity)
    if any(walk.missing(key) for key in _keys(walk, identity)):
        walk.found.damaged.append(f"{name}: {os.fsdecode(entry.path)} ({entry.digest}) is damaged or missing")


def _keys(walk: _Walk, identity: bytes) -> Iterator[bytes]:
    """The objects that a content needs; stops at the first that cannot be read."""
    yield identity
    try:
        yield from content.keys_of(walk.objects, identity)
    except LinealError:
        walk.found.broken.add(identity)
        yield identity


def _reread(objects: Objects, entry: TreeEntry) -> str:
    hasher = blake3()
    try:
        for chunk in content.pieces(objects, raw_hash(entry.digest)):
            hasher.update(chunk)
    except LinealError as error:
        return error.message
    return "" if hasher.digest() == raw_hash(entry.digest) else "its bytes do not match its digest"
