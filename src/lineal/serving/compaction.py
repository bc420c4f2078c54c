"""Puts the small frames of a segment together, so that a service with few requests leaves as little to read as a busy one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lineal.records.frames import PREDICTIONS, frame, head
from lineal.serving.columns import decode_columns, encode_columns, join_columns
from lineal.serving.segments import FRAME_ROWS, FrameHead, read_segment
from lineal.store.durable import replacing

_SMALL_ROWS = 128
_FEW_FRAMES = 16


def worth_compacting(path: Path) -> bool:
    """Whether the segment has many frames of few rows, and no damage."""
    damaged: list[str] = []
    rows = [found.rows for found in read_segment(path, damaged)]
    return not damaged and len(rows) >= _FEW_FRAMES and sum(rows) < _SMALL_ROWS * len(rows)


def compact(path: Path) -> None:
    """Rewrites a segment that nobody appends to any more: the same rows in the same order, in frames as large as they may be.

    The new file takes the old one's place in one step, so that a reader sees the one or the other. A damaged segment is left as it is.

    Raises:
        OSError: if there is no room; nothing is changed then.
    """
    damaged: list[str] = []
    frames = list(read_segment(path, damaged))
    if damaged or len(frames) < _FEW_FRAMES:
        return
    with replacing(path) as stream:
        stream.write(head(PREDICTIONS))
        for group in _groups(frames):
            stream.write(frame(msgspec.msgpack.encode(_joined(group))))


def _groups(frames: Sequence[FrameHead]) -> Iterator[list[FrameHead]]:
    """Neighbours of one model, together at most `FRAME_ROWS` rows."""
    group: list[FrameHead] = []
    rows = 0
    for found in frames:
        if group and (rows + found.rows > FRAME_ROWS or found.model != group[0].model):
            yield group
            group, rows = [], 0
        group.append(found)
        rows += found.rows
    if group:
        yield group


def _joined(group: Sequence[FrameHead]) -> FrameHead:
    if len(group) == 1:
        return group[0]
    parts = [decode_columns(found.columns) for found in group]
    names = dict.fromkeys(name for part in parts for name in part)
    return FrameHead(
        rows=sum(found.rows for found in group),
        model=group[0].model,
        event=(min(found.event[0] for found in group), max(found.event[1] for found in group)),
        recorded=(min(found.recorded[0] for found in group), max(found.recorded[1] for found in group)),
        span=(min(found.span[0] for found in group), max(found.span[1] for found in group)),
        ids=b"".join(found.ids for found in group),
        columns=encode_columns({name: _values(group, parts, name) for name in names}),
    )


def _values(group: Sequence[FrameHead], parts: Sequence[Any], name: str) -> list[Any]:
    """One column of all frames, None for missing: a frame without it, or a NaN."""
    import numpy as np

    joined = join_columns([part[name] if name in part else np.full(found.rows, np.nan) for found, part in zip(group, parts, strict=True)])
    values: list[Any] = joined.tolist()
    return [None if isinstance(value, float) and value != value else value for value in values]  # noqa: PLR0124 - NaN
