"""Captured predictions with what turned out to be true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from lineal.monitoring.truths import TruthLog
from lineal.records.deployment import Deployment, Prediction
from lineal.serving.predictions import CapturedPrediction

_AT_ONCE = 16_384
"""Rows joined at once where wrong ones are looked for: a lookup reads the whole log of truths."""


def judged(deployment: Deployment, truths: Path, found: Iterable[CapturedPrediction], *, limit: int, wrong: bool) -> list[Prediction]:
    """The first ``limit`` rows with their truth; with ``wrong`` of those whose truth differs from the answer."""
    log = TruthLog(truths)
    every = (
        prediction for some in _grouped(iter(found), _AT_ONCE if wrong else min(_AT_ONCE, limit)) for prediction in _joined(deployment, log, some)
    )
    return list(islice((item for item in every if not wrong or is_wrong(item)), limit))


def is_wrong(prediction: Prediction) -> bool:
    """Whether the truth is known and differs from the answer; numbers and their texts are the same."""
    if prediction.truth is None:
        return False
    return bool(_comparable(prediction.truth) != _comparable(prediction.output))


def _joined(deployment: Deployment, log: TruthLog, some: Sequence[CapturedPrediction]) -> Iterator[Prediction]:
    truth = log.columns([row.id for row in some])
    for place, row in enumerate(some):
        yield Prediction(
            id=row.id,
            deployment=deployment.name,
            model=row.model,
            event_at=row.event_at,
            recorded_at=row.recorded_at,
            inputs=row.inputs,
            output=row.output,
            score=row.score,
            key=row.key,
            truth=truth.labels[place],
            truth_at=int(truth.known_at[place]) if truth.known[place] else None,
        )


def _grouped(rows: Iterator[CapturedPrediction], size: int) -> Iterator[list[CapturedPrediction]]:
    while some := list(islice(rows, max(size, 1))):
        yield some


def _comparable(value: Any) -> Any:
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
