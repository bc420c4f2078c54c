"""A query's result as text whose bytes depend on the values alone: CSV in which each value's form says its type. docs/design/formats.md, "Results".

Neither the driver's nor pandas' version changes it, so equal results have equal digests, and any program can read what was kept.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

_ROWS = 1000


def result_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    r"""The result in pieces: a line of quoted names, then a line for each row.

    >>> b"".join(result_lines(["a", "b"], [(1, "x"), (None, 0.5)]))
    b'"a","b"\n1,"x"\n,0.5\n'
    """
    yield (",".join(_quoted(name) for name in columns) + "\n").encode("utf-8", "surrogateescape")
    waiting: list[str] = []
    for row in rows:
        waiting.append(",".join([_text(value) for value in row]))
        if len(waiting) >= _ROWS:
            yield ("\n".join(waiting) + "\n").encode("utf-8", "surrogateescape")
            waiting.clear()
    if waiting:
        yield ("\n".join(waiting) + "\n").encode("utf-8", "surrogateescape")


def column_types(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[str, str]]:
    """Names with the type of the first value that is there, as Python calls it; empty where all are missing."""
    return [(name, next((type(row[place]).__name__ for row in rows if row[place] is not None), "")) for place, name in enumerate(columns)]


def _text(value: Any) -> str:
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    for kind, writer in _WRITERS.items():
        if isinstance(value, kind):
            return writer(value)
    return _quoted(_json(value))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _json(value: Any) -> str:
    """What has no form of its own, such as a document or an array: as JSON with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def _float(value: float) -> str:
    if value != value:  # noqa: PLR0124 - a NaN is not itself
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(value) or repr(float(value))


def _moment(value: dt.datetime) -> str:
    """A moment with a zone in UTC, whatever the session's zone is."""
    return (value if value.tzinfo is None else value.astimezone(dt.UTC)).isoformat()


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    bool: lambda value: "true" if value else "false",  # before int, which it is
    int: lambda value: str(int(value)),
    float: _float,
    type(None): lambda _value: "",
    Decimal: lambda value: format(value, "f"),
    dt.datetime: _moment,  # before date, which it is
    dt.date: lambda value: str(value.isoformat()),
    dt.time: lambda value: str(value.isoformat()),
    dt.timedelta: lambda value: f"PT{value / dt.timedelta(microseconds=1) / 1_000_000:.6f}S",
    UUID: str,
    bytes: lambda value: f"x'{value.hex()}'",
    bytearray: lambda value: f"x'{value.hex()}'",
    memoryview: lambda value: f"x'{value.hex()}'",
}
