"""Reading everything back: packs against their names, the index against the packs, and all that refs lead to."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from blake3 import blake3

from lineal.errors import Integrity, LinealError, NotFound
from lineal.records.dataset import TreeEntry, VerifyReport
from lineal.records.digest import Digest, blake3_digest, raw_hash
from lineal.store import content
from lineal.store.backends.interface import Backend
from lineal.store.commits import decode_commit
from lineal.store.index import HEAD_KEY, Index
from lineal.store.objects import Objects
from lineal.store.packs import LIST, RECORD, decode_block, is_sound, pack_key, read_footer
from lineal.store.refs import Refs
from lineal.store.tree import Trees

_MOST_NAMED = 1000

REMOTES = "remotes/"
"""Refs below it say what a remote was last seen at; what they lead to need not be here."""

Progress = Callable[[str, int, int], None]
Fill = Callable[[bytes], bool]
"""Tries to bring an object back whose key is missing or damaged; says whether it is here now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known about versions beside the store.

    Attributes:
        names: what people call a commit, such as ``flights@3``.
        given_up: raw ids of commits whose trees need not be here any more.
    """

    names: Mapping[Digest, str] = field(default_factory=dict)
    given_up: frozenset[bytes] = frozenset()


def verify_store(objects: Objects, trees: Trees, refs: Refs, *, expected: Expected, progress: Progress | None = None) -> VerifyReport:
    """Reads every pack, the index, and everything that the project's refs lead to."""
    objects.refresh()
    found = Findings(progress=progress or (lambda _what, _done, _total: None))
    check_packs(objects, found)
    check_index(objects, found)
    walk = Walk(objects, trees, found, expected=expected)
    for name in refs.names():
        walk.ref(refs, name)
    return VerifyReport(subject="store", objects=found.objects, bytes=found.size, damaged=tuple(found.damaged))


def verify_tree(objects: Objects, trees: Trees, root: Digest, *, progress: Progress | None = None) -> VerifyReport:
    """Reads every content of one tree and compares it with its digest."""
    total = trees.totals(raw_hash(root))[0]
    return _reread_all(objects, root, trees.entries(raw_hash(root)), total=total, progress=progress)


def verify_sample(objects: Objects, trees: Trees, root: Digest, *, share: float, seed: int, progress: Progress | None = None) -> VerifyReport:
    """Reads a random share of a tree's contents, at least one; only the nodes are read that lead to those."""
    total = trees.totals(raw_hash(root))[0]
    count = min(total, max(1, round(share * total)))
    chosen = sorted(random.Random(seed).sample(range(total), count))  # noqa: S311 - which contents are read is no secret
    return _reread_all(objects, root, trees.at(raw_hash(root), chosen), total=count, progress=progress)


def rebuild_index(backend: Backend) -> int:
    """Makes the index anew from all packs whose list of objects is sound; returns how many those are."""
    _drop_damaged_shards(backend)
    names: list[str] = []

    def sound() -> list[str]:
        names[:] = [name for name in pack_names(backend) if _has_footer(backend, name)]
        return names

    Index.rebuild(backend, sound)
    return len(names)


def _drop_damaged_shards(backend: Backend) -> None:
    """Takes away what would stay in the place of a sound shard of the same name."""
    for key in [key for key in backend.list("index/") if key.endswith(".idx")]:
        if blake3(backend.view(key)).hexdigest() != key.rpartition("/")[2].removesuffix(".idx"):
            backend.delete(key)


def pack_names(backend: Backend) -> list[str]:
    """Every pack that is there, whether the index knows it or not."""
    return [key.rpartition("/")[2].removesuffix(".pack") for key in backend.list("packs/") if key.endswith(".pack")]


@dataclass(slots=True)
class Findings:
    """What was read and what is wrong with it.

    Attributes:
        packs: names of damaged packs; broken: keys of objects in them that cannot be read.
    """

    progress: Progress
    objects: int = 0
    size: int = 0
    damaged: list[str] = field(default_factory=list)
    packs: list[str] = field(default_factory=list)
    broken: set[bytes] = field(default_factory=set)


class Walk:
    """Follows refs to all that they lead to, and names what is missing or damaged.

    Nodes and pieces of lists are looked at once; those are about one in a hundred objects, and all that is remembered.

    Args:
        fill: is asked for every object that is not there; mend: for every file that is not whole even so.
    """

    def __init__(
        self,
        objects: Objects,
        trees: Trees,
        found: Findings,
        *,
        expected: Expected,
        fill: Fill = lambda _key: False,
        mend: Callable[[TreeEntry], bool] = lambda _entry: False,
    ) -> None:
        self._objects = objects
        self._trees = trees
        self._found = found
        self._expected = expected
        self._fill = fill
        self._mend = mend
        self._seen: set[bytes] = set()

    def ref(self, refs: Refs, name: str) -> None:
        """Everything that one ref leads to."""
        try:
            waiting = [digest] if (digest := refs.get(name)) else []
        except LinealError as error:
            self._found.damaged.append(error.message)
            return
        self.commits(waiting, name)

    def commits(self, waiting: list[Digest], name: str) -> None:
        """Commits with everything before them; ``name`` says behind which ref."""
        partial = name.startswith(REMOTES)
        while waiting:
            commit = waiting.pop()
            if raw_hash(commit) in self._seen or (partial and self._absent(raw_hash(commit))):
                continue
            self._seen.add(raw_hash(commit))
            label = self._expected.names.get(commit, f"{name}, commit {commit}")
            self._found.progress(f"following {name}", 0, 0)
            try:
                self._there(raw_hash(commit))
                read = decode_commit(content.read(self._objects, raw_hash(commit)), commit)
            except LinealError as error:
                self._found.damaged.append(f"{label}: {error.message}")
                continue
            waiting += read.parents
            if raw_hash(commit) not in self._expected.given_up:
                self._tree(raw_hash(read.root), label, partial=partial)

    def _tree(self, root: bytes, label: str, *, partial: bool) -> None:
        waiting = [root]
        while waiting and len(self._found.damaged) < _MOST_NAMED:
            node = waiting.pop()
            if node in self._seen or (partial and self._absent(node)):
                continue
            self._seen.add(node)
            try:
                self._there(node)
                items = self._trees.items(node)
            except LinealError as error:
                self._found.damaged.append(f"{label}, tree node {blake3_digest(node)}: {error.message}")
                continue
            for item in items:
                if not isinstance(item, TreeEntry):
                    waiting.append(item.node)
                elif not partial:
                    self._entry(item, label)

    def _entry(self, entry: TreeEntry, label: str) -> None:
        sound = self._is_whole(entry) or (self._mend(entry) and self._is_whole(entry))
        if not sound and not self._objects.is_lent(raw_hash(entry.digest)):
            self._found.damaged.append(f"{label}: {os.fsdecode(entry.path)} ({entry.digest}) is damaged or missing")

    def _is_whole(self, entry: TreeEntry) -> bool:
        try:
            return self._there(raw_hash(entry.digest))
        except LinealError:
            return False

    def _there(self, identity: bytes) -> bool:
        """Whether a content is there with all its chunks, or was brought back."""
        if not self._has(identity):
            return False
        if self._objects.kind_anywhere(identity) != LIST:
            return True
        extent = content.extent(self._objects, identity)
        return self._pieces(extent.key, extent.depth)

    def _pieces(self, key: bytes, depth: int) -> bool:
        """Whether a piece of a list is there with all below it; a sound one is looked at once."""
        if key in self._seen:
            return True
        if not self._has(key):
            return False
        children = [child for child, _size in content.CHILD.iter_unpack(self._objects.get(key)[1])]
        sound = [self._pieces(child, depth - 1) if depth else self._has(child) for child in children]
        if all(sound):
            self._seen.add(key)
        return all(sound)

    def _has(self, key: bytes) -> bool:
        """Whether an object is there and not in a part of a pack that is damaged, or was brought back."""
        return not self._absent(key) or self._fill(key)

    def _absent(self, key: bytes) -> bool:
        return key in self._found.broken or self._objects.kind_anywhere(key) is None


def check_packs(objects: Objects, found: Findings) -> None:
    """Reads every byte of every pack."""
    names = pack_names(objects.backend)
    for done, name in enumerate(names):
        found.progress("packs", done, len(names))
        view = objects.backend.view(pack_key(name))
        found.size += len(view)
        if is_sound(view, name):
            found.objects += len(read_footer(view, name)) // RECORD.size
        else:
            found.packs.append(name)
            found.damaged.append(f"pack {name} is damaged: its bytes do not match its name")
            found.broken |= _broken_objects(view, name, found)


def _broken_objects(view: memoryview, name: str, found: Findings) -> set[bytes]:
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
        if not content.is_intact(kind, key, data):
            broken.add(key)
    return broken


def check_index(objects: Objects, found: Findings) -> None:
    """Reads every byte of the index."""
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


def _reread_all(objects: Objects, root: Digest, entries: Iterator[TreeEntry], *, total: int, progress: Progress | None) -> VerifyReport:
    damaged: list[str] = []
    seen = size = 0
    for entry in entries:
        problem = _reread(objects, entry)
        if problem:
            damaged.append(f"{os.fsdecode(entry.path)} ({entry.digest}): {problem}")
        seen, size = seen + 1, size + entry.size
        if progress is not None and not seen % 256:
            progress("verify", seen, total)
    return VerifyReport(subject=root, objects=seen, bytes=size, damaged=tuple(damaged))


def _reread(objects: Objects, entry: TreeEntry) -> str:
    hasher = blake3()
    try:
        for chunk in content.pieces(objects, raw_hash(entry.digest)):
            hasher.update(chunk)
    except NotFound as error:
        if error.kind == "not-fetched":
            raise  # nothing is known of it, and the next one cannot be read either
        return error.message
    except LinealError as error:
        return error.message
    return "" if hasher.digest() == raw_hash(entry.digest) else "its bytes do not match its digest"
