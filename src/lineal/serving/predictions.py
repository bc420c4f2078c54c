"""Captured predictions: durable, append-only segments, written by the service and read by everybody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    """

    ids: Sequence[str]
    event_at: Any
    recorded_at: Any
    features: Mapping[str, Any]
    output: Any
    score: Any
    model: Any


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


class PredictionWriter:
    """Appends batches of answers to segments in ``folder``; thread safe; ``add`` never waits for the disk."""

    def __init__(self, folder: Path) -> None:
        raise NotImplementedError


class PredictionLog:
    """Reads the segments in ``folder``, also while a service is writing them."""

    def __init__(self, folder: Path) -> None:
        raise NotImplementedError

    def columns(self, start: int | None = None, end: int | None = None) -> PredictionColumns:
        """Predictions whose event time is in ``[start, end)``, microseconds UTC."""
        raise NotImplementedError

    def find(self, identifier: str) -> CapturedPrediction | None:
        """The prediction of that id, or None."""
        raise NotImplementedError

    def newest(self, limit: int, before: str = "") -> Sequence[CapturedPrediction]:
        """Newest first; ``before`` is the id to page from."""
        raise NotImplementedError

    def count(self) -> int:
        """How many there are."""
        raise NotImplementedError

    def damage(self) -> Sequence[str]:
        """What cannot be read, one sentence each; reads everything."""
        raise NotImplementedError
