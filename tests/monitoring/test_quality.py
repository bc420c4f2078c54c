from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from lineal.monitoring.intervals import of_mean, of_median, student, wilson
from lineal.monitoring.quality import binary_quality, calibration, lower_is_better, multiclass_quality, regression_quality
from lineal.monitoring.ranking import auc

binary = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2).filter(lambda rows: len({truth for truth, _score in rows}) == 2)


def columns(rows: list[tuple[bool, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([truth for truth, _score in rows]), np.array([score / 20 for _truth, score in rows])


@settings(max_examples=30)
@given(binary)
def test_binary_metrics_are_those_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    truth, score = columns(rows)
    answer = score >= 0.5
    found = binary_quality(truth, answer, score).metrics
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, score))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, answer))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(truth, score))
    assert found["f1"] == pytest.approx(metrics.f1_score(truth, answer, zero_division=0))
    assert found["recall"] == pytest.approx(metrics.recall_score(truth, answer))
    assert found.get("precision", 0) == pytest.approx(metrics.precision_score(truth, answer, zero_division=0))
    inner = np.clip(score, 0.01, 0.99)
    assert binary_quality(truth, answer, inner).metrics["log_loss"] == pytest.approx(metrics.log_loss(truth, inner))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1))
def test_multiclass_metrics_are_those_of_scikit_learn(rows: list[tuple[str, str]]) -> None:
    truth, answer = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = multiclass_quality(truth, answer)
    assert found.metrics["accuracy"] == pytest.approx(metrics.accuracy_score(truth, answer))
    assert found.metrics["f1"] == pytest.approx(metrics.f1_score(truth, answer, average="macro"))
    assert "log_loss" in found.absent


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2))
def test_regression_metrics_are_those_of_scikit_learn(rows: list[tuple[float, float]]) -> None:
    truth, answer = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = regression_quality(truth, answer)
    assert found.metrics["mae"] == pytest.approx(metrics.mean_absolute_error(truth, answer))
    assert found.metrics["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, answer))
    assert found.metrics["median_absolute_error"] == pytest.approx(metrics.median_absolute_error(truth, answer))
    assert found.metrics["bias"] == pytest.approx(float(np.mean(answer - truth)))
    if np.ptp(truth) > 1e-3:
        assert found.metrics["r2"] == pytest.approx(metrics.r2_score(truth, answer), rel=1e-6)


@given(binary)
def test_an_interval_holds_its_metric(rows: list[tuple[bool, int]]) -> None:
    truth, score = columns(rows)
    found = binary_quality(truth, score >= 0.5, score)
    for name, (low, high) in found.intervals.items():
        assert low - 1e-9 <= found.metrics[name] <= high + 1e-9, name


def test_one_class_only_has_no_auc_and_says_why() -> None:
    found = binary_quality(np.array([True, True]), np.array([True, False]), np.array([0.8, 0.3]))
    assert "auc" not in found.metrics
    assert found.absent["auc"] == "all known outcomes are of one class"
    assert found.metrics["log_loss"] > 0


def test_a_class_never_predicted_has_no_precision() -> None:
    found = binary_quality(np.array([True, False]), np.array([False, False]), None)
    assert "never predicted" in found.absent["precision"]
    assert found.metrics["recall"] == 0
    assert found.absent["auc"] == "the model gives no probabilities"


def test_scores_that_are_no_probabilities_still_rank() -> None:
    found = binary_quality(np.array([True, False]), np.array([True, False]), np.array([3.0, -2.0]))
    assert found.metrics["auc"] == 1
    assert found.absent["brier"] == "the scores are no probabilities"


def test_rows_without_a_score_do_not_spoil_the_others() -> None:
    found = binary_quality(np.array([True, False, True]), np.array([True, False, True]), np.array([0.9, 0.1, np.nan]))
    assert found.metrics["auc"] == 1


@pytest.mark.parametrize("nothing", [binary_quality(np.array([], bool), np.array([], bool)), regression_quality(np.array([]), np.array([]))])
def test_nothing_known_gives_no_metrics(nothing: object) -> None:
    assert getattr(nothing, "metrics") == {}  # noqa: B009
    assert set(getattr(nothing, "absent").values()) == {"no outcome is known yet"}  # noqa: B009


def test_equal_outcomes_have_no_r2() -> None:
    assert regression_quality(np.array([2.0, 2.0]), np.array([1.0, 3.0])).absent["r2"] == "all known outcomes are equal"


def test_certainty_in_error_is_a_finite_loss() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = binary_quality(np.array([True, False]), np.array([False, True]), np.array([0.0, 1.0]))
    assert found.metrics["log_loss"] == pytest.approx(34.54, abs=0.01)


def test_calibration_adds_up() -> None:
    truth, score = np.array([True, False, True, True]), np.array([0.0, 0.1, 0.95, 1.0])
    low, high = calibration(truth, score)
    assert (low.low, low.high, low.count, low.observed) == (0.0, 0.1, 2, 0.5)
    assert (high.count, high.observed) == (2, 1.0)
    assert high.predicted == pytest.approx(0.975)


def test_a_perfect_model_is_perfectly_calibrated_on_average() -> None:
    random = np.random.default_rng(0)
    score = random.uniform(size=200_000)
    found = binary_quality(random.uniform(size=200_000) < score, score > 0.5, score)
    assert found.metrics["calibration_error"] < 0.01


def test_the_auc_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    area = metrics.roc_auc_score(np.arange(20_000) % 2, random.normal(size=20_000) + np.arange(20_000) % 2)
    covered = 0
    for _ in range(400):
        truth = random.uniform(size=300) < 0.25
        _found, interval = auc(truth, random.normal(size=300) + truth)
        assert interval is not None
        covered += interval[0] <= area <= interval[1]
    assert 0.92 <= covered / 400 <= 0.98


def test_a_perfect_ranking_claims_no_interval() -> None:
    assert auc(np.array([True, True, False, False]), np.array([4.0, 3.0, 2.0, 1.0])) == (1.0, None)


def test_intervals_of_few_values_are_honest() -> None:
    assert of_mean(np.array([1.0])) is None
    assert of_median(np.arange(5.0)) is None
    assert of_median(np.arange(100.0)) == (39.0, 60.0)
    assert wilson(0, 10)[0] == 0
    assert student(1_000_000) == pytest.approx(1.96, abs=1e-3)


def test_metrics_know_their_better_side() -> None:
    assert lower_is_better("test/log_loss") is True
    assert lower_is_better("AUC") is False
    assert lower_is_better("fit_seconds") is None
