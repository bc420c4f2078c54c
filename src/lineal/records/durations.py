"""Spans of time as people write them: ``90s``, ``30m``, ``12h``, ``14d``, ``2w``."""

from __future__ import annotations

import re

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw]?)\s*\Z")


_PARTS = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+\Z")


def parse_span(text: str) -> float | None:
    """The seconds in a text of one or several parts with units; None where it is none.

    >>> parse_span("1h30m"), parse_span("7d"), parse_span("90"), parse_span("soon")
    (5400.0, 604800.0, None, None)
    """
    if not _PARTS.match(text):
        return None
    return sum(parse_duration(part) for part in re.findall(r"[\d.]+[smhdw]", text))


def parse_duration(text: str) -> float:
    """The seconds in a text; a number without a unit is seconds. Raises ValueError.

    >>> parse_duration("14d"), parse_duration("1.5h"), parse_duration("0")
    (1209600.0, 5400.0, 0.0)
    """
    match = _SPAN.match(text)
    if not match:
        raise ValueError(text)
    return float(match[1]) * _UNITS[match[2]]
