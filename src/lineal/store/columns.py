"""Records of the index as columns, for work on all of them: nothing is held per object but numbers in arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineal.store.backends.interface import Backend
from lineal.store.index import Segment, Shard, shard_key
from lineal.store.packs import RECORD, pack_key, read_footer
from lineal.store.segments import HEAD, MAGIC, VERSION, Records

Prefixes = NDArray[np.uint64]
"""The first 8 bytes of keys, as numbers that are ordered as the keys are."""

Table = NDArray[Any]
"""Records, with the fields ``prefix second rest pack block stored start length kind``."""

_FIELDS = np.dtype(
    [
        ("prefix", ">u8"),
        ("second", ">u8"),
        ("rest", "V16"),
        ("pack", "<u4"),
        ("block", "<u4"),
        ("stored", "<u4"),
        ("start", "<u4"),
        ("length", "<u4"),
        ("kind", "<u4"),
    ]
)
_SLICE = 1 << 16


@dataclass(frozen=True, slots=True)
class Slice:
    """Some records in the order of their keys.

    Attributes:
        packs: raw names; a record's ``pack`` is a place among them.
    """

    packs: tuple[bytes, ...]
    table: Table


def prefixes_of(keys: bytes | bytearray) -> Prefixes:
    """The prefixes of keys that are joined."""
    return np.frombuffer(keys, dtype=[("prefix", ">u8"), ("rest", "V24")])["prefix"].astype(np.uint64)


def child_keys(piece: bytes) -> Table:
    """The children in a piece of a list, with the fields ``prefix rest size``."""
    return np.frombuffer(piece, dtype=[("prefix", ">u8"), ("rest", "V24"), ("size", "<u8")])


def slices(records: Records) -> Iterator[Slice]:
    """Some records, piece by piece."""
    packs = tuple(records.packs())
    for slab in records.slabs():
        yield Slice(packs, np.frombuffer(slab, dtype=_FIELDS))


def pack_slice(backend: Backend, name: str, *, key: str = "") -> Slice:
    """The records at the end of a pack, which may lie at another key than its own. Raises Integrity kind ``damaged-pack``."""
    footer = bytes(read_footer(backend.view(key or pack_key(name)), name))
    return Slice((bytes.fromhex(name),), np.frombuffer(footer, dtype=_FIELDS))


def shard_without(backend: Backend, shard: Shard, gone: frozenset[bytes]) -> tuple[Shard, list[bytes]] | None:
    """A shard without what lies in the packs of these raw names, and its bytes; None where it has nothing of them.

    Its count of objects is 0 if nothing is left.
    """
    packs, first, count = _shard_layout(backend, shard)
    stays = np.array([pack not in gone for pack in packs], dtype=bool)
    if stays.all():
        return None
    places = (np.cumsum(stays) - 1).astype(np.uint32)
    left = list(_left(backend, shard, (first, count), stays, places))
    names = b"".join(pack for pack, stay in zip(packs, stays, strict=True) if stay)
    objects = sum(map(len, left)) // RECORD.size
    pieces = [HEAD.pack(MAGIC, VERSION, len(names) // 32, objects), names, *left]
    hasher = blake3()
    for piece in pieces:
        hasher.update(piece)
    return Shard(name=hasher.hexdigest(), first=b"".join(left[:1])[:32].hex(), objects=objects, packs=len(names) // 32), pieces


def _left(backend: Backend, shard: Shard, records: tuple[int, int], stays: NDArray[np.bool_], places: NDArray[np.uint32]) -> Iterator[bytes]:
    """The records that stay, with the new places of their packs, some thousands at a time."""
    first, count = records
    for start in range(0, count, _SLICE):
        length = min(_SLICE, count - start) * RECORD.size
        table = np.frombuffer(backend.read(shard_key(shard.name), first + start * RECORD.size, length), dtype=_FIELDS)
        table = table[stays[table["pack"]]]
        table["pack"] = places[table["pack"]]
        if len(table):
            yield table.tobytes()


def without_packs(backend: Backend, segment: Segment, packs: frozenset[str], done: dict[str, Shard | None]) -> Segment:
    """A segment whose shards have nothing of these packs; new shards are written.

    Args:
        done: what became of shards that were looked at before; None where nothing is left.
    """
    gone = frozenset(map(bytes.fromhex, packs))
    for shard in segment.shards:
        if shard.name not in done:
            written = shard_without(backend, shard, gone)
            done[shard.name] = shard if written is None else _written(backend, *written)
    return replace(segment, shards=tuple(left for shard in segment.shards if (left := done[shard.name]) is not None))


def _written(backend: Backend, shard: Shard, pieces: list[bytes]) -> Shard | None:
    if not shard.objects:
        return None
    backend.create(shard_key(shard.name), pieces)
    return shard


def _shard_layout(backend: Backend, shard: Shard) -> tuple[tuple[bytes, ...], int, int]:
    """Raw names of the packs, where the records begin, and how many there are. Raises Integrity kind ``damaged-index``."""
    key = shard_key(shard.name)
    head = backend.read(key, 0, HEAD.size)
    packs, count = HEAD.unpack(head)[2:] if len(head) == HEAD.size else (0, 0)
    names = backend.read(key, HEAD.size, 32 * packs)
    first = HEAD.size + len(names)
    if backend.size(key) != first + count * RECORD.size or head[:4] != MAGIC:
        Records.of_shard(backend.view(key), shard.name)  # says what is wrong with it
    return tuple(names[place : place + 32] for place in range(0, len(names), 32)), first, count
