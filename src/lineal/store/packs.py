"""Packs: about 64 MiB of compressed blocks in one file that is never changed, with the places of its objects at its end.

docs/design/formats.md, "Store", gives every byte.
"""

from __future__ import annotations

import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate

import zstandard
from blake3 import blake3

from lineal.errors import Integrity, InvalidState

MAGIC = b"LNLP"
VERSION = 1
BLOCK_SIZE = 128 * 1024
PACK_SIZE = 64 * 1024 * 1024
LEVEL = 1
RAW, ZSTD = 0, 1

CHUNK = 0
"""An object whose key is the BLAKE3 of its bytes."""
LIST = 1
"""An object whose key is the content id of a longer content: it says which chunks that is made of."""

HEAD = struct.Struct("<4sB3x")
BLOCK = struct.Struct("<B3xI")
RECORD = struct.Struct("<32sIIIIII")
TRAILER = struct.Struct("<QQ16s4sI")

_WORTH = 0.97  # a block that shrinks by less is kept raw, so that reading it costs nothing
_PROBE = 16 * 1024
_BLOCKS_A_JOB = 8
_WAITING_JOBS = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is inside one pack.

    Attributes:
        block: offset of its block in the pack; stored: bytes of that block with its head.
        start, length: where its bytes are in the plain block.
        kind: `CHUNK` or `LIST`.
    """

    block: int
    stored: int
    start: int
    length: int
    kind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack that is ready to be written.

    Attributes:
        name: BLAKE3 hex of the whole file; pieces: its bytes in order; objects: how many it has.
    """

    name: str
    pieces: tuple[bytes, ...]
    objects: int

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return sum(map(len, self.pieces))


def pack_key(name: str) -> str:
    """Where a pack lies in the store."""
    return f"packs/{name[:2]}/{name}.pack"


class PackBuilder:
    """Collects objects into blocks and blocks into one pack, in memory. Not thread safe; full blocks are compressed by ``workers``, several at once."""

    def __init__(self, workers: Callable[[], ThreadPoolExecutor]) -> None:
        self._workers = workers
        self._objects: dict[bytes, tuple[int, int, int, int]] = {}
        self._open = bytearray()
        self._full: list[bytearray] = []
        self._jobs: deque[Future[list[bytes]]] = deque()
        self._blocks: list[bytes] = []
        self._count = 0
        self._stored = 0

    def __contains__(self, key: bytes) -> bool:
        return key in self._objects

    @property
    def stored(self) -> int:
        """How many bytes the pack has for certain; those that are being compressed do not count yet."""
        return self._stored

    def kind(self, key: bytes) -> int | None:
        """The kind of an object that was added, or None."""
        found = self._objects.get(key)
        return None if found is None else found[3]

    def add(self, key: bytes, data: bytes | memoryview, kind: int) -> None:
        """Takes an object in; its bytes are copied. The caller has made sure that it is not in already."""
        self._objects[key] = (self._count, len(self._open), len(data), kind)
        self._open += data
        if len(self._open) >= BLOCK_SIZE:
            self._close_block()
            if len(self._full) >= _BLOCKS_A_JOB:
                self._submit()
                self._settle(_WAITING_JOBS)

    def get(self, key: bytes) -> bytes:
        """The bytes of an object that was added."""
        block, start, length, _kind = self._objects[key]
        if block == self._count:
            return bytes(self._open[start : start + length])
        self._submit()
        self._settle(0)
        return bytes(decode_block(self._blocks[block], "a pack in memory")[start : start + length])

    def finish(self) -> Pack | None:
        """The pack of everything that was added, or None if that is nothing."""
        if not self._objects:
            return None
        if next(reversed(self._objects.values()))[0] == self._count:  # the open block has objects, be they all empty
            self._close_block()
        self._submit()
        self._settle(0)
        pieces = [HEAD.pack(MAGIC, VERSION), *self._blocks]
        offsets = list(accumulate(map(len, pieces)))
        footer = b"".join(
            RECORD.pack(key, 0, offsets[block], len(pieces[block + 1]), start, length, kind)
            for key, (block, start, length, kind) in sorted(self._objects.items())
        )
        trailer = TRAILER.pack(offsets[-1], len(self._objects), blake3(footer).digest(16), MAGIC, VERSION)
        pieces += [footer, trailer]
        hasher = blake3()
        for piece in pieces:
            hasher.update(piece)
        return Pack(name=hasher.hexdigest(), pieces=tuple(pieces), objects=len(self._objects))

    def _close_block(self) -> None:
        self._full.append(self._open)
        self._open = bytearray()
        self._count += 1

    def _submit(self) -> None:
        """Hands full blocks over; a few are not worth a thread."""
        if not self._full:
            return
        if len(self._full) < _BLOCKS_A_JOB and not self._jobs:
            self._keep(encode_blocks(self._full))
        else:
            self._jobs.append(self._workers().submit(encode_blocks, self._full))
        self._full = []

    def _settle(self, waiting: int) -> None:
        """Takes over what is compressed until at most ``waiting`` jobs are left, which bounds the plain bytes that are held."""
        while len(self._jobs) > waiting:
            self._keep(self._jobs.popleft().result())

    def _keep(self, blocks: list[bytes]) -> None:
        self._blocks += blocks
        self._stored += sum(map(len, blocks))


def encode_blocks(plain: Iterable[bytes | bytearray]) -> list[bytes]:
    """Blocks as they are stored, in the same order."""
    return [encode_block(block) for block in plain]


def encode_block(plain: bytes | bytearray) -> bytes:
    """A block as it is stored: compressed where that pays."""
    if len(plain) > 4 * _PROBE:
        middle = len(plain) // 2
        probe = plain[middle : middle + _PROBE]
        if len(_compressor().compress(probe)) > _WORTH * len(probe):
            return BLOCK.pack(RAW, len(plain)) + plain
    packed = _compressor().compress(plain)
    if len(packed) > _WORTH * len(plain):
        return BLOCK.pack(RAW, len(plain)) + plain
    return BLOCK.pack(ZSTD, len(plain)) + packed


def decode_block(stored: bytes | memoryview, name: str) -> bytes:
    """The plain bytes of a block.

    Raises:
        Integrity: kind ``damaged-pack``, if they cannot be had; ``name`` says of which pack.
    """
    try:
        codec, size = BLOCK.unpack_from(stored)
        body = memoryview(stored)[BLOCK.size :]
        if codec == RAW:
            plain = bytes(body)
        elif codec == ZSTD and zstandard.frame_content_size(body) == size:
            plain = zstandard.ZstdDecompressor().decompress(body, max_output_size=size)
        else:
            raise damaged_pack(name, "a block's head does not fit its body")
    except (struct.error, zstandard.ZstdError) as error:
        raise damaged_pack(name, str(error)) from error
    if len(plain) != size:
        raise damaged_pack(name, "a block is shorter than it says")
    return plain


def read_footer(view: memoryview, name: str, *, start: int = 0) -> memoryview:
    """The records at the end of a pack, in the order of their keys.

    Args:
        start: where in the pack the view begins, if it is of its end only.

    Raises:
        Integrity: kind ``damaged-pack``, if the footer is not what its checksum says.
        InvalidState: kind ``newer-format``, if a newer Lineal wrote it.
    """
    if start + len(view) < HEAD.size + TRAILER.size:
        raise damaged_pack(name, "it is cut short")
    offset, count, checksum, magic, version = TRAILER.unpack_from(view, len(view) - TRAILER.size)
    if magic != MAGIC:
        raise damaged_pack(name, "its end is not a pack's")
    if version > VERSION:
        raise newer_format(f"pack {name}", version)
    offset -= start
    footer = view[offset : offset + count * RECORD.size]
    if offset < 0 or offset + count * RECORD.size + TRAILER.size != len(view) or blake3(footer).digest(16) != checksum:
        raise damaged_pack(name, "its list of objects does not match its checksum")
    return footer


def damaged_pack(name: str, reason: str) -> Integrity:
    """The error for a pack that cannot be read."""
    return Integrity(f"pack {name} is damaged: {reason}", kind="damaged-pack", hint="See what it held with: lineal fsck")


def newer_format(what: str, version: int) -> InvalidState:
    """The error for a file that a newer Lineal wrote."""
    return InvalidState(
        f"{what} has format {version}, made by a newer Lineal; this one reads up to {VERSION}",
        kind="newer-format",
        hint="Upgrade with: pip install --upgrade lineal",
    )


_local = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    """This thread's compressor: making one costs more than a small block."""
    found: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if found is None:
        found = _local.compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    return found
