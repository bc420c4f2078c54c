"""Identifiers. Randomness and time come in as arguments, so that the rules are testable."""

from __future__ import annotations

import re

RUN_ID = re.compile(r"[0-9a-f]{32}\Z")
RUN_PREFIX = re.compile(r"[0-9a-f]{4,32}\Z")


def run_id(entropy: bytes) -> str:
    """A run's id: 32 random lowercase hex digits (MLflow's shape) from 16 bytes of entropy."""
    if len(entropy) != 16:
        raise ValueError(f"a run id takes 16 random bytes, got {len(entropy)}")
    return entropy.hex()


def uuid7(now_us: int, entropy: bytes) -> str:
    """A UUIDv7 in text form: sorts by time, to the millisecond and within it by microseconds.

    Args:
        now_us: microseconds since the epoch, UTC.
        entropy: 8 random bytes.

    Source: RFC 9562, section 5.7; the 12 bits of ``rand_a`` carry the microseconds (method 3 of section 6.2).

    >>> uuid7(1_700_000_000_000_000, bytes(8))
    '018bcfe5-6800-7000-8000-000000000000'
    """
    milliseconds, microseconds = divmod(now_us, 1000)
    fraction = microseconds * 4096 // 1000
    tail = int.from_bytes(entropy[:8], "big") & ((1 << 62) - 1)
    value = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid7_time_us(identifier: str) -> int:
    """The time inside a UUIDv7, in microseconds UTC, exact to the millisecond."""
    return int(identifier.replace("-", "")[:12], 16) * 1000
