"""Cuts bytes where their content says so, so that an insertion moves no cut but those beside it.

Source: Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from lineal.store.buffers import SIZE, Buffer, Buffers

SMALLEST = 16 * 1024
AVERAGE = 64 * 1024
LARGEST = 256 * 1024
WHOLE = 64 * 1024
"""Contents below this are one chunk."""

BUFFER = SIZE

ReadInto = Callable[[memoryview], int]
"""Fills the buffer it is given from its beginning, and says how many bytes it wrote; 0 at the end."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a stream in a buffer, cut into chunks.

    Attributes:
        buffer: where the bytes are, from its beginning; whoever needs them longer than until the next window is asked for holds it.
        ends: where each chunk ends; the first begins at 0, each other where the one before ends.
    """

    buffer: Buffer
    ends: Sequence[int]


def windows(read_into: ReadInto, buffers: Buffers) -> Iterator[Window]:
    """The chunks of a stream, in order and by the buffer; their join is the stream. There is at least one window, which may be empty."""
    from pyfastcdc import FastCDC  # typing_extensions behind it costs start-up time

    cutter = FastCDC(AVERAGE, min_size=SMALLEST, max_size=LARGEST)
    buffer = buffers.take()
    filled, ended = _fill(buffer.view, 0, read_into)
    while True:
        ends = list(accumulate(chunk.length for chunk in cutter.cut_buf(buffer.view[:filled]))) if filled else []
        if not ended:
            ends.pop()  # the buffer's end is no cut
        yield Window(buffer, ends)
        if ended:
            buffer.drop()
            return
        rest = buffer.view[ends[-1] : filled]
        following = buffers.take()
        following.view[: len(rest)] = rest
        buffer.drop()
        buffer = following
        filled, ended = _fill(buffer.view, len(rest), read_into)


def reader_of(data: bytes | memoryview) -> ReadInto:
    """Reads bytes that are in memory."""
    position = 0
    view = memoryview(data)

    def read_into(buffer: memoryview) -> int:
        nonlocal position
        part = view[position : position + len(buffer)]
        buffer[: len(part)] = part
        position += len(part)
        return len(part)

    return read_into


def split_bytes(data: bytes) -> Iterator[bytes]:
    """The chunks of bytes in memory."""
    for window in windows(reader_of(data), Buffers()):
        start = 0
        for end in window.ends:
            yield bytes(window.buffer.view[start:end])
            start = end


def _fill(buffer: memoryview, filled: int, read_into: ReadInto) -> tuple[int, bool]:
    while filled < len(buffer):
        got = read_into(buffer[filled:])
        if not got:
            return filled, True
        filled += got
    return filled, False
