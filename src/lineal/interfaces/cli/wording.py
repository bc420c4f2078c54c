"""Values as people read them: sizes, times, numbers, and texts that cannot disturb a terminal."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

DASH = "–"
SECOND = 1_000_000

_BARS = "▁▂▃▄▅▆▇█"


def size(count: int | None) -> str:
    """Bytes in decimal units.

    >>> [size(count) for count in (0, 999, 1500, 2_500_000_000)]
    ['0 B', '999 B', '1.5 kB', '2.5 GB']
    """
    if count is None:
        return DASH
    value, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{count} B" if units[0] == "B" else f"{value:.1f} {units[0]}" if value < 99.95 else f"{value:.0f} {units[0]}"


def duration(microseconds: int | None) -> str:
    """A stretch of time, to two places of the largest units.

    >>> [duration(s * 1_000_000) for s in (0, 59, 61, 3725, 90000)]
    ['0.0 s', '59.0 s', '1 min 1 s', '1 h 2 min', '1 d 1 h']
    """
    if microseconds is None:
        return DASH
    seconds = microseconds / SECOND
    if seconds < 60:
        return f"{seconds:.1f} s"
    steps = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    first = next(place for place, (_unit, length) in enumerate(steps) if seconds >= length)
    whole, rest = divmod(int(seconds), steps[first][1])
    following, length = steps[first + 1]
    return f"{whole} {steps[first][0]} {rest // length} {following}"


def ago(at: int | None, now: int) -> str:
    """How long ago a time was, both in microseconds UTC; beyond a month the date.

    >>> ago(1, 90 * SECOND + 1), ago(1, 2 * 86400 * SECOND + 1), ago(1, 90 * 86400 * SECOND)
    ('1 min ago', '2 days ago', '1970-01-01')
    """
    return _ago(at, (now - at) / SECOND) if at else DASH


def _ago(at: int, seconds: float) -> str:
    if seconds < 5:
        return "just now"
    if seconds > 30 * 86400:
        return day(at)
    for unit, length in (("day", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}s ago" if unit == "day" and count > 1 else f"{count} {unit} ago"
    return f"{int(seconds)} s ago"


def day(at: int) -> str:
    """The date of a time, UTC."""
    return datetime.fromtimestamp(at / SECOND, tz=UTC).strftime("%Y-%m-%d")


def moment(at: int | None) -> str:
    """A time to the second, UTC."""
    return datetime.fromtimestamp(at / SECOND, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else DASH


def number(value: float | None, digits: int = 4) -> str:
    """A number to so many significant digits; whole numbers whole.

    >>> [number(value) for value in (0.913437, 3, 12345.678, 1e-9, None)]
    ['0.9134', '3', '12346', '1e-09', '–']
    """
    if value is None:
        return DASH
    if isinstance(value, bool) or not isinstance(value, int | float):
        return visible(str(value))
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def value(item: Any) -> str:
    """A parameter's value; a missing one is a dash."""
    if item is None:
        return DASH
    if isinstance(item, bool):
        return str(item).lower()
    return number(item) if isinstance(item, int | float) else visible(str(item))


def visible(text: str) -> str:
    r"""The text on one line with nothing a terminal would act on: control characters and undecodable bytes are escaped.

    >>> print(visible("a\nb\x1b[31m\udcff"))
    a\nb\x1b[31m\xff
    """
    if text.isprintable():
        return text
    return "".join(item if item.isprintable() else _escaped(item) for item in text)


def _escaped(item: str) -> str:
    code = ord(item)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return item.encode("unicode_escape").decode()


def short_id(identifier: str) -> str:
    """The first eight characters of an id or of a digest's hex."""
    return identifier.rpartition(":")[2][:8]


def count(items: int, noun: str) -> str:
    """A number of things, in words.

    >>> count(1, "run"), count(2, "run"), count(12345, "file")
    ('1 run', '2 runs', '12,345 files')
    """
    return f"{items:,} {noun}" if items == 1 else f"{items:,} {noun}s"


def sparkline(counts: tuple[int, ...]) -> str:
    """A histogram in one line; an empty bin is a blank.

    >>> sparkline((0, 1, 4, 8))
    ' ▁▄█'
    """
    top = max(counts, default=0)
    return "".join(" " if not item else _BARS[min(7, math.ceil(item / top * 8) - 1)] for item in counts)
