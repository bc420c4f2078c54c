"""Content ids: ``blake3:<64 hex>`` of the plain bytes, independent of how they are stored."""

from __future__ import annotations

import re
from typing import NewType

from lineal.errors import InvalidInput

Digest = NewType("Digest", str)
"""A typed digest in text form, such as ``blake3:af13…`` or, for tracked foreign sources, ``md5:…`` or ``etag:…``."""

EMPTY = Digest("blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
"""The content id of no bytes at all: of an empty file, and of a folder."""

_DIGEST = re.compile(r"(blake3:[0-9a-f]{64}|sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}|etag:.+)\Z")


def parse_digest(text: str) -> Digest:
    """The digest in ``text``.

    Raises:
        InvalidInput: kind ``bad-digest``, if it is not a typed digest of the right length.
    """
    if not _DIGEST.match(text):
        raise InvalidInput(f"{text!r} is not a digest", kind="bad-digest", hint="Digests look like blake3: and 64 hex digits.")
    return Digest(text)


def blake3_digest(raw: bytes) -> Digest:
    """The content id of a raw 32-byte BLAKE3 hash."""
    return Digest(f"blake3:{raw.hex()}")


def raw_hash(digest: Digest) -> bytes:
    """The 32 raw bytes behind a ``blake3:`` digest."""
    return bytes.fromhex(digest.removeprefix("blake3:"))


def short(digest: str, length: int = 8) -> str:
    """The first ``length`` hex digits, without the type, for people."""
    return digest.partition(":")[2][:length] if ":" in digest else digest[:length]
