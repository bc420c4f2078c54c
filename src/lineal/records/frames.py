"""Frames: how every append-only file of Lineal is cut, so that a torn end is told apart from damage.

A file is an 8-byte head (``LNLF``, one byte of file kind, one byte of version, two zero bytes), then frames: payload length and CRC-32 of the
payload, each as 4 little-endian bytes, then the payload. A frame cut short at the end of the file was being written when its writer died.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from lineal.errors import Integrity, InvalidState

MAGIC = b"LNLF"
HEAD_SIZE = 8
JOURNAL = 1
PREDICTIONS = 2
TRUTHS = 3
VERSION = 1
LARGEST_PAYLOAD = 64 * 1024 * 1024

_HEAD = struct.Struct("<4sBBH")
_FRAME = struct.Struct("<II")


def head(kind: int) -> bytes:
    """The 8 bytes that a file of ``kind`` begins with."""
    return _HEAD.pack(MAGIC, kind, VERSION, 0)


def frame(payload: bytes) -> bytes:
    """The payload as one frame."""
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def check_head(data: bytes, kind: int, name: str) -> bool:
    """Whether the head is whole; a shorter one is a file just begun.

    Raises:
        Integrity: kind ``damaged-journal``, if it is another kind of file.
        InvalidState: kind ``newer-format``, if a newer Lineal wrote it.
    """
    if len(data) < HEAD_SIZE:
        return False
    magic, found, version, _zero = _HEAD.unpack_from(data)
    if magic != MAGIC or found != kind:
        raise Integrity(f"{name} is not what its name says: its head is damaged", kind="damaged-journal", hint="See what is left with: lineal fsck")
    if version > VERSION:
        raise InvalidState(
            f"{name} has format {version}, made by a newer Lineal", kind="newer-format", hint="Upgrade with: pip install --upgrade lineal"
        )
    return True


def read_frames(data: bytes | memoryview, offset: int, name: str) -> Iterator[tuple[bytes, int]]:
    """The whole frames from ``offset`` on, each with the offset behind it; stops before a torn end.

    Args:
        data: the file's bytes from its beginning.
        offset: `HEAD_SIZE`, or an offset that an earlier reading gave.

    Raises:
        Integrity: kind ``damaged-journal``, if a frame's checksum is wrong although more frames follow it.
    """
    view = memoryview(data)
    while offset + _FRAME.size <= len(view):
        length, checksum = _FRAME.unpack_from(view, offset)
        end = offset + _FRAME.size + length
        if end > len(view) and length <= LARGEST_PAYLOAD:
            return
        payload = bytes(view[offset + _FRAME.size : end])
        if length > LARGEST_PAYLOAD or zlib.crc32(payload) != checksum:
            if end >= len(view) and length <= LARGEST_PAYLOAD:
                return
            raise Integrity(f"{name} is damaged at byte {offset}", kind="damaged-journal", hint="See what is left with: lineal fsck")
        yield payload, end
        offset = end


def last_frame(data: bytes) -> bytes:
    """The payload of the shortest sound frame that ``data``, the end of a file, ends with; empty where there is none in it."""
    for start in range(len(data) - _FRAME.size - 1, -1, -1):
        length, checksum = _FRAME.unpack_from(data, start)
        payload = data[start + _FRAME.size :]
        if length == len(payload) and zlib.crc32(payload) == checksum:
            return payload
    return b""
