"""Points of a metric in columns, and as the body of a block.

docs/design/formats.md, "Metric blocks", has the format of a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from lineal.errors import Integrity

_VERSION = 1
_LEVEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Points in the order they were logged: steps, values, times (microseconds UTC) of equal length."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    times: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, which: Any) -> Columns:
        """The points at an index, mask or slice."""
        return Columns(steps=self.steps[which], values=self.values[which], times=self.times[which])


NO_POINTS = Columns(steps=np.empty(0, np.int64), values=np.empty(0, np.float64), times=np.empty(0, np.int64))


def join(parts: Iterable[Columns]) -> Columns:
    """The points of all parts, one behind the other."""
    every = list(parts)
    return Columns(
        steps=np.concatenate([part.steps for part in every]),
        values=np.concatenate([part.values for part in every]),
        times=np.concatenate([part.times for part in every]),
    )


def encode_block(points: Columns) -> bytes:
    """A block's body: differences of steps and of times, and the values, each with its bytes sorted by place, in one zstd frame."""
    columns = (np.diff(points.steps, prepend=0), np.diff(points.times, prepend=0), points.values)
    body = b"".join(_shuffled(column) for column in columns)
    return bytes([_VERSION]) + zstandard.ZstdCompressor(level=_LEVEL).compress(body)


def decode_block(body: bytes) -> Columns:
    """The points that `encode_block` was given, bit for bit.

    Raises:
        Integrity: kind ``damaged-ledger``.
    """
    try:
        raw = zstandard.ZstdDecompressor().decompress(body[1:])
    except zstandard.ZstdError as error:
        raise Integrity("a block of metric points is damaged", kind="damaged-ledger", hint="See what is left with: lineal fsck") from error
    planes = np.frombuffer(raw, dtype=np.uint8).reshape(3, 8, -1)
    steps, times, values = map(_unshuffled, planes)
    return Columns(steps=np.cumsum(steps), values=values.view("<f8"), times=np.cumsum(times))


def standing(parts: Sequence[tuple[int, Columns]]) -> Columns:
    """What counts of the points of several attempts: an earlier attempt's only up to the first step of a later one."""
    first: dict[int, int] = {}
    for attempt, points in parts:
        first[attempt] = min(first.get(attempt, points.steps.min()), points.steps.min())
    return join(parts_standing(parts, first))


def parts_standing(parts: Sequence[tuple[int, Columns]], first: Mapping[int, int]) -> list[Columns]:
    """The same part by part, of some of the points, with the first step of every attempt known."""
    kept = []
    for attempt, points in parts:
        bound = min((step for later, step in first.items() if later > attempt), default=None)
        kept.append(points if bound is None else points.take(points.steps < bound))
    return [part for part in kept if len(part)] or [NO_POINTS]


def in_step_order(points: Columns) -> Columns:
    """The points sorted by step; those of one step stay in the order they were logged."""
    if len(points) < 2 or bool(np.all(points.steps[1:] >= points.steps[:-1])):
        return points
    return points.take(np.argsort(points.steps, kind="stable"))


def rises(parts: Sequence[Columns]) -> bool:
    """Whether steps go back nowhere, neither in a part nor from one to the next."""
    between = all(before.steps[-1] <= after.steps[0] for before, after in pairwise(part for part in parts if len(part)))
    return between and all(in_step_order(part) is part for part in parts)


def decimate_each(parts: Sequence[Columns], wanted: int) -> Columns:
    """The same as `decimate` of rising parts, one at a time: each is still in the processor's cache, and the whole is never put together."""
    total = sum(map(len, parts))
    if total <= max(wanted, 4):
        return join(parts)
    return join(decimate(part, max(4, wanted * len(part) // total)) for part in parts)


def decimate(points: Columns, wanted: int) -> Columns:
    """About ``wanted`` of the points: first, last, and the smallest and largest of each bucket, so that no spike is lost."""
    if len(points) <= max(wanted, 4):
        return points
    width = -(-len(points) // max(1, wanted // 2))
    whole = len(points) // width * width
    chosen = [np.array([0, len(points) - 1])]
    for extreme, blank in ((np.argmin, np.inf), (np.argmax, -np.inf)):
        values = np.where(np.isnan(points.values), blank, points.values)
        chosen.append(extreme(values[:whole].reshape(-1, width), axis=1) + np.arange(0, whole, width))
        if whole < len(points):
            chosen.append(np.array([whole + int(extreme(values[whole:]))]))
    return points.take(np.unique(np.concatenate(chosen)))


def _unshuffled(planes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """A column of its eight planes of bytes; most of steps and times are all zeros, and are passed over."""
    found = np.zeros(planes.shape[1], dtype="<i8")
    places = found.view(np.uint8).reshape(-1, 8)
    for place, plane in enumerate(planes):
        if plane.any():
            places[:, place] = plane
    return found


def _shuffled(column: NDArray[Any]) -> bytes:
    little = np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(-1, 8).T.tobytes()
