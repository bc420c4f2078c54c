"""Contents of any length: one chunk, or a list of chunks that is itself kept in pieces, cut where the chunks' hashes say so.

A content's id is the BLAKE3 of its plain bytes, however they are cut.
"""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from blake3 import blake3

from lineal.errors import Integrity
from lineal.store.chunking import WHOLE, ReadInto, reader_of, windows
from lineal.store.objects import Objects
from lineal.store.packs import CHUNK, LIST

CHILD = struct.Struct("<32sQ")
ROOT = struct.Struct("<QB7x32s16s")

FEWEST, MOST = 16, 1024
_BOUNDARY = 0x7F

Part = tuple[bytes, int]
"""The key of a chunk or of a piece of the list, and how many plain bytes it stands for."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What a content id leads to.

    Attributes:
        depth: -1 where it is one chunk; 0 where ``key`` is a piece of the list that names chunks; else the levels of pieces above those.
    """

    key: bytes
    size: int
    depth: int


def put_bytes(objects: Objects, data: bytes, *, meta: bool = False) -> tuple[bytes, int]:
    """Stores a content; returns its id, and the plain bytes that were new. ``meta`` is whether it is a commit or a tree node."""
    identity = blake3(data).digest()
    if len(data) < WHOLE:
        return identity, len(data) * objects.put(identity, data, meta=meta)
    if objects.kind(identity) is not None:
        return identity, 0
    with objects.batch():
        parts, new = _put_chunks(objects, reader_of(data), lambda _part: None)
        _put_list(objects, identity, parts)
    return identity, new


def put_stream(objects: Objects, read_into: ReadInto) -> tuple[bytes, int, int]:
    """Stores a content that is read once, inside a batch; returns its id, its size, and the plain bytes that were new."""
    hasher = blake3()
    parts, new = _put_chunks(objects, read_into, hasher.update)
    identity = hasher.digest()
    _put_list(objects, identity, parts)
    return identity, sum(size for _key, size in parts), new


def extent(objects: Objects, identity: bytes) -> Extent:
    """What the content id leads to.

    Raises:
        Integrity: kind ``missing-content``, ``damaged-pack`` or ``damaged-content``.
    """
    kind, data = objects.get(identity)
    return Extent(identity, len(data), -1) if kind == CHUNK else _listed(identity, data)


def pieces(objects: Objects, identity: bytes) -> Iterator[bytes]:
    """The content's bytes in order, piece by piece; each is compared with its own hash, the whole is not. Raises as `extent` does."""
    kind, data = objects.get(identity)
    if kind == CHUNK:
        yield data
        return
    for _offset, chunk in chunks_of(objects, _listed(identity, data)):
        yield chunk


def chunks_of(objects: Objects, found: Extent, *, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """The chunks of a content from the one that holds byte ``start`` on, each with the offset it begins at."""
    if found.depth < 0:
        yield 0, objects.get(found.key)[1]
        return
    yield from _walk(objects, (found.key, found.size), found.depth, (0, start))


def keys_of(objects: Objects, identity: bytes) -> Iterator[bytes]:
    """The keys of all objects behind a content: its chunks, and the pieces of the list that names them, which are read."""
    if objects.kind(identity) != LIST:
        return
    found = extent(objects, identity)
    waiting = [(found.key, found.depth)]
    while waiting:
        key, depth = waiting.pop()
        yield key
        if depth >= 0:
            waiting += [(child, depth - 1) for child, _size in CHILD.iter_unpack(objects.get(key)[1])]


def is_intact(kind: int, key: bytes, data: bytes) -> bool:
    """Whether an object's bytes are what was written."""
    if kind == CHUNK:
        return blake3(data).digest() == key
    return len(data) == ROOT.size and blake3(data[: ROOT.size - 16]).digest(16) == data[ROOT.size - 16 :]


def read(objects: Objects, identity: bytes) -> bytes:
    """The whole content, compared with its id."""
    kind, data = objects.get(identity)
    if kind == CHUNK:
        return data
    data = b"".join(chunk for _offset, chunk in chunks_of(objects, _listed(identity, data)))
    if blake3(data).digest() != identity:
        raise _damaged(identity)
    return data


def read_range(objects: Objects, identity: bytes, start: int, stop: int) -> bytes:
    """The content's bytes from ``start`` up to ``stop`` or its end; only the chunks they lie in are read."""
    found = extent(objects, identity)
    stop = min(stop, found.size)
    parts: list[bytes] = []
    if start < stop:
        for offset, chunk in chunks_of(objects, found, start=start):
            parts.append(chunk[max(0, start - offset) : stop - offset])
            if offset + len(chunk) >= stop:
                break
    return parts[0] if len(parts) == 1 else b"".join(parts)


class ContentReader(io.RawIOBase):
    """A content as a seekable file that reads only the chunks it needs. Not thread safe."""

    def __init__(self, objects: Objects, identity: bytes) -> None:
        self._objects = objects
        self._extent = extent(objects, identity)
        self._position = 0
        self._chunk: tuple[int, bytes] = (0, b"")
        self._following: Iterator[tuple[int, bytes]] = iter(())

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The offset that is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves to an offset, which may lie beyond the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._extent.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Reads up to the end of the chunk at the position."""
        if self._position >= self._extent.size:
            return 0
        offset, chunk = self._at_position()
        start = self._position - offset
        part = memoryview(chunk)[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def readall(self) -> bytes:
        """Everything from the position on."""
        parts = []
        while self._position < self._extent.size:
            offset, chunk = self._at_position()
            parts.append(chunk[self._position - offset :])
            self._position = offset + len(chunk)
        return b"".join(parts)

    def read_at(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop`` or the end, in one piece; the position is then behind them."""
        self._position = start
        stop = min(stop, self._extent.size)
        parts = []
        while self._position < stop:
            offset, chunk = self._at_position()
            parts.append(chunk[self._position - offset : stop - offset])
            self._position += len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _at_position(self) -> tuple[int, bytes]:
        """The chunk that holds the position; the one behind the last needs no looking up."""
        offset, chunk = self._chunk
        if offset <= self._position < offset + len(chunk):
            return self._chunk
        found = next(self._following, None) if self._position == offset + len(chunk) else None
        if found is None:
            self._following = chunks_of(self._objects, self._extent, start=self._position)
            found = next(self._following)
        self._chunk = found
        return found


def _put_chunks(objects: Objects, read_into: ReadInto, see: Callable[[memoryview], object]) -> tuple[list[Part], int]:
    """Cuts a stream and stores its chunks; ``see`` is shown every byte in order."""
    parts: list[Part] = []
    new = 0
    for window in windows(read_into, objects.buffers):
        view = window.buffer.view
        see(view[: window.ends[-1] if window.ends else 0])
        starts = (0, *window.ends)
        keys = [blake3(view[start:end]).digest() for start, end in zip(starts, window.ends, strict=False)]
        new += objects.put_run(window.buffer, list(zip(keys, starts, window.ends, strict=False)))
        parts += [(key, end - start) for key, start, end in zip(keys, starts, window.ends, strict=False)]
    return parts, new


def _put_list(objects: Objects, identity: bytes, parts: list[Part]) -> None:
    """Stores the list of a content's chunks, unless the content is one chunk."""
    size = sum(length for _key, length in parts)
    if not parts:
        objects.put(identity, b"")
        return
    if len(parts) == 1:
        return
    depth = -1
    while len(parts) > 1:
        parts = [_put_piece(objects, piece) for piece in _pieces(parts)]
        depth += 1
    body = _pack_root(size, depth, parts[0][0])
    objects.put(identity, body, LIST)


def _put_piece(objects: Objects, children: list[Part]) -> Part:
    data = b"".join(CHILD.pack(key, size) for key, size in children)
    key = blake3(data).digest()
    objects.put(key, data)
    return key, sum(size for _key, size in children)


def _pieces(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Cuts behind children whose hash says so, so that an inserted chunk moves no cut but those beside it."""
    piece: list[Part] = []
    for part in parts:
        piece.append(part)
        if len(piece) >= MOST or (len(piece) >= FEWEST and not part[0][31] & _BOUNDARY):
            yield piece
            piece = []
    if piece:
        yield piece


def _walk(objects: Objects, node: Part, depth: int, window: tuple[int, int]) -> Iterator[tuple[int, bytes]]:
    """The chunks below a piece; ``window`` is the offset it begins at, and the first byte that is wanted."""
    offset, start = window
    children = list(CHILD.iter_unpack(objects.get(node[0])[1]))
    ends = []
    end = offset
    for _key, size in children:
        end += size
        ends.append(end)
    for place in range(bisect_right(ends, start), len(children)):
        key, size = children[place]
        begin = ends[place] - size
        if depth:
            yield from _walk(objects, (key, size), depth - 1, (begin, start))
        else:
            yield begin, objects.get(key)[1]


def _pack_root(size: int, depth: int, key: bytes) -> bytes:
    body = ROOT.pack(size, depth, key, bytes(16))[: ROOT.size - 16]
    return body + blake3(body).digest(16)


def _listed(identity: bytes, root: bytes) -> Extent:
    if len(root) != ROOT.size or blake3(root[: ROOT.size - 16]).digest(16) != root[ROOT.size - 16 :]:
        raise _damaged(identity)
    size, depth, key, _checksum = ROOT.unpack(root)
    return Extent(key, size, depth)


def _damaged(identity: bytes) -> Integrity:
    return Integrity(f"blake3:{identity.hex()} is damaged in the store", kind="damaged-content", hint="See what else is with: lineal fsck")
