"""What a line of commits has that another store lacks: commits, tree nodes and contents, found by comparing trees, not by reading all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lineal.errors import Integrity
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest, raw_hash
from lineal.store import content
from lineal.store.commits import Commit, decode_commit
from lineal.store.nodes import Item, Link, decode_node, item_key
from lineal.store.objects import Objects
from lineal.store.packs import CHUNK, LIST
from lineal.store.tree import is_confined

Wanted = Callable[[bytes], bool]
"""Whether the content at a path shall travel, too."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A part of a commit or of a tree, with its bytes."""

    key: bytes
    data: bytes
    kind: int


@dataclass(frozen=True, slots=True)
class Content:
    """A content that is needed, and the one that was at its path before, of which it may share chunks."""

    identity: bytes
    size: int
    before: bytes | None


Need = Structure | Content


def commits_since(objects: Objects, tips: Sequence[Digest], known: Callable[[Digest], bool]) -> list[tuple[Digest, Commit]]:
    """The commits that tips lead to and that are not known, parents before children."""
    found: dict[Digest, Commit] = {}
    waiting = [tip for tip in tips if not known(tip)]
    while waiting:
        identity = waiting.pop()
        if identity not in found:
            found[identity] = decode_commit(content.read(objects, raw_hash(identity)), identity)
            waiting += [parent for parent in found[identity].parents if not known(parent)]
    return _parents_first(found)


def ancestors(objects: Objects, tips: Sequence[Digest]) -> set[Digest]:
    """Every commit that tips lead to, themselves included, as far as this store has them."""
    found: set[Digest] = set()
    waiting = list(tips)
    while waiting:
        identity = waiting.pop()
        if identity in found or objects.kind(raw_hash(identity)) is None:
            continue
        found.add(identity)
        waiting += decode_commit(content.read(objects, raw_hash(identity)), identity).parents
    return found


def needs_of(objects: Objects, commit: tuple[Digest, Commit], bases: Sequence[bytes], wanted: Wanted) -> Iterator[Need]:
    """What a commit needs where its bases are: itself, then nodes of its tree before what is below them.

    Args:
        bases: raw hashes of the roots of trees that the other store has.
    """
    identity, read = commit
    yield from structure(objects, raw_hash(identity))
    root = raw_hash(read.root)
    for item, before in _walk(objects, bases[0] if bases else None, root):
        if isinstance(item, Structure):
            yield item
            continue
        if not is_confined(item.path):
            raise Integrity(
                f"{identity} has the path {os.fsdecode(item.path)!r}, which leads out of its folder; it is not taken over",
                kind="unsafe-tree",
                hint="Whoever made it means no good, or it is damaged: do not use the store that it came from.",
            )
        if wanted(item.path) and not any(_has(objects, base, item) for base in bases[1:]):
            yield Content(raw_hash(item.digest), 0 if item.mode == "tracked" else item.size, before)


def keys_below(objects: Objects, need: Content) -> Iterator[bytes]:
    """The keys below a content that is a list of chunks, without those that the content of before had, too."""
    shared = set() if need.before is None else set(content.keys_of(objects, need.before))
    return (key for key in content.keys_of(objects, need.identity) if key not in shared)


def _parents_first(commits: dict[Digest, Commit]) -> list[tuple[Digest, Commit]]:
    ordered: dict[Digest, Commit] = {}
    waiting = [(identity, False) for identity in commits]
    while waiting:
        identity, ready = waiting.pop()
        if ready:
            ordered.setdefault(identity, commits[identity])
        elif identity in commits and identity not in ordered:
            waiting.append((identity, True))
            waiting += [(parent, False) for parent in commits[identity].parents]
    return list(ordered.items())


def structure(objects: Objects, identity: bytes) -> Iterator[Structure]:
    """The objects behind a commit or node, itself last."""
    kind, data = objects.get(identity)
    if kind == LIST:
        for key in content.keys_of(objects, identity):
            yield Structure(key, objects.get(key)[1], CHUNK)
    yield Structure(identity, data, kind)


def _has(objects: Objects, root: bytes, entry: TreeEntry) -> bool:
    """Whether a tree has that content at that path."""
    side = _Side(objects, root)
    while isinstance(side.head, Link):
        side.open()
        while side.head is not None and item_key(side.head) < entry.path:
            side.skip()
    return isinstance(side.head, TreeEntry) and side.head.path == entry.path and side.head.digest == entry.digest


def _walk(objects: Objects, before: bytes | None, after: bytes) -> Iterator[tuple[Structure, None] | tuple[TreeEntry, bytes | None]]:
    """Nodes of a tree that another lacks, and entries whose content is another, with what was at their path before."""
    old, new = _Side(objects, before), _Side(objects, after)
    while new.head is not None:
        if new.head == old.head:
            new.skip()
            old.skip()
        elif isinstance(new.head, Link) and new.level >= old.level:
            if new.level == old.level:
                old.open()
            yield from ((part, None) for part in new.open())
        elif isinstance(old.head, Link):
            old.open()
        else:
            yield from _entry(old, new)


def _entry(old: _Side, new: _Side) -> Iterator[tuple[TreeEntry, bytes | None]]:
    """Compares two entries; the one whose path comes first is taken off, or both if it is the same."""
    was, now = old.head, new.head
    if not isinstance(now, TreeEntry):
        return
    if isinstance(was, TreeEntry) and was.path < now.path:
        old.skip()
        return
    new.skip()
    if not isinstance(was, TreeEntry) or was.path != now.path:
        yield now, None
        return
    old.skip()
    if was.digest != now.digest:
        yield now, raw_hash(was.digest)


class _Side:
    """What is left of one tree: the next item, opened no further than needed."""

    def __init__(self, objects: Objects, root: bytes | None) -> None:
        self._objects = objects
        self._waiting: list[Item] = []
        if root is not None:
            level = content.read(objects, root)[3]
            self._waiting.append(Link(b"", root, level, 0, 0))

    @property
    def head(self) -> Item | None:
        """The next item, or None at the end."""
        return self._waiting[-1] if self._waiting else None

    @property
    def level(self) -> int:
        """How high the next item is; -1 for an entry, -2 at the end."""
        return self.head.level if isinstance(self.head, Link) else -1 if self.head is not None else -2

    def skip(self) -> None:
        """Takes the next item off."""
        self._waiting.pop()

    def open(self) -> list[Structure]:
        """Puts what the next node holds in its place; returns the objects that the node is."""
        link = self._waiting.pop()
        if not isinstance(link, Link):
            return []
        parts = list(structure(self._objects, link.node))
        data = parts[0].data if len(parts) == 1 else content.read(self._objects, link.node)
        self._waiting += reversed(decode_node(data, link.node))
        return parts
