"""Metric points in columns, made without any library beyond Python's own: training processes load no numpy for us."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import msgspec

from lineal.records import journal
from lineal.records.packing import packable

Point = tuple[int, int | None, Mapping[str, float]]
"""Time in microseconds UTC, step or None, and the values of one call."""

Single = tuple[str, float, int, int]
"""Name, value, time in microseconds UTC and step."""

CALLS_PER_FRAME = 16_384
POINTS_PER_FRAME = 65_536
NAMES_PER_FRAME = 65_535

_encoder = msgspec.msgpack.Encoder()


def calls_of(flat: Sequence[Any]) -> list[Point]:
    """The calls in a flat list of time, step, values, and so on."""
    return list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))


class PointEncoder:
    """Turns calls into payloads of `POINTS` frames, and counts steps for names that are logged without one."""

    def __init__(self, *, rank: int) -> None:
        self._rank = rank
        self._next: dict[str, int] = {}

    def encode(self, calls: Sequence[Point]) -> Iterator[tuple[bytes, int]]:
        """Payloads with their number of points; the points of one name keep the order of the calls."""
        for start in range(0, len(calls), CALLS_PER_FRAME):
            yield from self._frames(calls[start : start + CALLS_PER_FRAME])

    def _frames(self, calls: Sequence[Point]) -> Iterator[tuple[bytes, int]]:
        maps = [values for _time, _step, values in calls]
        count = sum(map(len, maps))
        names = list(dict.fromkeys(chain.from_iterable(maps)))
        if count > POINTS_PER_FRAME or len(names) > NAMES_PER_FRAME:
            for half in _halves(calls):
                yield from self._frames(half)
        elif count == len(names) * len(calls):
            yield self._payload(names, self._whole_columns(names, calls, maps)), count
        else:
            yield self._payload(names, self._ragged_columns(names, calls)), count

    def _whole_columns(self, names: list[str], calls: Sequence[Point], maps: Sequence[Mapping[str, float]]) -> dict[str, array[Any]]:
        """Every call has every name, as in most training loops: column by column, three times as fast as point by point."""
        given = [step for _time, step, _values in calls]
        key, step, value = array("H"), array("q"), array("d")
        for index, name in enumerate(names):
            key.extend(array("H", [index]) * len(calls))
            value.extend([values[name] for values in maps])
            step.extend(self._steps(name, given))
        return {"key": key, "step": step, "value": value, "time": array("q", [time for time, _step, _values in calls]) * len(names)}

    def _steps(self, name: str, given: list[int | None]) -> list[int]:
        following, found = self._next.get(name, 0), []
        for step in given:
            here = following if step is None else step
            found.append(here)
            following = here + 1
        self._next[name] = following
        return found

    def _ragged_columns(self, names: list[str], calls: Sequence[Point]) -> dict[str, array[Any]]:
        indexes = {name: index for index, name in enumerate(names)}
        key, step, value, time = array("H"), array("q"), array("d"), array("q")
        for at, given, values in calls:
            for name, number in values.items():
                key.append(indexes[name])
                step.extend(self._steps(name, [given]))
                value.append(number)
                time.append(at)
        return {"key": key, "step": step, "value": value, "time": time}

    def _payload(self, names: list[str], columns: Mapping[str, array[Any]]) -> bytes:
        head = {"k": journal.POINTS, "keys": packable([str(name) for name in names], msgspec.msgpack.Ext), "rank": self._rank}
        return _encoder.encode({**head, **{name: _bytes(column) for name, column in columns.items()}})


def encode_points(points: Sequence[Single], *, rank: int = 0) -> Iterator[bytes]:
    """Payloads of points that come one by one."""
    for start in range(0, len(points), POINTS_PER_FRAME):
        fields = point_fields(points[start : start + POINTS_PER_FRAME])
        keys = packable(fields.pop("keys"), msgspec.msgpack.Ext)
        yield _encoder.encode({"k": journal.POINTS, "keys": keys, "rank": rank, **fields})


def point_fields(points: Sequence[Single]) -> dict[str, Any]:
    """The names and columns of a `POINTS` entry: of at most `POINTS_PER_FRAME` points with `NAMES_PER_FRAME` names."""
    indexes = {name: index for index, name in enumerate(dict.fromkeys(point[0] for point in points))}
    columns: dict[str, array[Any]] = {
        "key": array("H", [indexes[point[0]] for point in points]),
        "step": array("q", [point[3] for point in points]),
        "value": array("d", [point[1] for point in points]),
        "time": array("q", [point[2] for point in points]),
    }
    return {"keys": list(indexes), **{name: _bytes(column) for name, column in columns.items()}}


def _halves(calls: Sequence[Point]) -> tuple[Sequence[Point], Sequence[Point]]:
    """The calls in two, or the names of a single call."""
    if len(calls) > 1:
        middle = len(calls) // 2
        return calls[:middle], calls[middle:]
    time, step, values = calls[0]
    middle = len(values) // 2
    first, second = dict(islice(values.items(), middle)), dict(islice(values.items(), middle, None))
    return [(time, step, first)], [(time, step, second)]


def _bytes(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
