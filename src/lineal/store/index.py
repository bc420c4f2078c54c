"""Which pack has which object: merged sorted segments, and the few newest packs that are not merged yet.

The head names them all, so that nothing is ever listed. Segments grow geometrically, like the levels of an LSM tree, so that a lookup looks into
about log4 of all objects' segments however many packs there are. Writers move the head by compare-and-swap and hold no lock.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import msgspec

from lineal.errors import Integrity
from lineal.store.backends.interface import Backend
from lineal.store.packs import Place, newer_format, pack_key
from lineal.store.sealing import seal, unseal
from lineal.store.segments import LARGEST_SHARD, Entry, Records, damaged_index, encode_shard

HEAD_KEY = "index/head"
FORMAT = 1
LOOSE_PACKS = 8
"""As many packs are looked up one by one before they are merged."""
GROWTH = 4
"""A segment has at least this many times the objects of all newer ones together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A file of the index. ``first`` is the hex of its first key."""

    name: str
    first: str
    objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Shards that together are sorted."""

    shards: tuple[Shard, ...]

    @property
    def objects(self) -> int:
        """How many objects it finds."""
        return sum(shard.objects for shard in self.shards)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHead:
    """What the index is made of: segments from old to new, then packs from old to new."""

    format: int = FORMAT
    segments: tuple[Segment, ...] = ()
    packs: tuple[str, ...] = ()


class Index:
    """Finds objects. Thread safe. It knows of nothing before its first `refresh`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._raw: bytes | None = None
        self._head = IndexHead()
        self._opened: dict[str, Records] = {}

    def refresh(self) -> bool:
        """Looks at the head again; says whether it has moved."""
        raw = self._backend.fetch(HEAD_KEY)
        if raw == self._raw:
            return False
        self._adopt(raw)
        return True

    def find(self, key: bytes) -> tuple[str, Place] | None:
        """The name of the pack that has the object, and its place there, as far as this process has seen."""
        try:
            return self._find(key)
        except Integrity as error:
            if error.kind != "missing-file" or not self.refresh():
                raise
            return self._find(key)  # another process has merged what the old head named

    def publish(self, packs: Sequence[str]) -> None:
        """Makes durable packs known to everybody, and merges when there are many."""
        while True:
            raw = self._backend.fetch(HEAD_KEY)
            head = _decode(raw)
            new = replace(head, packs=head.packs + tuple(pack for pack in packs if pack not in head.packs))
            if self._swap(new, raw):
                break
        if len(new.packs) >= LOOSE_PACKS:
            self._merge(new)

    @classmethod
    def rebuild(cls, backend: Backend, packs: Callable[[], Iterable[str]]) -> None:
        """Makes the index anew from the packs' own footers, for when it is damaged. Others may write meanwhile: ``packs`` is asked again then."""
        index = cls(backend)
        while True:
            raw = backend.fetch(HEAD_KEY)
            head = IndexHead(segments=index._write(map(index._pack, packs())))
            if index._swap(head, raw):
                return

    def packs(self) -> frozenset[str]:
        """The names of all packs that the index finds something in."""
        names = set(self._head.packs)
        for segment in self._head.segments:
            for shard in segment.shards:
                names |= {pack.hex() for pack in self._shard(shard).packs()}
        return frozenset(names)

    def files(self) -> Iterator[tuple[str, str]]:
        """Key and name of every shard that the head names."""
        for segment in self._head.segments:
            for shard in segment.shards:
                yield shard_key(shard.name), shard.name

    def _find(self, key: bytes) -> tuple[str, Place] | None:
        head = self._head
        broken: Integrity | None = None
        for source in self._candidates(head, key.hex()):
            try:
                if found := source().find(key):
                    return found
            except Integrity as error:
                broken = error  # the object may be in a sound file
        if broken is not None:
            raise broken
        return None

    def _candidates(self, head: IndexHead, key: str) -> Iterator[Callable[[], Records]]:
        for pack in reversed(head.packs):
            yield partial(self._pack, pack)
        for segment in reversed(head.segments):
            place = bisect_right(segment.shards, key, key=lambda shard: shard.first)
            if place:
                yield partial(self._shard, segment.shards[place - 1])

    def _pack(self, name: str) -> Records:
        return self._opened.get(name) or self._opened.setdefault(name, Records.of_pack(self._backend.view(pack_key(name)), name))

    def _shard(self, shard: Shard) -> Records:
        name = shard.name
        return self._opened.get(name) or self._opened.setdefault(name, Records.of_shard(self._backend.view(shard_key(name)), name))

    def _adopt(self, raw: bytes | None) -> None:
        self._head, self._raw = _decode(raw), raw
        named = set(self._head.packs) | {name for _key, name in self.files()}
        self._opened = {name: records for name, records in self._opened.items() if name in named}

    def _swap(self, head: IndexHead, expected: bytes | None) -> bool:
        raw = seal(msgspec.json.encode(head))
        if not self._backend.swap(HEAD_KEY, raw, expected=expected):
            return False
        self._adopt(raw)
        return True

    def _merge(self, head: IndexHead) -> None:
        """Merges the loose packs and the segments that are too small to stand behind them."""
        kept = len(head.segments)
        try:
            total = sum(len(self._pack(pack)) for pack in head.packs)
            while kept and head.segments[kept - 1].objects < GROWTH * total:
                kept -= 1
                total += head.segments[kept].objects
            merged = head.segments[kept:]
            written = self._write([*map(self._pack, head.packs), *(self._shard(shard) for segment in merged for shard in segment.shards)])
        except Integrity:
            return  # another process merged first, or a file is damaged: what is not merged is still found, and fsck names it
        self._replace(head.packs, merged, written)

    def _replace(self, packs: tuple[str, ...], segments: tuple[Segment, ...], written: tuple[Segment, ...]) -> None:
        while True:
            raw = self._backend.fetch(HEAD_KEY)
            head = _decode(raw)
            if not (set(packs) <= set(head.packs) and set(segments) <= set(head.segments)):
                self._drop(written)
                return
            new = replace(
                head,
                segments=tuple(segment for segment in head.segments if segment not in segments) + written,
                packs=tuple(pack for pack in head.packs if pack not in packs),
            )
            if self._swap(new, raw):
                self._drop(segments)
                return

    def _drop(self, segments: Iterable[Segment]) -> None:
        """Takes shards away that the head no longer names; whoever has one mapped goes on reading it."""
        named = {name for _key, name in self.files()}
        for segment in segments:
            for shard in segment.shards:
                if shard.name not in named:
                    self._backend.delete(shard_key(shard.name))

    def _write(self, sources: Iterable[Records]) -> tuple[Segment, ...]:
        entries = _without_repeats(heapq.merge(*(records.entries() for records in sources)))
        shards = []
        while batch := list(islice(entries, LARGEST_SHARD)):
            name, pieces = encode_shard(batch)
            self._backend.create(shard_key(name), pieces)
            shards.append(Shard(name=name, first=batch[0][0].hex(), objects=len(batch)))
        return (Segment(shards=tuple(shards)),) if shards else ()


def shard_key(name: str) -> str:
    """Where a shard lies in the store."""
    return f"index/{name[:2]}/{name}.idx"


def _without_repeats(entries: Iterable[Entry]) -> Iterator[Entry]:
    last = b""
    for entry in entries:
        if entry[0] != last:
            last = entry[0]
            yield entry


def _decode(raw: bytes | None) -> IndexHead:
    if raw is None:
        return IndexHead()
    body = unseal(raw, name="the head of the index", kind="damaged-index", hint="Make it anew from the packs with: lineal fsck --rebuild")
    try:
        version = msgspec.json.decode(body, type=dict).get("format", 0)
        if version > FORMAT:
            raise newer_format("the index", version)
        return msgspec.json.decode(body, type=IndexHead)
    except msgspec.MsgspecError as error:
        raise damaged_index(f"the head of the index is damaged: {error}") from error
