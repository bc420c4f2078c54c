"""Small values that are swapped carry a checksum, so that a flipped byte is found and not followed."""

from __future__ import annotations

from blake3 import blake3

from lineal.errors import Integrity


def seal(body: bytes) -> bytes:
    """The value as it is kept: the body, a space, 16 hex digits of its BLAKE3, a line end."""
    return body + b" " + blake3(body).hexdigest(8).encode() + b"\n"


def unseal(sealed: bytes, *, name: str, kind: str, hint: str = "See what is left with: lineal fsck") -> bytes:
    """The body of a sealed value.

    Raises:
        Integrity: of the given kind, if it is not what its checksum says; ``name`` says of what.
    """
    body, _space, checksum = sealed.rstrip(b"\n").rpartition(b" ")
    if not body or blake3(body).hexdigest(8).encode() != checksum:
        raise Integrity(f"{name} is damaged: it does not match its checksum", kind=kind, hint=hint)
    return body
