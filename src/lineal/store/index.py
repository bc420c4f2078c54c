"""Which pack has which object: merged sorted segments, and the few newest packs that are not merged yet.

The head names them all, so that nothing is ever listed. Segments grow geometrically, like the levels of an LSM tree, so that a lookup looks into
about log4 of all objects' segments however many packs there are. Writers move the head by compare-and-swap and hold no lock.
"""

from __future__ import annotations

import heapq
import random
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

import msgspec

from lineal.errors import Integrity, Unavailable
from lineal.store.backends.interface import Backend, Publisher
from lineal.store.packs import RECORD, Pack, Place, newer_format, pack_key
from lineal.store.sealing import seal, unseal
from lineal.store.segments import HEAD, Entry, FarSpan, Records, Span, damaged_index, encode_shard, shard_size

HEAD_KEY = "index/head"
FORMAT = 1
LOOSE_PACKS = 8
"""As many packs are looked up one by one before they are merged."""
NEAR_LOOSE_PACKS = 16
"""The same where packs are mapped: looking into one is cheap there, and merging writes 56 bytes for each object once more."""
GROWTH = 4
"""A segment has at least this many times the objects of all newer ones together."""
_LARGE = 1 << 20
_LOOKED_UP = 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.004, 2.0
"""Seconds at most between two tries to move the head, while others move it."""
"""Of an index with more objects than `_LARGE`, what lookups have mapped is given back after as many: each maps up to 2 MB around where it looks."""

INLINE = 64
"""A pack of as many objects at most has its records in the head itself, so that no reader far away asks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A file of the index.

    Attributes:
        first: the hex of its first key; objects: how many it finds.
        packs: how many packs it names; 0 where that was not written down.
    """

    name: str
    first: str
    objects: int
    packs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Shards that together are sorted.

    Attributes:
        meta: whether it finds commits and tree nodes only. Those are few, and asked for first.
    """

    shards: tuple[Shard, ...]
    meta: bool = False

    @property
    def objects(self) -> int:
        """How many objects it finds."""
        return sum(shard.objects for shard in self.shards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What is known of a pack that is in no segment yet, for readers that are far away.

    Attributes:
        records: those of the pack; in the head only where they are few.
        meta: whether the pack has commits and tree nodes only.
    """

    records: bytes = b""
    meta: bool = False

    @classmethod
    def of(cls, pack: Pack, *, meta: bool = False) -> Footer:
        """What to say of a pack that was just built."""
        return cls(records=bytes(pack.pieces[-2]), meta=meta)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHead:
    """What the index is made of: segments from old to new, then packs from old to new.

    Attributes:
        footers: of some of the packs, by name.
    """

    format: int = FORMAT
    segments: tuple[Segment, ...] = ()
    packs: tuple[str, ...] = ()
    footers: Mapping[str, Footer] = field(default_factory=dict)

    def is_meta(self, pack: str) -> bool:
        """Whether a pack is known to have commits and tree nodes only."""
        return pack in self.footers and self.footers[pack].meta


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Packs and segments that were written together anew."""

    packs: tuple[str, ...]
    segments: tuple[Segment, ...]
    written: tuple[Segment, ...]

    def fits(self, head: IndexHead) -> bool:
        """Whether a head has all that was merged."""
        return set(self.packs) <= set(head.packs) and set(self.segments) <= set(head.segments)

    def applied(self, head: IndexHead) -> IndexHead:
        """The head with what was written in the place of what was merged."""
        segments = tuple(segment for segment in head.segments if segment not in self.segments) + self.written
        return replace(head, segments=segments, packs=tuple(pack for pack in head.packs if pack not in self.packs))


class Index:
    """Finds objects. Thread safe. It knows of nothing before its first `refresh`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._raw: bytes | None = None
        self._head = IndexHead()
        self._opened: dict[str, Records] = {}
        self._segments: tuple[Segment, ...] = ()
        self._is_large = False
        self._looked_up = 0

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

    def publish(self, packs: Sequence[str], footers: Mapping[str, Footer] | None = None) -> None:
        """Makes durable packs known to everybody, all of them at once, and merges when there are many, or where looking into one costs a request.

        Args:
            footers: what is known of some of the packs, by name.
        """
        known = footers or {}
        if isinstance(self._backend, Publisher):
            self._adopt(self._backend.publish({pack: pack in known and known[pack].meta for pack in packs}))
            return
        merges: dict[bool, Merge] = {}
        if not self._backend.mapped:
            self._change(lambda head: self._merged(self._with(head, packs, known), merges), merges)
            return
        self._change(lambda head: self._with(head, packs, {}), merges)
        if len(self._head.packs) >= NEAR_LOOSE_PACKS:
            self._change(lambda head: self._merged(head, merges), merges)

    def publish_for_far(self, packs: Mapping[str, bool]) -> bytes:
        """Makes packs known that others have sent, in the way that suits readers who are far away; see `Publisher.publish`."""
        footers = {pack: Footer(records=b"".join(self._open_pack(pack).slabs()), meta=meta) for pack, meta in packs.items()}
        merges: dict[bool, Merge] = {}
        self._change(lambda head: self._merged(self._with(head, list(packs), footers), merges), merges)
        return self._raw or b""

    @classmethod
    def rebuild(cls, backend: Backend, packs: Callable[[], Iterable[str]]) -> None:
        """Makes the index anew from the packs' own footers, for when it is damaged. Others may write meanwhile: ``packs`` is asked again then."""
        index = cls(backend)
        while True:
            raw = backend.fetch(HEAD_KEY)
            head = IndexHead(segments=index._write(map(index._pack, packs()), meta=False))
            if index._swap(head, raw):
                return

    def records(self) -> list[Records]:
        """Every file of the index, opened: where files are mapped, they stay what they are whatever others merge meanwhile."""
        while True:
            try:
                return [*(self._shard(shard) for segment in self._head.segments for shard in segment.shards), *map(self._pack, self._head.packs)]
            except Integrity as error:
                if error.kind != "missing-file" or not self.refresh():
                    raise

    def release(self) -> None:
        """Gives back the memory that lookups have mapped."""
        for records in self._opened.values():
            records.release()

    @property
    def head(self) -> IndexHead:
        """What the index is made of, as this process saw it last."""
        return self._head

    def exchange(self, packs: frozenset[str], new: Mapping[str, Footer]) -> None:
        """Takes packs out of the index, so that from now on nobody finds anything in them, and puts in what takes their place, in one step.

        One step, because a merge in between might keep of two records for an object the one that goes. Others may write meanwhile.
        """
        from lineal.store.columns import without_packs

        rewritten: dict[str, Shard | None] = {}
        while True:
            raw = self._backend.fetch(HEAD_KEY)
            head = _decode(raw)
            try:
                segments = tuple(without_packs(self._backend, segment, packs, rewritten) for segment in head.segments)
            except Integrity as error:
                if error.kind != "missing-file" or self._backend.fetch(HEAD_KEY) == raw:
                    raise
                continue  # others have merged meanwhile
            left = replace(head, segments=tuple(some for some in segments if some.shards), packs=tuple(p for p in head.packs if p not in packs))
            left = self._with(left, list(new), new)
            if left == head:
                return
            if self._swap(left, raw):
                self._drop(head.segments)
                return

    def packs(self) -> frozenset[str]:
        """The names of all packs that the index finds something in."""
        return frozenset(pack.hex() for records in self.records() for pack in records.packs())

    def meta_packs(self) -> frozenset[str]:
        """The names of the packs that have commits and tree nodes only."""
        names = {pack for pack in self._head.packs if self._head.is_meta(pack)}
        for segment in self._head.segments:
            if segment.meta:
                names |= {pack.hex() for shard in segment.shards for pack in self._shard(shard).packs()}
        return frozenset(names)

    def files(self) -> Iterator[tuple[str, str]]:
        """Key and name of every shard that the head names."""
        for segment in self._head.segments:
            for shard in segment.shards:
                yield shard_key(shard.name), shard.name

    def _find(self, key: bytes) -> tuple[str, Place] | None:
        head = self._head
        self._looked_up += 1
        if self._is_large and not self._looked_up % _LOOKED_UP:
            self.release()
        broken: Integrity | None = None
        for source in self._candidates(head.packs, self._segments, key.hex()):
            try:
                if found := source().find(key):
                    return found
            except Integrity as error:
                broken = error  # the object may be in a sound file
        if broken is not None:
            raise broken
        return None

    def _candidates(self, packs: Sequence[str], segments: Sequence[Segment], key: str) -> Iterator[Callable[[], Records]]:
        for pack in reversed(packs):
            yield partial(self._pack, pack)
        for segment in segments:
            place = bisect_right(segment.shards, key, key=lambda shard: shard.first)
            if place:
                following = segment.shards[place].first if place < len(segment.shards) else ""
                yield partial(self._shard, segment.shards[place - 1], following)

    def _pack(self, name: str) -> Records:
        return self._opened.get(name) or self._opened.setdefault(name, self._open_pack(name))

    def _open_pack(self, name: str) -> Records:
        known = self._head.footers.get(name)
        if known is not None and known.records:
            return Records(memoryview(known.records), memoryview(bytes.fromhex(name)))
        key = pack_key(name)
        if self._backend.mapped:
            return Records.of_pack(self._backend.view(key), name)
        return Records.of_far_pack(FarSpan(self._backend, key, 0, self._backend.size(key) or 0), name)

    def _shard(self, shard: Shard, following: str = "") -> Records:
        name = shard.name
        return self._opened.get(name) or self._opened.setdefault(name, self._open_shard(shard, following))

    def _open_shard(self, shard: Shard, following: str) -> Records:
        """``following`` is the first key of the shard behind it, which with its own bounds where its keys are."""
        keys = (int(shard.first[:16], 16), int(following[:16], 16) if following else 1 << 64)
        return Records.of_shard(self._look_at(shard), shard.name, keys=keys if keys[0] < keys[1] else (0, 1 << 64))

    def _look_at(self, shard: Shard) -> Span:
        key = shard_key(shard.name)
        if self._backend.mapped:
            return self._backend.view(key)
        packs = shard.packs or HEAD.unpack(self._backend.read(key, 0, HEAD.size))[2]
        return FarSpan(self._backend, key, 0, shard_size(packs, shard.objects))

    def _adopt(self, raw: bytes | None) -> None:
        self._head, self._raw = _decode(raw), raw
        named = set(self._head.packs) | {name for _key, name in self.files()}
        self._opened = {name: records for name, records in self._opened.items() if name in named}
        self._is_large = sum(segment.objects for segment in self._head.segments) > _LARGE
        newest = self._head.segments[::-1]
        self._segments = tuple(segment for segment in newest if segment.meta) + tuple(segment for segment in newest if not segment.meta)

    def _swap(self, head: IndexHead, expected: bytes | None) -> bool:
        raw = seal(msgspec.json.encode(head))
        if not self._backend.swap(HEAD_KEY, raw, expected=expected):
            return False
        self._adopt(raw)
        return True

    def _change(self, step: Callable[[IndexHead], IndexHead], merges: dict[bool, Merge]) -> None:
        """Moves the head by a step, which is made again if another writer was first.

        Args:
            merges: those that the step made, whose old segments go when the head has moved.
        """
        for tried in count():
            raw, head = self._raw, self._head
            new = step(head)
            if new == head or self._swap(new, raw):
                break
            # Two hundred jobs that end at once would otherwise each take as many tries as there are jobs.
            time.sleep(random.uniform(0, min(_FIRST_PAUSE * 2**tried, _LONGEST_PAUSE)))  # noqa: S311 - only spreads them
            self._adopt(self._backend.fetch(HEAD_KEY))
        for merge in merges.values():
            self._drop(merge.segments)

    def _with(self, head: IndexHead, packs: Sequence[str], footers: Mapping[str, Footer]) -> IndexHead:
        fresh = [pack for pack in packs if pack not in head.packs]
        for pack in fresh:
            if pack in footers and footers[pack].records:
                self._opened.setdefault(pack, Records(memoryview(footers[pack].records), memoryview(bytes.fromhex(pack))))
        return replace(head, packs=(*head.packs, *fresh), footers={**head.footers, **{pack: footers[pack] for pack in fresh if pack in footers}})

    def _merged(self, head: IndexHead, merges: dict[bool, Merge]) -> IndexHead:
        """The head with its packs merged where that is due, for which shards are written.

        Args:
            merges: those made for another head, by whether they are of ``meta``; one whose parts are all in this head serves again.
        """
        for meta in (True, False):
            made = merges.pop(meta, None)
            if made is not None and not made.fits(head):
                self._drop(made.written)
                made = None
            try:
                made = made or self._merge(head, meta=meta)
            except Integrity:
                continue  # another process merged first, or a file is damaged: what is not merged is still found, and fsck names it
            if made is not None:
                merges[meta] = made
                head = made.applied(head)
        return replace(head, footers={pack: head.footers[pack] for pack in head.packs if pack in head.footers})

    def _costs_a_request(self, head: IndexHead, pack: str) -> bool:
        if self._backend.mapped:
            return False
        return pack not in head.footers or not 0 < len(head.footers[pack].records) <= INLINE * RECORD.size

    def _merge(self, head: IndexHead, *, meta: bool) -> Merge | None:
        """Merges packs and the segments of their sort that are too small to stand behind them, if that is due."""
        packs = tuple(pack for pack in head.packs if head.is_meta(pack) == meta)
        most = NEAR_LOOSE_PACKS if self._backend.mapped else LOOSE_PACKS
        if len(packs) < most and not any(self._costs_a_request(head, pack) for pack in packs):
            return None
        segments = [segment for segment in head.segments if segment.meta == meta]
        kept = len(segments)
        total = sum(len(self._pack(pack)) for pack in packs)
        while kept and segments[kept - 1].objects < GROWTH * total:
            kept -= 1
            total += segments[kept].objects
        merged = tuple(segments[kept:])
        written = self._write([*map(self._pack, packs), *(self._shard(shard) for segment in merged for shard in segment.shards)], meta=meta)
        return Merge(packs=packs, segments=merged, written=written)

    def _drop(self, segments: Iterable[Segment]) -> None:
        """Takes shards away that the head no longer names; whoever has one mapped goes on reading it."""
        named = {name for _key, name in self.files()}
        unnamed = [shard_key(shard.name) for segment in segments for shard in segment.shards if shard.name not in named]
        if unnamed:
            with suppress(Unavailable):  # nobody looks for them; they only take room until garbage is collected
                self._backend.delete(*unnamed)

    def _write(self, sources: Iterable[Records], *, meta: bool) -> tuple[Segment, ...]:
        entries = _without_repeats(heapq.merge(*(records.entries() for records in sources)))
        shards = []
        while (made := encode_shard(entries)) is not None:
            self._backend.create(shard_key(made.name), made.pieces)
            shards.append(Shard(name=made.name, first=made.first.hex(), objects=made.objects, packs=made.packs))
        return (Segment(shards=tuple(shards), meta=meta),) if shards else ()


def begin_index(backend: Backend) -> None:
    """Writes an empty head, so that one which is missing later is known to be lost, even if the first writer died before it named a pack."""
    backend.swap(HEAD_KEY, seal(msgspec.json.encode(IndexHead())), expected=None)


def shard_key(name: str) -> str:
    """Where a shard lies in the store."""
    return f"index/{name[:2]}/{name}.idx"


def _without_repeats(entries: Iterable[Entry]) -> Iterator[Entry]:
    last = b""
    for entry in entries:
        if entry[0] != last:
            last = entry[0]
            yield entry


def shards_named(raw: bytes | None) -> frozenset[str]:
    """The keys of the shards that a head of the index names. Raises Integrity kind ``damaged-index``."""
    return frozenset(shard_key(shard.name) for segment in _decode(raw).segments for shard in segment.shards)


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
