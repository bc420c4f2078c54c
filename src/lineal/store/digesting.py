"""The content id of a file that is not in the store, or may not be."""

from __future__ import annotations

from pathlib import Path

from blake3 import blake3

from lineal.records.digest import Digest, blake3_digest

_PIECE = 1 << 20


def file_digest(path: bytes | Path) -> Digest:
    """The content id of a file's bytes. Read, not mapped: a file that is cut meanwhile must not end this process. Raises OSError."""
    hasher = blake3()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
    return blake3_digest(hasher.digest())


def bytes_digest(data: bytes) -> Digest:
    """The content id of bytes."""
    return blake3_digest(blake3(data).digest())
