"""Captured predictions: durable, append-only segments, read here also while a service writes them. docs/design/formats.md, "Predictions"."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineal.records.ids import uuid7_time_us
from lineal.serving.capture import PredictionWriter, read_rejected
from lineal.serving.columns import decode_columns, join_columns
from lineal.serving.segments import SUFFIX, FrameHead, id_text, read_segment

__all__ = ["CapturedPrediction", "PredictionColumns", "PredictionLog", "PredictionWriter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionColumns:
    """Captured predictions in columns of equal length, in the order they were recorded.

    Attributes:
        ids: UUIDv7 texts.
        event_at, recorded_at: int64 arrays, microseconds UTC.
        features: per feature a float64, int64 or bool array, or an object array of texts with None for missing.
        output: array of the answers; labels for a classifier.
        score: float64 array, NaN where the model gives none, or None where no row has one.
        model: object array of ``name@number``.
        damaged: what could not be read, one sentence each; its rows are left out.
    """

    ids: Sequence[str]
    event_at: Any
    recorded_at: Any
    features: Mapping[str, Any]
    output: Any
    score: Any
    model: Any
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedPrediction:
    """One row of a `PredictionLog`; fields as in `lineal.records.deployment.Prediction`."""

    id: str
    model: str
    event_at: int
    recorded_at: int
    inputs: Mapping[str, Any]
    output: Any
    score: float | None
    key: str = ""


class PredictionLog:
    """Reads the segments in ``folder``. A folder that is not there has no predictions; damage costs the damaged frames only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def columns(self, start: int | None = None, end: int | None = None) -> PredictionColumns:
        """Predictions whose event time is in ``[start, end)``, microseconds UTC."""
        damaged: list[str] = []
        frames = [
            (head, decode_columns(head.columns))
            for path in self._segments()
            for head in read_segment(path, damaged)
            if (start is None or head.event[1] >= start) and (end is None or head.event[0] < end)
        ]
        return _joined(frames, start, end, tuple(damaged))

    def find(self, identifier: str) -> CapturedPrediction | None:
        """The prediction of that id, or None. The id's time says which segment to open first."""
        try:
            wanted = bytes.fromhex(identifier.replace("-", ""))
        except ValueError:
            return None
        if len(wanted) != 16:
            return None
        for path in self._likely_first(identifier):
            for head in read_segment(path, []):
                if head.span[0] <= wanted <= head.span[1]:
                    found = next((row for row in _rows(head) if row.id == identifier.lower()), None)
                    if found is not None:
                        return found
        return None

    def newest(self, limit: int, before: str = "") -> Sequence[CapturedPrediction]:
        """Newest first; ``before`` is the id to page from."""
        found: list[CapturedPrediction] = []
        for row in self.backwards(before):
            if len(found) >= limit:
                break
            found.append(row)
        return found

    def backwards(self, before: str = "") -> Iterator[CapturedPrediction]:
        """Every prediction, newest first, from before the id ``before`` where one is given."""
        bound = before.lower()
        for path in reversed(self._segments()):
            for head in reversed(list(read_segment(path, []))):
                if bound and id_text(head.span[0]) >= bound:
                    continue
                yield from (row for row in reversed(list(_rows(head))) if not bound or row.id < bound)

    def count(self) -> int:
        """How many there are."""
        return sum(head.rows for path in self._segments() for head in read_segment(path, []))

    def rejected(self) -> dict[str, int]:
        """How many requests were refused, by reason."""
        return read_rejected(self._folder)

    def damage(self) -> Sequence[str]:
        """What cannot be read, one sentence each; reads everything."""
        found: list[str] = []
        for path in self._segments():
            for head in read_segment(path, found):
                try:
                    decode_columns(head.columns)
                except Exception as error:  # noqa: BLE001 - whatever a damaged block makes the decoders raise
                    found.append(f"{path.name} holds a block of {head.rows} predictions that cannot be read: {error}")
        return found

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder.is_dir() else []

    def _likely_first(self, identifier: str) -> list[Path]:
        segments = self._segments()
        starts = [int(path.name[:12], 16) * 1000 if _is_hex(path.name[:12]) else 0 for path in segments]
        place = max(bisect_right(starts, uuid7_time_us(identifier)) - 1, 0)
        return [*segments[place : place + 1], *segments[:place][::-1], *segments[place + 1 :]]


def _rows(head: FrameHead) -> Iterator[CapturedPrediction]:
    columns = {name: values.tolist() for name, values in decode_columns(head.columns).items()}
    features = {name[2:]: values for name, values in columns.items() if name.startswith("f:")}
    scores = columns.get("score") or [None] * head.rows
    keys = columns.get("key") or [None] * head.rows
    for row in range(head.rows):
        yield CapturedPrediction(
            id=id_text(head.ids[16 * row : 16 * row + 16]),
            model=head.model,
            event_at=columns["event"][row],
            recorded_at=columns["recorded"][row],
            inputs={name: _missing_is_none(values[row]) for name, values in features.items()},
            output=columns["output"][row],
            score=_missing_is_none(scores[row]),
            key=keys[row] or "",
        )


def _missing_is_none(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN


def _joined(frames: Sequence[tuple[FrameHead, Mapping[str, Any]]], start: int | None, end: int | None, damaged: tuple[str, ...]) -> PredictionColumns:
    import numpy as np

    if not frames:
        times = np.empty(0, dtype=np.int64)
        return PredictionColumns(
            ids=(), event_at=times, recorded_at=times, features={}, output=np.empty(0), score=None, model=np.empty(0, dtype=object), damaged=damaged
        )
    event = join_columns([columns["event"] for _head, columns in frames])
    kept = np.ones(len(event), dtype=np.bool_)
    if start is not None:
        kept &= event >= start
    if end is not None:
        kept &= event < end
    names = dict.fromkeys(name for _head, columns in frames for name in columns if name.startswith("f:"))
    ids = [id_text(raw) for head, _columns in frames for raw in _sliced(head.ids)]
    return PredictionColumns(
        ids=ids if kept.all() else [identifier for identifier, wanted in zip(ids, kept.tolist(), strict=True) if wanted],
        event_at=event[kept],
        recorded_at=_column(frames, "recorded")[kept],
        features={name[2:]: _column(frames, name)[kept] for name in names},
        output=_column(frames, "output")[kept],
        score=_column(frames, "score")[kept] if any("score" in columns for _head, columns in frames) else None,
        model=np.concatenate([np.full(head.rows, head.model, dtype=object) for head, _columns in frames])[kept],
        damaged=damaged,
    )


def _column(frames: Sequence[tuple[FrameHead, Mapping[str, Any]]], name: str) -> Any:
    import numpy as np

    return join_columns([columns[name] if name in columns else np.full(head.rows, np.nan) for head, columns in frames])


def _sliced(ids: bytes) -> Iterator[bytes]:
    return (ids[place : place + 16] for place in range(0, len(ids), 16))


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text)
