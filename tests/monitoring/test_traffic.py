from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from lineal.monitoring.profile import build_profile
from lineal.monitoring.traffic import Traffic, feature_drift, join_traffic, prediction_drift, window_quality
from lineal.monitoring.truths import TruthColumns
from lineal.records.model import Signature
from lineal.records.monitor import Quality


def traffic(
    output: Sequence[Any],
    truth: Sequence[Any],
    *,
    score: Sequence[float] | None = None,
    features: Mapping[str, Sequence[Any]] | None = None,
    model: str = "delay@1",
) -> Traffic:
    """Rows at times 0, 1, 2, …; a truth of None is not known, another is known 10 later."""
    rows = len(output)
    times = np.arange(rows, dtype=np.int64)
    known = np.array([label is not None for label in truth], dtype=np.bool_)
    return Traffic(
        event_at=times,
        features={name: np.array(values) for name, values in (features or {}).items()},
        output=np.array(output),
        score=None if score is None else np.array(score, dtype=np.float64),
        model=np.full(rows, model, dtype=object),
        truth=TruthColumns(known=known, labels=list(truth), known_at=np.where(known, times + 10, 0)),
    )


def judged(rows: Traffic, task: str, classes: tuple[Any, ...] = ()) -> Quality:
    found = window_quality(rows, np.ones(len(rows), dtype=np.bool_), Signature(inputs=(), outputs=(), task=task, classes=classes))
    assert found is not None
    return found


def test_two_classes_have_scores_coverage_and_delay() -> None:
    found = judged(traffic([1, 0, 1, 0], [1, 0, 0, None], score=[0.9, 0.2, 0.6, 0.1]), "classification", (0, 1))
    assert (found.known, found.coverage, found.delay_us) == (3, 0.75, 10)
    assert found.metrics["auc"] == 1
    assert found.base_rate == pytest.approx(1 / 3)


def test_the_second_class_is_the_positive_one_whatever_it_is_called() -> None:
    found = judged(traffic(["late", "fine"], ["late", "late"]), "classification", ("fine", "late"))
    assert found.metrics["recall"] == 0.5
    assert found.absent["auc"] == "the model gives no probabilities"


def test_many_classes_are_judged_by_their_labels() -> None:
    found = judged(traffic(["a", "b", "c"], ["a", "b", "b"]), "classification", ("a", "b", "c"))
    assert found.metrics["accuracy"] == pytest.approx(2 / 3)
    assert "log_loss" in found.absent


def test_a_model_of_no_known_task_is_judged_by_what_it_answers() -> None:
    assert judged(traffic([1.5, 2.5], [1.0, 3.0]), "other").metrics["mae"] == 0.5
    assert judged(traffic(["x", "y"], ["x", "x"]), "other").metrics["accuracy"] == 0.5


def test_an_outcome_that_is_no_number_is_left_out_of_errors() -> None:
    assert judged(traffic([1.5, 2.5], ["soon", 3.0]), "other").metrics["mae"] == 0.5


def test_rows_without_a_known_outcome_have_nothing_but_their_coverage() -> None:
    found = judged(traffic([1, 0], [None, None], score=[0.9, 0.2]), "classification", (0, 1))
    assert (found.metrics, found.known, found.coverage, found.delay_us) == ({}, 0, 0.0, None)
    assert found.absent["auc"] == "no outcome is known yet"


def test_no_rows_have_no_quality() -> None:
    rows = traffic([1], [1])
    assert window_quality(rows, np.zeros(1, dtype=np.bool_), Signature(inputs=(), outputs=())) is None


def test_parts_are_joined_and_a_feature_that_one_lacks_is_missing_there() -> None:
    first = traffic([1, 0], [1, None], score=[0.9, 0.1], features={"hour": [1.0, 2.0], "carrier": ["UA", "AA"]})
    second = traffic([1], [0], features={"hour": [3.0]}, model="delay@2")
    found = join_traffic([first, second])
    assert len(found) == 3
    assert found.features["hour"].tolist() == [1.0, 2.0, 3.0]
    assert found.features["carrier"].tolist() == ["UA", "AA", None]
    assert found.score is not None
    assert np.isnan(found.score[2])
    assert found.truth.labels == [1, None, 0]
    assert found.model.tolist() == ["delay@1", "delay@1", "delay@2"]


def test_drift_is_counted_per_window_in_one_pass() -> None:
    profile = build_profile({"carrier": ["UA"] * 300 + ["AA"] * 300, "unsent": [1] * 600}, np.linspace(0, 1, 600), task="classification")
    rows = traffic([0] * 600, [None] * 600, score=np.linspace(0, 1, 600).tolist(), features={"carrier": ["UA"] * 300 + ["XX"] * 300})
    places = np.repeat([0, 1], 300)
    first, second = feature_drift(rows, profile, places, 2, {})
    assert [drift.feature for drift in first] == ["carrier"]
    assert [dict(zip(drift.observed.labels, drift.observed.counts, strict=True)) for drift in (*first, *second)] == [
        {"AA": 0, "UA": 300, "other": 0, "missing": 0},
        {"AA": 0, "UA": 0, "other": 300, "missing": 0},
    ]
    assert feature_drift(rows, profile, places, 2, {"carrier": "asked"})[0][0].level == "skipped"
    low, high = prediction_drift(rows, profile, places, 2)
    assert low is not None
    assert high is not None
    assert (low.level, high.level) == ("large", "large")


def test_rows_outside_every_window_count_nowhere() -> None:
    profile = build_profile({"carrier": ["UA", "AA"]}, None, task="other")
    rows = traffic([0, 0], [None, None], features={"carrier": ["UA", "AA"]})
    (only,) = feature_drift(rows, profile, np.array([-1, 0]), 1, {})
    assert only[0].observed.total == 1
    assert prediction_drift(rows, profile, np.array([-1, 0]), 1) == [None]
