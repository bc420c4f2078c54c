"""Packs: about 64 MiB of compressed blocks in one file that is never changed, with the places of its objects at its end.

docs/design/formats.md, "Store", gives every byte.
"""

from __future__ import annotations

import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate

import zstandard
from blake3 import blake3

from lineal.errors import Integrity, InvalidState, LinealError
from lineal.store.buffers import Buffer

MAGIC = b"LNLP"
VERSION = 2
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
_READ = 8 * 1024 * 1024
_RAW_STRETCH = 16
_BLOCKS_A_JOB = 8
_WAITING_JOBS = 4


Piece = bytes | memoryview


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
        name: as `pack_name` gives it; pieces: its bytes in order; objects: how many it has.
    """

    name: str
    pieces: tuple[Piece, ...]
    objects: int

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return sum(map(len, self.pieces))


def pack_key(name: str) -> str:
    """Where a pack lies in the store."""
    return f"packs/{name[:2]}/{name}.pack"


Span = tuple[bytes, int, int]
"""The key of a chunk, and where it begins and ends in a buffer."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it is stored: a head and a body, which is the plain bytes themselves where it is raw."""

    head: bytes
    body: Piece
    raw: bool

    def __len__(self) -> int:
        return len(self.head) + len(self.body)


@dataclass(slots=True)
class _Job:
    """Blocks that are being compressed, or are done.

    Attributes:
        buffer: holds their plain bytes.
    """

    done: Callable[[], list[Block]]
    buffer: Buffer | None = None


class PackBuilder:
    """Collects objects into blocks and blocks into one pack, in memory. Not thread safe; full blocks are compressed by ``workers``, several at once.

    Small objects are gathered, neighbours in one block; chunks of long contents are compressed where they lie, and only kept where that does not
    pay. After a stretch of those, few blocks are tried.
    """

    def __init__(self, workers: Callable[[], ThreadPoolExecutor]) -> None:
        self._workers = workers
        self._objects: dict[bytes, tuple[int, int, int, int]] = {}
        self._open: dict[bytes, tuple[bytes, int]] = {}
        self._open_size = 0
        self._full: list[bytes] = []
        self._jobs: deque[_Job] = deque()
        self._held: list[Buffer] = []
        self._blocks: list[Block] = []
        self._count = 0
        self._stored = 0
        self._raw_ones = 0

    def __contains__(self, key: bytes) -> bool:
        return self.kind(key) is not None

    def __len__(self) -> int:
        return len(self._objects) + len(self._open)

    @property
    def stored(self) -> int:
        """How many bytes the pack has for certain; those that are being compressed do not count yet."""
        return self._stored

    def kind(self, key: bytes) -> int | None:
        """The kind of an object that was added, or None."""
        found = self._objects.get(key)
        if found is not None:
            return found[3]
        waiting = self._open.get(key)
        return None if waiting is None else waiting[1]

    def add(self, key: bytes, data: bytes | memoryview, kind: int) -> None:
        """Takes an object in; its bytes are copied. The caller has made sure that it is not in already."""
        self._open[key] = (bytes(data), kind)
        self._open_size += len(data)
        if self._open_size >= BLOCK_SIZE:
            self._close_block()
            if len(self._full) >= _BLOCKS_A_JOB:
                self._submit()
                self._settle(_WAITING_JOBS)

    def add_run(self, buffer: Buffer, run: Sequence[Span]) -> None:
        """Takes in chunks that lie in a buffer one behind the other; it is held for as long as their bytes are needed."""
        if not run:
            return
        self._submit()
        blocks = list(self._blocks_of(buffer.view, run))
        buffer.hold()
        if self._raw_ones >= _RAW_STRETCH and _is_raw(blocks[0]):
            raw = [_raw_block(block) for block in blocks]
            self._jobs.append(_Job(lambda: raw, buffer))
        else:
            self._jobs.append(_Job(self._workers().submit(self._encoder, blocks).result, buffer))
        self._settle(_WAITING_JOBS)

    def get(self, key: bytes) -> bytes:
        """The bytes of an object that was added."""
        if key in self._open:
            return self._open[key][0]
        block, start, length, _kind = self._objects[key]
        self._submit()
        self._settle(0)
        found = self._blocks[block]
        return decode_block(b"".join((found.head, found.body)), "a pack in memory")[start : start + length]

    def finish(self) -> Pack | None:
        """The pack of everything that was added, or None if that is nothing. Its pieces are good until `release`."""
        self._close_block()
        self._submit()
        self._settle(0)
        if not self._objects:
            return None
        head = HEAD.pack(MAGIC, VERSION)
        offsets = list(accumulate(map(len, self._blocks), initial=len(head)))
        footer = b"".join(
            RECORD.pack(key, 0, offsets[block], len(self._blocks[block]), start, length, kind)
            for key, (block, start, length, kind) in sorted(self._objects.items())
        )
        trailer = TRAILER.pack(offsets[-1], len(self._objects), blake3(footer).digest(16), MAGIC, VERSION)
        lists = {block for block, _start, _length, kind in self._objects.values() if kind != CHUNK}
        hasher = blake3(head)
        for place, block in enumerate(self._blocks):
            hasher.update(block.head)
            if not block.raw or place in lists:
                hasher.update(block.body)
        hasher.update(footer).update(trailer)
        pieces = (head, *(piece for block in self._blocks for piece in (block.head, block.body)), footer, trailer)
        return Pack(name=hasher.hexdigest(), pieces=pieces, objects=len(self._objects))

    def release(self) -> None:
        """Lets go of the buffers in which the pack's bytes lie."""
        for buffer in self._held:
            buffer.drop()
        self._held = []

    def _blocks_of(self, view: memoryview, run: Sequence[Span]) -> Iterator[memoryview]:
        start = run[0][1]
        for key, begin, end in run:
            self._objects[key] = (self._count, begin - start, end - begin, CHUNK)
            if end - start >= BLOCK_SIZE or end == run[-1][2]:
                yield view[start:end]
                self._count += 1
                start = end

    def _close_block(self) -> None:
        if not self._open:
            return
        start = 0
        for key, (data, kind) in self._open.items():
            self._objects[key] = (self._count, start, len(data), kind)
            start += len(data)
        self._full.append(b"".join([data for data, _kind in self._open.values()]))
        self._open = {}
        self._open_size = 0
        self._count += 1

    def _submit(self) -> None:
        """Hands full blocks over; a few are not worth a thread."""
        if not self._full:
            return
        full, self._full = self._full, []
        if len(full) < _BLOCKS_A_JOB and not self._jobs:
            done = self._encoder(full)
            self._jobs.append(_Job(lambda: done))
        else:
            self._jobs.append(_Job(self._workers().submit(self._encoder, full).result))

    @property
    def _encoder(self) -> Callable[[Iterable[Piece]], list[Block]]:
        """Trying a piece of each block first costs an eighth of compressing it: only done where the last ones did not shrink."""
        return encode_doubtful_blocks if self._raw_ones else encode_blocks

    def _settle(self, waiting: int) -> None:
        """Takes over what is compressed until at most ``waiting`` jobs are left, which bounds the plain bytes that are held."""
        while len(self._jobs) > waiting:
            job = self._jobs.popleft()
            blocks = job.done()
            self._blocks += blocks
            self._stored += sum(map(len, blocks))
            all_raw = all(block.raw for block in blocks)
            self._raw_ones = self._raw_ones + len(blocks) if all_raw else 0
            if job.buffer is not None:
                if any(block.raw for block in blocks):
                    self._held.append(job.buffer)
                else:
                    job.buffer.drop()


def encode_blocks(plain: Iterable[Piece]) -> list[Block]:
    """Blocks as they are stored, in the same order."""
    return [encode_block(block) for block in plain]


def encode_doubtful_blocks(plain: Iterable[Piece]) -> list[Block]:
    """As `encode_blocks`, for blocks that will likely not shrink."""
    return [_raw_block(block) if len(block) > 4 * _PROBE and _is_raw(block) else encode_block(block) for block in plain]


def encode_block(plain: Piece) -> Block:
    """A block as it is stored: compressed where that pays."""
    packed = _compressor().compress(plain)
    if len(packed) > _WORTH * len(plain):
        return _raw_block(plain)
    return Block(BLOCK.pack(ZSTD, len(plain)), packed, raw=False)


def _is_raw(plain: Piece) -> bool:
    """Whether a piece from the middle does not shrink."""
    middle = len(plain) // 2
    probe = plain[middle : middle + _PROBE]
    return len(_compressor().compress(probe)) > _WORTH * len(probe)


def _raw_block(plain: Piece) -> Block:
    return Block(BLOCK.pack(RAW, len(plain)), plain, raw=True)


MOST_PLAIN = 64 << 20
"""No block is larger, as no pack is: memory for what a stranger's block says of itself is not set aside."""


def decode_block(stored: bytes | memoryview, name: str) -> bytes:
    """The plain bytes of a block.

    Raises:
        Integrity: kind ``damaged-pack``, if they cannot be had; ``name`` says of which pack.
    """
    try:
        codec, size = BLOCK.unpack_from(stored)
        body = memoryview(stored)[BLOCK.size :]
        if size > MOST_PLAIN:
            raise damaged_pack(name, "a block says that it is larger than any")
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
        raise newer_format(f"pack {name}", version, newest=VERSION)
    offset -= start
    footer = view[offset : offset + count * RECORD.size]
    if offset < 0 or offset + count * RECORD.size + TRAILER.size != len(view) or blake3(footer).digest(16) != checksum:
        raise damaged_pack(name, "its list of objects does not match its checksum")
    return footer


def is_sound(view: memoryview, name: str) -> bool:
    """Whether every byte of a pack is what it was. The name of a pack of version 1 is the hash of all of it, else see docs/design/formats.md."""
    if len(view) > HEAD.size and view[4] == 1:
        hasher = blake3()
        for start in range(0, len(view), _READ):
            hasher.update(view[start : start + _READ])
        return hasher.hexdigest() == name
    try:
        return _name_of(view, read_footer(view, name)) == name
    except (LinealError, struct.error):
        return False


def _name_of(view: memoryview, footer: memoryview) -> str:
    """The name that a pack should have; an empty string if it has a raw block whose chunks are not what they were."""
    blocks: dict[int, list[tuple[int, int, bytes, int]]] = {}
    ends: dict[int, int] = {}
    for key, _pack, block, stored, start, length, kind in RECORD.iter_unpack(footer):
        blocks.setdefault(block, []).append((start, length, key, kind))
        ends[block] = block + stored
    hasher = blake3(view[: HEAD.size])
    at = HEAD.size
    for block in sorted(blocks):
        if block != at:
            return ""
        at = ends[block]
        if view[block] == RAW and all(item[3] == CHUNK for item in blocks[block]):
            hasher.update(view[block : block + BLOCK.size])
            if not _are_chunks(view[block + BLOCK.size : at], sorted(blocks[block])):
                return ""
        else:
            hasher.update(view[block:at])
    return hasher.update(view[at:]).hexdigest()


def _are_chunks(plain: memoryview, items: Iterable[tuple[int, int, bytes, int]]) -> bool:
    """Whether bytes are the chunks that are said to be in them, one behind the other."""
    at = 0
    for start, length, key, _kind in items:
        if start != at or blake3(plain[start : start + length]).digest() != key:
            return False
        at += length
    return at == len(plain)


def damaged_pack(name: str, reason: str) -> Integrity:
    """The error for a pack that cannot be read."""
    return Integrity(f"pack {name} is damaged: {reason}", kind="damaged-pack", hint="See what it held with: lineal fsck")


def newer_format(what: str, version: int, *, newest: int = 1) -> InvalidState:
    """The error for a file that a newer Lineal wrote; ``newest`` is the last version that this one reads."""
    return InvalidState(
        f"{what} has format {version}, made by a newer Lineal; this one reads up to {newest}",
        kind="newer-format",
        hint="Upgrade with: pip install --upgrade lineal",
    )


_local = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    """This thread's compressor: making one costs more than a small block.

    Level 1 with a smaller table and longer matches: a tenth to a third faster on tables and labels, which get no larger by it; programs do, by a
    twentieth.
    """
    found: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if found is None:
        settings = zstandard.ZstdCompressionParameters.from_level(LEVEL, source_size=BLOCK_SIZE, hash_log=12, min_match=7)
        found = _local.compressor = zstandard.ZstdCompressor(compression_params=settings)
    return found
