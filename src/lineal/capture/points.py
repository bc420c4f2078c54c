"""Metric points in columns, made without any library beyond Python's own: training processes load no numpy for us."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lineal.records import journal
from lineal.records.packing import packable

Point = tuple[int, int | None, Mapping[str, float]]
"""Time in microseconds UTC, step or None, and the values of one call."""

POINTS_PER_FRAME = 65_536
_KEYS_PER_FRAME = 65_535
_encoder = msgspec.msgpack.Encoder()


class PointEncoder:
    """Turns calls into payloads of `POINTS` frames, and counts steps for names that are logged without one."""

    def __init__(self, *, rank: int) -> None:
        self._rank = rank
        self._next: dict[str, int] = {}

    def encode(self, calls: Sequence[Point]) -> Iterator[tuple[bytes, int]]:
        """Payloads with their number of points, in the order of the calls."""
        start, points, keys = 0, 0, set[str]()
        for place, (_time, _step, values) in enumerate(calls):
            if points and (points + len(values) > POINTS_PER_FRAME or len(keys) + len(values) > _KEYS_PER_FRAME):
                yield self._payload(calls[start:place]), points
                start, points, keys = place, 0, set()
            points += len(values)
            keys.update(values)
        if points:
            yield self._payload(calls[start:]), points

    def _payload(self, calls: Sequence[Point]) -> bytes:
        indexes: dict[str, int] = {}
        key, step, value, time = array("H"), array("q"), array("d"), array("q")
        following = self._next
        for at, given, values in calls:
            for name, number in values.items():
                index = indexes.get(name)
                if index is None:
                    index = indexes[name] = len(indexes)
                here = following.get(name, 0) if given is None else given
                following[name] = here + 1
                key.append(index)
                step.append(here)
                value.append(number)
                time.append(at)
        columns: dict[str, array[int] | array[float]] = {"key": key, "step": step, "value": value, "time": time}
        head = {"k": journal.POINTS, "keys": packable([str(name) for name in indexes], msgspec.msgpack.Ext), "rank": self._rank}
        return _encoder.encode({**head, **{name: _bytes(column) for name, column in columns.items()}})


def _bytes(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
