"""Trees of entries: prolly trees keyed by the full path, so that k changes among n entries write about k·log(n) small nodes.

The same entries always give the same root, whatever way they came in: node borders are decided by keys alone, from left to right.

Source: "prolly trees" as in Noms and Dolt (https://docs.dolthub.com/architecture/storage-engine/prolly-tree).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from lineal.errors import Integrity, InvalidInput
from lineal.records.dataset import TreeEntry
from lineal.records.digest import EMPTY
from lineal.store.nodes import MODES, Item, Link, decode_node, encode_node, ends_node, item_key

_BEHIND = b"0"
"""The byte that follows the slash: a folder's path with it is behind everything in the folder."""

_MOST_KEPT = 256
"""Nodes that are kept for who looks up path after path, about 60 items each."""


_WRONG_PART = re.compile(rb"/\.{0,2}/").search


class NodeStore(Protocol):
    """Where nodes are kept: contents by raw hash."""

    def put(self, data: bytes) -> bytes:
        """Stores a node; returns its raw hash."""

    def get(self, identity: bytes) -> bytes:
        """A node's bytes."""


class Trees:
    """Builds, edits, reads and compares trees."""

    def __init__(self, nodes: NodeStore) -> None:
        self._nodes = nodes
        self._looked_into: dict[bytes, tuple[Item, ...]] = {}

    def build(self, entries: Iterable[TreeEntry]) -> bytes:
        """The root of a tree of entries, which may come in any order."""
        ordered = sorted(entries, key=lambda entry: entry.path)
        for before, after in pairwise(ordered):
            if before.path == after.path:
                raise InvalidInput(f"{after.path!r} is in the tree twice", kind="bad-tree-entry")
        for entry in ordered:
            _check(entry)
        return self._rise(list(self._write(ordered, 0)))

    def edit(self, root: bytes, changes: Mapping[bytes, TreeEntry | None]) -> bytes:
        """The root of the tree with entries put, or taken out where None; the same root as if it were built anew."""
        for path, entry in changes.items():
            if entry is not None:
                _check(entry)
                if entry.path != path:
                    raise InvalidInput(f"{entry.path!r} cannot be put at {path!r}", kind="bad-tree-entry")
        top = self._link(root)
        pending: Mapping[bytes, Item | None] = changes
        for level in range(top.level + 1):
            pending = self._edit_level(top, level, pending)
            if not pending:
                return root
        links = [item for _key, item in sorted(pending.items()) if isinstance(item, Link)]
        return self._sink(self._rise(links or list(self._write((), 0))))

    def entry(self, root: bytes, path: bytes) -> TreeEntry | None:
        """The entry at a path, if there is one."""
        found = next(self.entries(root, start=path), None)
        return found if found is not None and found.path == path else None

    def lookup(self, root: bytes, path: bytes) -> TreeEntry | None:
        """What lies at a path: an entry, or a folder that holds something, made up as an empty one would be.

        Reads no more than the nodes on the way down, fewer where those above tell of a folder; nodes that were looked into lately are kept.
        """
        found = self._first(root, path)
        if found is not None and found.path == path:
            return found
        if found is not None and found.path < path + b"/":  # such as a-b, which stands before what is in the folder a
            found = self._first(root, path + b"/")
        within = found is not None and found.path.startswith(path + b"/")
        return TreeEntry(path=path, mode="folder", size=0, digest=EMPTY) if within else None

    def _first(self, root: bytes, path: bytes) -> TreeEntry | None:
        """The first entry from a path on, or any one below it as soon as one is known of."""
        node, below = root, path.rstrip(b"/") + b"/"
        while True:
            items = self._kept(node)
            place = bisect_left(items, path, key=item_key)
            if place == len(items):
                return None
            item = items[place]
            if isinstance(item, TreeEntry):
                return item
            if item.key.startswith(below):
                return TreeEntry(path=item.key, mode="file", size=0, digest=EMPTY)
            node = item.node

    def _kept(self, node: bytes) -> tuple[Item, ...]:
        found = self._looked_into.pop(node, None)
        if found is None:
            found = self.items(node)
            for oldest in list(self._looked_into)[: max(0, len(self._looked_into) - _MOST_KEPT)]:
                self._looked_into.pop(oldest, None)
        self._looked_into[node] = found
        return found

    def entries(self, root: bytes, *, start: bytes = b"") -> Iterator[TreeEntry]:
        """The entries from a path on, in order; reads only the nodes that hold them."""
        return self._entries(self._link(root), start)

    def children(self, root: bytes, folder: bytes = b"", *, after: bytes = b"") -> Iterator[TreeEntry]:
        """What lies directly in a folder, in the order of the paths' bytes; a folder's own contents are skipped, not read.

        A folder that is not empty is no entry of the tree: it is made up, as an empty one would be.

        Args:
            after: the last path of the page before.
        """
        start = folder + b"/" if folder else b""
        if after:
            start = after + (b"\0" if self.entry(root, after) else _BEHIND)
        return _Listing(self._items, folder + b"/" if folder else b"", start).below(self._link(root))

    def at(self, root: bytes, places: Sequence[int]) -> Iterator[TreeEntry]:
        """The entries at ascending places, counted from 0; reads only the nodes that lead to them."""
        return self._at(self._link(root), 0, places)

    def totals(self, root: bytes) -> tuple[int, int]:
        """How many entries a tree has, and how many bytes their contents, from its root alone."""
        top = self._link(root)
        return top.files, top.size

    def diff(self, before: bytes, after: bytes) -> Iterator[tuple[TreeEntry | None, TreeEntry | None]]:
        """Pairs of entries that differ, in the order of their paths; subtrees that are the same are not read."""
        sides = (_Frontier(self._link(before), self._items), _Frontier(self._link(after), self._items))
        while sides[0].head is not None or sides[1].head is not None:
            one, other = sides[0].head, sides[1].head
            if one == other:
                sides[0].skip()
                sides[1].skip()
            elif not _open_one(sides):
                yield from _pair(sides)

    def items(self, node: bytes) -> tuple[Item, ...]:
        """What one node holds."""
        return decode_node(self._nodes.get(node), node)

    def _entries(self, link: Link, start: bytes) -> Iterator[TreeEntry]:
        for item in self._items(link):
            if item_key(item) < start:
                continue
            if isinstance(item, TreeEntry):
                yield item
            else:
                yield from self._entries(item, start)

    def _at(self, link: Link, first: int, places: Sequence[int]) -> Iterator[TreeEntry]:
        low = bisect_left(places, first)
        for item in self._items(link):
            count = 1 if isinstance(item, TreeEntry) else item.files
            high = bisect_left(places, first + count, low)
            if high > low and isinstance(item, TreeEntry):
                yield item
            elif high > low and isinstance(item, Link):
                yield from self._at(item, first, places)
            first, low = first + count, high

    def _items(self, link: Link) -> tuple[Item, ...]:
        return self.items(link.node)

    def _link(self, root: bytes) -> Link:
        data = self._nodes.get(root)
        items = decode_node(data, root)
        return _summary(items, root, data[3])

    def _write(self, items: Iterable[Item], level: int) -> Iterator[Link]:
        """Writes a whole level; an empty one is one empty node."""
        wrote = False
        node: list[Item] = []
        for item in items:
            node.append(item)
            if ends_node(item_key(item), level, len(node)):
                yield self._write_node(node, level)
                node, wrote = [], True
        if node or not wrote:
            yield self._write_node(node, level)

    def _write_node(self, items: list[Item], level: int) -> Link:
        return _summary(items, self._nodes.put(encode_node(items, level)), level)

    def _rise(self, links: list[Link]) -> bytes:
        """The root above links: the lowest level that is one node."""
        level = links[0].level
        while len(links) > 1:
            level += 1
            links = list(self._write(links, level))
        return links[0].node

    def _sink(self, root: bytes) -> bytes:
        """The root below nodes that lead to one node only, as removals leave them."""
        data = self._nodes.get(root)
        items = decode_node(data, root)
        if data[3] and len(items) == 1 and isinstance(items[0], Link):
            return self._sink(items[0].node)
        return root

    def _edit_level(self, top: Link, level: int, changes: Mapping[bytes, Item | None]) -> dict[bytes, Item | None]:
        """Applies changes to one level; returns what that changes among the links above it."""
        waiting = sorted(changes.items(), reverse=True)
        outcome: dict[bytes, Item | None] = {}
        while waiting:
            self._edit_run(self._level_from(top, level, waiting[-1][0]), waiting, (level, outcome))
        return {key: link for key, link in outcome.items() if link is None or not self._is_there(top, link)}

    def _edit_run(self, nodes: Iterator[Link], waiting: list[tuple[bytes, Item | None]], target: tuple[int, dict[bytes, Item | None]]) -> None:
        """Writes nodes anew from the first change on, until an old border is a new border too."""
        level, outcome = target
        node: list[Item] = []
        link = next(nodes, None)
        while link is not None:
            following = next(nodes, None)
            outcome.setdefault(link.key, None)
            limit = None if following is None else link.key
            for item in _merged(self._items(link), waiting, limit):
                node.append(item)
                if ends_node(item_key(item), level, len(node)):
                    written = self._write_node(node, level)
                    outcome[written.key] = written
                    node = []
            if not node:
                return
            link = following
        if node:
            written = self._write_node(node, level)
            outcome[written.key] = written

    def _level_from(self, link: Link, level: int, key: bytes) -> Iterator[Link]:
        """The nodes of a level, from the one that holds or would hold ``key`` on."""
        if link.level == level:
            yield link
            return
        items = [item for item in self._items(link) if isinstance(item, Link)]
        for place, item in enumerate(items):
            if item.key >= key or place == len(items) - 1:
                yield from self._level_from(item, level, key)

    def _is_there(self, top: Link, link: Item) -> bool:
        return isinstance(link, Link) and next(self._level_from(top, link.level, link.key), None) == link


class _Listing:
    """Goes through one folder from ``start`` on; behind a subfolder it jumps to what follows that."""

    def __init__(self, items: Callable[[Link], tuple[Item, ...]], prefix: bytes, start: bytes) -> None:
        self._items = items
        self._prefix = prefix
        self._start: bytes | None = start

    def below(self, link: Link) -> Iterator[TreeEntry]:
        """The folder's children below a node."""
        for item in self._items(link):
            if self._start is None:
                return
            if item_key(item) < self._start:
                continue
            if isinstance(item, Link):
                yield from self.below(item)
            elif item.path.startswith(self._prefix):
                yield self._child(item)
            else:
                self._start = None

    def _child(self, entry: TreeEntry) -> TreeEntry:
        end = entry.path.find(b"/", len(self._prefix))
        if end < 0:
            return entry
        self._start = entry.path[:end] + _BEHIND
        return TreeEntry(path=entry.path[:end], mode="folder", size=0, digest=EMPTY)


class _Frontier:
    """What is left of one side of a comparison: the next item, opened no further than needed."""

    def __init__(self, root: Link, items: Callable[[Link], tuple[Item, ...]]) -> None:
        self._waiting: list[Item] = [root]
        self._items = items

    @property
    def head(self) -> Item | None:
        """The next item, or None at the end."""
        return self._waiting[-1] if self._waiting else None

    def skip(self) -> Item:
        """Takes the next item off."""
        return self._waiting.pop()

    def open(self) -> None:
        """Puts what the next node holds in its place."""
        link = self._waiting.pop()
        if isinstance(link, Link):
            self._waiting += reversed(self._items(link))


def _open_one(sides: tuple[_Frontier, _Frontier]) -> bool:
    """Opens the higher of two heads, or both if they are equally high; says whether there was a node to open."""
    levels = [side.head.level if isinstance(side.head, Link) else -1 for side in sides]
    if max(levels) < 0:
        return False
    for side, level in zip(sides, levels, strict=True):
        if level == max(levels):
            side.open()
    return True


def _pair(sides: tuple[_Frontier, _Frontier]) -> Iterator[tuple[TreeEntry | None, TreeEntry | None]]:
    one, other = sides[0].head, sides[1].head
    first = min(item_key(item) for item in (one, other) if item is not None)
    pair = tuple(side.skip() if side.head is not None and item_key(side.head) == first else None for side in sides)
    before, after = pair
    if not isinstance(before, Link) and not isinstance(after, Link):
        yield before, after


def _merged(items: Iterable[Item], waiting: list[tuple[bytes, Item | None]], limit: bytes | None) -> Iterator[Item]:
    """Items with the changes up to ``limit`` (all, where None) worked in; ``waiting`` is in reverse order and is used up."""
    for item in items:
        key = item_key(item)
        while waiting and waiting[-1][0] < key:
            yield from _put(waiting.pop()[1])
        if waiting and waiting[-1][0] == key:
            yield from _put(waiting.pop()[1])
        else:
            yield item
    while waiting and (limit is None or waiting[-1][0] <= limit):
        yield from _put(waiting.pop()[1])


def _put(item: Item | None) -> Iterator[Item]:
    if item is not None:
        yield item


def _summary(items: Iterable[Item], node: bytes, level: int) -> Link:
    held = tuple(items)
    files = sum(1 if isinstance(item, TreeEntry) else item.files for item in held)
    return Link(item_key(held[-1]) if held else b"", node, level, files, sum(item.size for item in held))


def is_confined(path: bytes) -> bool:
    """Whether a path stays in the folder that it is relative to, if no link on its way leads out."""
    return b"\0" not in path and not _WRONG_PART(b"/%b/" % path)


def _check(entry: TreeEntry) -> None:
    if not is_confined(entry.path):
        raise InvalidInput(f"{entry.path!r} cannot be a path in a tree", kind="bad-tree-entry", hint="Paths are relative, without . and .. parts.")
    if entry.mode not in MODES:
        raise InvalidInput(f"{entry.mode!r} is not a mode", kind="bad-tree-entry", hint=f"Modes are {', '.join(MODES)}.")
    if not entry.digest.startswith("blake3:"):
        raise Integrity(f"{entry.path!r} has no content id but {entry.digest}", kind="bad-tree-entry")
