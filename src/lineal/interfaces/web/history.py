"""A dataset's versions as pages draw them: dots on lines that part and meet, and how little each version took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lineal.interfaces.web.formats import size
from lineal.records.dataset import DatasetVersion
from lineal.records.history import LaneRow, lanes

ROW, LANE, COLOURS = 29, 14, 8
MOST_BARS = 60
_STEP, _LEFT, _TOP, _HEIGHT = 14, 64, 8, 120
_NARROWEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Rail:
    """One row's piece of the drawing, as wide as all lines need.

    Attributes:
        lines: SVG paths with the number of their colour.
        x, y: of the dot; colour: its number.
    """

    width: int
    x: int
    y: int
    colour: int
    lines: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What versions took in the store beside what they are, on a logarithmic scale, the oldest first.

    Attributes:
        marks: per version: its reference, x, the y of what it took and of what it is, both sizes, and the index of its colour's branch.
        ticks: y and label.
    """

    width: int
    height: int
    left: int
    marks: tuple[tuple[str, int, int, int, int, int], ...]
    ticks: tuple[tuple[int, str], ...]
    left_out: int


def rails(versions: Sequence[DatasetVersion]) -> list[Rail]:
    """The pieces of the drawing of all versions, which come newest first."""
    rows = lanes([(version.commit, version.parents) for version in versions])
    width = LANE * (1 + max((max((row.lane, *row.through)) for row in rows), default=0))
    return [_rail(before, row, width) for before, row in zip([None, *rows], rows, strict=False)]


def _rail(before: LaneRow | None, row: LaneRow, width: int) -> Rail:
    middle = ROW // 2
    upper = [(f"M{_between(start, end)} 0L{_x(end)} {middle}", max(start, end)) for start, end in (before.down if before else ())]
    lower = [(f"M{_x(start)} {middle}L{_between(start, end)} {ROW}", max(start, end)) for start, end in row.down]
    lines = tuple((path, lane % COLOURS) for path, lane in (*upper, *lower))
    return Rail(width=width, x=_x(row.lane), y=middle, colour=row.lane % COLOURS, lines=lines)


def _x(lane: int) -> int:
    return LANE // 2 + lane * LANE


def _between(start: int, end: int) -> int:
    return (_x(start) + _x(end)) // 2


def growth(versions: Sequence[DatasetVersion]) -> Growth | None:
    """The chart of the last versions, which come newest first; None for fewer than two."""
    if len(versions) < 2:
        return None
    shown = versions[:MOST_BARS][::-1]
    top = max(3, *(math.ceil(math.log10(max(1, version.size, version.stored_bytes))) for version in shown))
    marks = tuple(
        (
            version.reference,
            _LEFT + _STEP // 2 + place * _STEP,
            _y(version.stored_bytes, top),
            _y(version.size, top),
            version.stored_bytes,
            version.size,
        )
        for place, version in enumerate(shown)
    )
    ticks = tuple((_y(10**power, top), size(10**power)) for power in range(0, top + 1, 3))
    width = max(_NARROWEST, _LEFT + len(shown) * _STEP + 12)
    return Growth(width=width, height=_TOP + _HEIGHT + 12, left=_LEFT, marks=marks, ticks=ticks, left_out=len(versions) - len(shown))


def _y(count: int, top: int) -> int:
    return _TOP + _HEIGHT - round(_HEIGHT * math.log10(max(1, count)) / top)
