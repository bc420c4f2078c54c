"""Captured predictions in columns, cut into windows: counts against the reference, and quality against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lineal.monitoring import quality as figures
from lineal.monitoring.bins import NUMERIC, as_number, observe_groups, with_counts
from lineal.monitoring.drift import measure_drift, skip_drift
from lineal.monitoring.profile import Profile
from lineal.monitoring.truths import TruthColumns
from lineal.records.model import Signature
from lineal.records.monitor import Drift, Quality

Places = npt.NDArray[np.intp]
Chosen = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Rows of one deployment's service.

    Attributes:
        event_at: int64 microseconds UTC.
        features: by name, one value per row.
        output: the answers.
        score: float64, NaN where there is none; None where no row has one.
        model: object array of model versions, one per row.
        truth: what is known of the outcomes.
    """

    event_at: npt.NDArray[np.int64]
    features: Mapping[str, npt.NDArray[Any]]
    output: npt.NDArray[Any]
    score: npt.NDArray[np.float64] | None
    model: npt.NDArray[np.object_]
    truth: TruthColumns

    def __len__(self) -> int:
        return len(self.event_at)


def join_traffic(parts: Sequence[Traffic]) -> Traffic:
    """The rows of several deployments behind one another; a feature that a part does not have is missing there."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.features)  # in the order of the first that has them
    scores = [np.full(len(part), np.nan) if part.score is None else part.score for part in parts]
    return Traffic(
        event_at=np.concatenate([part.event_at for part in parts]),
        features={name: _joined([part.features.get(name, np.full(len(part), None)) for part in parts]) for name in names},
        output=_joined([part.output for part in parts]),
        score=None if all(part.score is None for part in parts) else np.concatenate(scores),
        model=np.concatenate([part.model for part in parts]),
        truth=TruthColumns(
            known=np.concatenate([part.truth.known for part in parts]),
            labels=[label for part in parts for label in part.truth.labels],
            known_at=np.concatenate([part.truth.known_at for part in parts]),
        ),
    )


def _joined(columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    kinds = {column.dtype.kind for column in columns if len(column)}
    if len(kinds) > 1 and not kinds <= {"i", "f"}:
        columns = [column.astype(object) for column in columns]
    return np.concatenate(list(columns))


def feature_drift(traffic: Traffic, profile: Profile, places: Places, number: int, skipped: Mapping[str, str]) -> list[tuple[Drift, ...]]:
    """Per window the drift of every feature of the profile that the traffic has.

    Args:
        places: per row its window, from 0 to ``number - 1``, or -1.
        skipped: features that are not judged, with the reason.
    """
    inside = places >= 0
    found: list[list[Drift]] = [[] for _ in range(number)]
    for name, bins in profile.features.items():
        if name not in traffic.features:
            continue
        counts = observe_groups(traffic.features[name][inside], bins, places[inside], number)
        for window, row in enumerate(counts.tolist()):
            observed = with_counts(bins, row)
            found[window].append(skip_drift(bins, observed, skipped[name]) if name in skipped else measure_drift(bins, observed))
    return [tuple(row) for row in found]


def prediction_drift(traffic: Traffic, profile: Profile, places: Places, number: int) -> list[Drift | None]:
    """Per window the drift of the predictions: of the scores where there are any, else of the answers. None without a reference or rows."""
    bins = profile.predictions
    if bins is None or not bins.total:
        return [None] * number
    column = traffic.score if traffic.score is not None and bins.kind == NUMERIC and np.isfinite(traffic.score).any() else traffic.output
    inside = places >= 0
    counts = observe_groups(column[inside], bins, places[inside], number)
    return [measure_drift(bins, with_counts(bins, row)) if sum(row) else None for row in counts.tolist()]


def window_quality(traffic: Traffic, rows: Chosen, signature: Signature) -> Quality | None:
    """Quality of the chosen rows against the truth, as far as it is known; None where there are no rows."""
    asked = int(np.count_nonzero(rows))
    if not asked:
        return None
    chosen = np.flatnonzero(rows & traffic.truth.known)
    found = _figures(traffic, chosen, signature)
    delays = traffic.truth.known_at[chosen] - traffic.event_at[chosen]
    return Quality(
        metrics=found.metrics,
        known=len(chosen),
        coverage=len(chosen) / asked,
        intervals=found.intervals,
        delay_us=int(np.median(delays)) if len(chosen) else None,
        base_rate=found.base_rate,
        absent=found.absent,
        calibration=found.calibration,
    )


def _figures(traffic: Traffic, chosen: Places, signature: Signature) -> figures.Figures:
    labels = [traffic.truth.labels[row] for row in chosen.tolist()]
    answers = traffic.output[chosen]
    if signature.task == "regression" or (signature.task == "other" and answers.dtype.kind == "f"):
        return _regression(labels, answers)
    classes = signature.classes or _seen_classes(labels, answers)
    if len(classes) == 2:
        positive = classes[1]
        truth = np.array([label == positive for label in labels], dtype=np.bool_)
        answer = np.array([value == positive for value in answers.tolist()], dtype=np.bool_)
        return figures.binary_quality(truth, answer, None if traffic.score is None else traffic.score[chosen])
    return figures.multiclass_quality(*_codes(labels, answers.tolist()))


def _regression(labels: Sequence[Any], answers: npt.NDArray[Any]) -> figures.Figures:
    truth = np.array([as_number(label) for label in labels], dtype=np.float64)
    answer = np.array([as_number(value) for value in answers.tolist()], dtype=np.float64)
    usable = np.isfinite(truth) & np.isfinite(answer)
    return figures.regression_quality(truth[usable], answer[usable])


def _seen_classes(labels: Sequence[Any], answers: npt.NDArray[Any]) -> tuple[Any, ...]:
    return tuple(sorted({*labels, *answers.tolist()}, key=lambda value: (str(type(value)), value)))


def _codes(labels: Sequence[Any], answers: Sequence[Any]) -> tuple[Places, Places]:
    table: dict[Any, int] = {}
    for value in (*labels, *answers):
        table.setdefault(value, len(table))
    return np.array([table[value] for value in labels], dtype=np.intp), np.array([table[value] for value in answers], dtype=np.intp)
