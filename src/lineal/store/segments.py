"""Sorted records in one read-only file: the shards of the merged index, and the footers of packs that are not merged yet."""

from __future__ import annotations

import mmap
import struct
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import isqrt
from typing import Protocol

from blake3 import blake3

from lineal.errors import Integrity
from lineal.store.backends.interface import Backend
from lineal.store.packs import RECORD, TRAILER, Place, damaged_pack, newer_format, read_footer

MAGIC = b"LNLI"
VERSION = 1
LARGEST_SHARD = 1 << 20
"""Records in one shard at most."""

HEAD = struct.Struct("<4sB3xII")
EVERY_KEY = (0, 1 << 64)
"""The first 8 bytes of keys, as numbers, that may be in a file: from, and up to below."""

_WHOLE = 4 * 1024 * 1024
_SHORT = 32 * 1024
_OFTEN, _FEW = 500, 1 << 16
_BEGINNING = 6
_SLAB = 16384 * RECORD.size

Entry = tuple[bytes, bytes, bytes]
"""A key, the raw name of its pack, and the rest of its record."""


class Span(Protocol):
    """Bytes that are looked at by slices: in memory, in a mapped file, or far away."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> memoryview: ...


class FarSpan:
    """A part of a file that is read when it is looked at: all at once where it is small, else what is asked for, and more where that goes on."""

    def __init__(self, backend: Backend, key: str, start: int, length: int) -> None:
        self._backend = backend
        self._key = key
        self._start = start
        self._length = length
        self._recent: tuple[int, memoryview] = (0, memoryview(b""))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice, /) -> memoryview:
        start, stop, _step = part.indices(self._length)
        first, recent = self._recent
        if not first <= start <= stop <= first + len(recent):
            reads_on = first < start <= first + len(recent)
            first, last = (0, self._length) if self._length <= _WHOLE else (start, min(self._length, start + _SLAB) if reads_on else stop)
            recent = self._read(first, max(last, stop))
            self._recent = (first, recent)
        return recent[start - first : stop - first]

    def _read(self, start: int, stop: int) -> memoryview:
        data = self._backend.read(self._key, self._start + start, stop - start)
        if len(data) < stop - start:
            raise damaged_index(f"{self._key} is damaged: it is shorter than the index says")
        return memoryview(data)


class Records:
    """Records in the order of their keys, looked up without reading them all. Thread safe.

    Args:
        keys: the range that they are spread over evenly, as hashes are; a lookup guesses from it where a key is.
    """

    def __init__(self, records: Span, packs: Span, *, keys: tuple[int, int] = EVERY_KEY) -> None:
        self._records = records
        self._packs = packs
        self._count = len(records) // RECORD.size
        self._keys = keys
        self._table: bytes | None = None
        self._places: dict[bytes, int] | None = None
        self._asked = 0

    @classmethod
    def of_pack(cls, view: memoryview, name: str) -> Records:
        """The records of one pack."""
        return cls(read_footer(view, name), memoryview(bytes.fromhex(name)))

    @classmethod
    def of_far_pack(cls, span: Span, name: str) -> Records:
        """The records of a pack that is far away; raises as `read_footer` does."""
        size = len(span)
        if size < TRAILER.size:
            raise damaged_pack(name, "it is cut short")
        offset, *_rest = TRAILER.unpack(span[size - TRAILER.size : size])
        start = min(offset, size - TRAILER.size)
        return cls(read_footer(span[start:size], name, start=start), memoryview(bytes.fromhex(name)))

    @classmethod
    def of_shard(cls, view: Span, name: str, *, keys: tuple[int, int] = EVERY_KEY) -> Records:
        """The records of one shard of the index.

        Raises:
            Integrity: kind ``damaged-index``, if it is not a shard, or not as long as it says.
            InvalidState: kind ``newer-format``, if a newer Lineal wrote it.
        """
        head = view[: HEAD.size]
        if len(head) < HEAD.size or bytes(head[:4]) != MAGIC:
            raise damaged_index(f"shard {name} is damaged: its head is not a shard's")
        _magic, version, packs, count = HEAD.unpack(head)
        if version > VERSION:
            raise newer_format(f"index shard {name}", version)
        split = HEAD.size + 32 * packs
        if len(view) != split + RECORD.size * count:
            raise damaged_index(f"shard {name} is damaged: it is not as long as it says")
        return cls(_Part(view, split, len(view)), _Part(view, HEAD.size, split), keys=keys)

    def __len__(self) -> int:
        return self._count

    def find(self, key: bytes) -> tuple[str, Place] | None:
        """The name of the pack that has the object, and its place there."""
        record = self._known(key) if self._places is not None or self._is_asked_often() else self._record(key)
        if record is None:
            return None
        _key, pack, block, stored, start, length, kind = RECORD.unpack(record)
        return self._names[32 * pack : 32 * pack + 32].hex(), Place(block, stored, start, length, kind)

    def entries(self) -> Iterator[Entry]:
        """Every record, in the order of the keys."""
        size = RECORD.size
        names = self._names
        for slab in range(0, len(self._records), _SLAB):
            records = bytes(self._records[slab : slab + _SLAB])
            for start in range(0, len(records), size):
                record = records[start : start + size]
                pack = 32 * int.from_bytes(record[32:36], "little")
                yield record[:32], names[pack : pack + 32], record[36:]

    def slabs(self) -> Iterator[bytes]:
        """All records, some thousands at a time; what was mapped for that is given back."""
        for start in range(0, len(self._records), _SLAB):
            yield bytes(self._records[start : start + _SLAB])
            self.release()

    def packs(self) -> Iterator[bytes]:
        """The raw names of the packs that these records point into."""
        names = self._names
        return (names[start : start + 32] for start in range(0, len(names), 32))

    @property
    def _names(self) -> bytes:
        """The raw names of packs, one behind the other; read when one is first asked for."""
        if self._table is None:
            self._table = bytes(self._packs[0 : len(self._packs)])
        return self._table

    def release(self) -> None:
        """Gives back the memory that looking things up has mapped; it is mapped again when asked for."""
        mapped = getattr(self._records[0:0], "obj", None)
        if isinstance(mapped, mmap.mmap):
            mapped.madvise(mmap.MADV_DONTNEED)

    def _is_asked_often(self) -> bool:
        """Whether it pays to know where all are: a writer asks for each chunk, and mostly in vain. Only where they are not many."""
        self._asked += 1
        if self._asked < _OFTEN or self._count > _FEW:
            return False
        records = bytes(self._records[0 : len(self._records)])
        self._places = {records[start : start + _BEGINNING]: start for start in range(0, len(records), RECORD.size)}
        return True

    def _known(self, key: bytes) -> bytes | memoryview | None:
        start = (self._places or {}).get(key[:_BEGINNING])
        if start is None:
            return None
        record = self._records[start : start + RECORD.size]
        return record if bytes(record[:32]) == key else self._record(key)  # two keys that begin alike

    def _record(self, key: bytes) -> bytes | memoryview | None:
        """A key's record. Keys are hashes, so its place is guessed from its value; a window that misses it is widened."""
        low, high = self._keys
        value = min(max(int.from_bytes(key[:8], "big"), low), high - 1)
        guess = (value - low) * self._count // (high - low)
        width = 16 + 3 * isqrt(self._count) // 2  # three deviations of where a key is among random ones
        while True:
            first, last = max(0, guess - width), min(self._count, guess + width)
            window = self._records[first * RECORD.size : last * RECORD.size]
            if len(window) <= _SHORT and _reaches(window, key, (first == 0, last == self._count)):
                return _sought(bytes(window), key)
            keys = _Keys(window)
            place = bisect_left(keys, key)
            inside = (place > 0 or first == 0) and (place < len(keys) or last == self._count)
            if inside:
                return keys.record(place) if place < len(keys) and keys[place] == key else None
            width *= 4


class _Part:
    """A part of a span, as a span."""

    def __init__(self, span: Span, start: int, stop: int) -> None:
        self._span = span
        self._start = start
        self._length = stop - start

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice, /) -> memoryview:
        start, stop, _step = part.indices(self._length)
        return self._span[self._start + start : self._start + stop]


def _reaches(records: memoryview, key: bytes, ends: tuple[bool, bool]) -> bool:
    """Whether a key would be among records; ``ends`` says whether they are the first and the last of all."""
    if not records:
        return True
    last = len(records) - RECORD.size
    return (ends[0] or bytes(records[:32]) <= key) and (ends[1] or key <= bytes(records[last : last + 32]))


def _sought(records: bytes, key: bytes) -> bytes | None:
    """The record of a key; in a stretch that is not long, searching the bytes is several times faster than bisecting them."""
    at = records.find(key)
    while at % RECORD.size and at > 0:
        at = records.find(key, at + 1)
    return records[at : at + RECORD.size] if at >= 0 else None


class _Keys:
    """The keys of a stretch of records."""

    def __init__(self, records: memoryview) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records) // RECORD.size

    def __getitem__(self, index: int) -> bytes:
        start = index * RECORD.size
        return bytes(self._records[start : start + 32])

    def record(self, index: int) -> memoryview:
        """A whole record."""
        return self._records[index * RECORD.size : (index + 1) * RECORD.size]


def shard_size(packs: int, records: int) -> int:
    """Bytes of a shard's file."""
    return HEAD.size + 32 * packs + RECORD.size * records


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A shard to write.

    Attributes:
        name: the BLAKE3 hex of its bytes; pieces: these.
        first: the first key; objects, packs: how many it has and names.
    """

    name: str
    first: bytes
    objects: int
    packs: int
    pieces: tuple[bytes | memoryview, ...]


def encode_shard(entries: Iterator[Entry]) -> Encoded | None:
    """A shard of the next entries, which come in the order of their keys; None where there are none left. Only its records are in memory."""
    numbers: dict[bytes, int] = {}
    records = bytearray()
    for key, pack, rest in islice(entries, LARGEST_SHARD):
        records += key
        records += numbers.setdefault(pack, len(numbers)).to_bytes(4, "little")
        records += rest
    if not records:
        return None
    objects = len(records) // RECORD.size
    pieces = (HEAD.pack(MAGIC, VERSION, len(numbers), objects), b"".join(numbers), memoryview(records))
    hasher = blake3()
    for piece in pieces:
        hasher.update(piece)
    return Encoded(name=hasher.hexdigest(), first=bytes(records[:32]), objects=objects, packs=len(numbers), pieces=pieces)


def damaged_index(message: str) -> Integrity:
    """The error for an index that cannot be read."""
    return Integrity(message, kind="damaged-index", hint="Make it anew from the packs with: lineal fsck --rebuild")
