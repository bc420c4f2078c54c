"""Cuts bytes where their content says so, so that an insertion moves no cut but those beside it.

Source: Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

SMALLEST = 16 * 1024
AVERAGE = 64 * 1024
LARGEST = 256 * 1024
WHOLE = 64 * 1024
"""Contents below this are one chunk."""

BUFFER = 4 * 1024 * 1024


def split(read_into: Callable[[memoryview], int]) -> Iterator[memoryview]:
    """The chunks of a stream, in order; their join is the stream.

    Args:
        read_into: fills the buffer it is given from its beginning, and says how many bytes it wrote; 0 at the end.

    Yields:
        Views of one reused buffer: each is valid until the next is asked for.
    """
    from pyfastcdc import FastCDC  # typing_extensions behind it costs start-up time

    cutter = FastCDC(AVERAGE, min_size=SMALLEST, max_size=LARGEST)
    buffer = memoryview(bytearray(BUFFER))
    filled = 0
    ended = False
    while not ended:
        filled, ended = _fill(buffer, filled, read_into)
        start = 0
        for chunk in cutter.cut_buf(buffer[:filled]):
            end = start + chunk.length
            if end == filled and not ended:
                break  # the buffer's end is no cut
            yield buffer[start:end]
            start = end
        buffer[: filled - start] = buffer[start:filled]
        filled -= start


def split_bytes(data: bytes) -> Iterator[memoryview]:
    """The chunks of bytes in memory."""
    position = 0

    def read_into(buffer: memoryview) -> int:
        nonlocal position
        part = data[position : position + len(buffer)]
        buffer[: len(part)] = part
        position += len(part)
        return len(part)

    return split(read_into)


def _fill(buffer: memoryview, filled: int, read_into: Callable[[memoryview], int]) -> tuple[int, bool]:
    while filled < len(buffer):
        got = read_into(buffer[filled:])
        if not got:
            return filled, True
        filled += got
    return filled, False
