"""Sorted records in one read-only file: the shards of the merged index, and the footers of packs that are not merged yet."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from math import isqrt

from blake3 import blake3

from lineal.errors import Integrity
from lineal.store.packs import RECORD, Place, newer_format, read_footer

MAGIC = b"LNLI"
VERSION = 1
LARGEST_SHARD = 1 << 20
"""Records in one shard at most."""

HEAD = struct.Struct("<4sB3xII")

Entry = tuple[bytes, bytes, bytes]
"""A key, the raw name of its pack, and the rest of its record."""


class Records:
    """Records in the order of their keys, looked up by bisection without reading them all. Thread safe."""

    def __init__(self, records: memoryview, packs: memoryview) -> None:
        self._records = records
        self._packs = packs
        self._count = len(records) // RECORD.size

    @classmethod
    def of_pack(cls, view: memoryview, name: str) -> Records:
        """The records of one pack."""
        return cls(read_footer(view, name), memoryview(bytes.fromhex(name)))

    @classmethod
    def of_shard(cls, view: memoryview, name: str) -> Records:
        """The records of one shard of the index.

        Raises:
            Integrity: kind ``damaged-index``, if it is not a shard, or not as long as it says.
            InvalidState: kind ``newer-format``, if a newer Lineal wrote it.
        """
        if len(view) < HEAD.size or bytes(view[:4]) != MAGIC:
            raise damaged_index(f"shard {name} is damaged: its head is not a shard's")
        _magic, version, packs, count = HEAD.unpack_from(view)
        if version > VERSION:
            raise newer_format(f"index shard {name}", version)
        split = HEAD.size + 32 * packs
        if len(view) != split + RECORD.size * count:
            raise damaged_index(f"shard {name} is damaged: it is not as long as it says")
        return cls(view[split:], view[HEAD.size : split])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> bytes:
        start = index * RECORD.size
        return bytes(self._records[start : start + 32])

    def find(self, key: bytes) -> tuple[str, Place] | None:
        """The name of the pack that has the object, and its place there."""
        index = self._bisect(key)
        if index == self._count:
            return None
        found, pack, block, stored, start, length, kind = RECORD.unpack_from(self._records, index * RECORD.size)
        if found != key:
            return None
        return bytes(self._packs[32 * pack : 32 * pack + 32]).hex(), Place(block, stored, start, length, kind)

    def entries(self) -> Iterator[Entry]:
        """Every record, in the order of the keys."""
        size = RECORD.size
        for start in range(0, len(self._records), size):
            record = bytes(self._records[start : start + size])
            pack = 32 * int.from_bytes(record[32:36], "little")
            yield record[:32], bytes(self._packs[pack : pack + 32]), record[36:]

    def packs(self) -> Iterator[bytes]:
        """The raw names of the packs that these records point into."""
        return (bytes(self._packs[start : start + 32]) for start in range(0, len(self._packs), 32))

    def _bisect(self, key: bytes) -> int:
        """Keys are hashes, so their place is guessed from their value; a guess that fails costs a plain bisection."""
        guess = int.from_bytes(key[:4], "big") * self._count >> 32
        width = 16 + 4 * isqrt(self._count)
        low, high = max(0, guess - width), min(self._count, guess + width)
        index = bisect_left(self, key, low, high)
        if (index == low and low > 0) or (index == high and high < self._count):
            return bisect_left(self, key)
        return index


def encode_shard(entries: Iterable[Entry]) -> tuple[str, list[bytes]]:
    """A shard of entries that come in the order of their keys: its name, the BLAKE3 hex of its bytes, and those in pieces."""
    numbers: dict[bytes, int] = {}
    records = [key + numbers.setdefault(pack, len(numbers)).to_bytes(4, "little") + rest for key, pack, rest in entries]
    pieces = [HEAD.pack(MAGIC, VERSION, len(numbers), len(records)), b"".join(numbers), b"".join(records)]
    hasher = blake3()
    for piece in pieces:
        hasher.update(piece)
    return hasher.hexdigest(), pieces


def damaged_index(message: str) -> Integrity:
    """The error for an index that cannot be read."""
    return Integrity(message, kind="damaged-index", hint="Make it anew from the packs with: lineal fsck --rebuild")
