from __future__ import annotations

import pytest

from lineal.monitoring.alerts import (
    calibration_alerts,
    coverage_alerts,
    drift_alerts,
    mixture_alerts,
    quality_alerts,
    reference_value,
    rejected_alerts,
)
from lineal.records.monitor import Distribution, Drift, Quality


def quality(metrics: dict[str, tuple[float, float]], *, known: int = 20_000, coverage: float = 0.9, base_rate: float | None = None) -> Quality:
    return Quality(
        metrics={name: value for name, (value, _half) in metrics.items()},
        intervals={name: (value - half, value + half) for name, (value, half) in metrics.items()},
        known=known,
        coverage=coverage,
        base_rate=base_rate,
    )


def drift(level: str) -> Drift:
    counts = Distribution(feature="hour", kind="numeric", labels=("any", "missing"), counts=(1, 0))
    return Drift(feature="hour", psi=0.31, noise=0.001, level=level, observed=counts, reference=counts)


def test_only_a_large_drift_is_an_alert() -> None:
    assert drift_alerts([drift("moderate"), drift("none"), drift("skipped")], None) == []
    assert drift_alerts([drift("large")], drift("large")) == [
        "input hour moved far: PSI 0.31 (chance gives 0.0010)",
        "predictions moved far: PSI 0.31 (chance gives 0.0010)",
    ]


@pytest.mark.parametrize(
    ("name", "value", "half", "before", "alerted"),
    [
        ("log_loss", 0.608, 0.005, 0.514, True),
        ("log_loss", 0.505, 0.005, 0.514, False),
        ("log_loss", 0.520, 0.001, 0.514, False),
        ("log_loss", 0.608, 0.1, 0.514, False),
        ("auc", 0.61, 0.008, 0.65, True),
        ("auc", 0.645, 0.001, 0.65, False),
        ("accuracy", 0.69, 0.005, 0.77, True),
        ("mean_score", 0.1, 0.001, 0.9, False),
    ],
)
def test_a_metric_must_be_worse_by_more_than_chance_and_more_than_a_trifle(
    name: str, value: float, half: float, before: float, *, alerted: bool
) -> None:
    found = quality_alerts(quality({name: (value, half)}), {name: before}, "of the run")
    assert bool(found) is alerted


def test_a_reference_that_is_uncertain_itself_must_not_overlap() -> None:
    june = quality({"recall": (0.035, 0.004)})
    assert quality_alerts(june, {"recall": 0.042}, "in April")
    assert not quality_alerts(june, {"recall": 0.042}, "in April", intervals={"recall": (0.038, 0.047)})


def test_few_outcomes_raise_no_alarm() -> None:
    assert quality_alerts(quality({"log_loss": (0.9, 0.01)}, known=150), {"log_loss": 0.5}, "x") == []
    assert calibration_alerts(quality({"mean_score": (0.2, 0), "base_rate": (0.31, 0.01)}, known=150, base_rate=0.31)) == []


def test_a_rate_that_the_model_does_not_expect_is_said() -> None:
    june = Quality(
        metrics={"mean_score": 0.234, "base_rate": 0.308}, intervals={"base_rate": (0.302, 0.314)}, known=27_075, coverage=0.96, base_rate=0.308
    )
    assert calibration_alerts(june) == ["the model expects 23.4% on average, but 30.8% happened"]
    may = Quality(
        metrics={"mean_score": 0.236, "base_rate": 0.220}, intervals={"base_rate": (0.215, 0.225)}, known=28_128, coverage=0.96, base_rate=0.220
    )
    assert calibration_alerts(may) == []


def test_low_coverage_is_said_and_no_truth_at_all_is_not() -> None:
    assert coverage_alerts(quality({}, known=20, coverage=0.2), 100) == ["the outcome of only 20 of 100 predictions is known (20%)"]
    assert coverage_alerts(quality({}, coverage=0.9), 100) == []
    assert coverage_alerts(None, 100) == []


def test_refused_requests_are_counted_with_their_commonest_reason() -> None:
    assert rejected_alerts({}, 5) == []
    assert rejected_alerts({"missing arr_time": 3, "not JSON": 1}, 7) == [
        "4 requests were refused (against 7 answered), most often: missing arr_time (3)"
    ]


def test_a_window_of_two_versions_says_so() -> None:
    assert mixture_alerts({"delay@1": 3, "delay@2": 1}) == ["answered by delay@1 (75%) and delay@2 (25%)"]
    assert mixture_alerts({"delay@1": 3}) == []


def test_a_reference_is_found_by_the_end_of_its_name_if_there_is_one() -> None:
    assert reference_value({"val_auc": 0.6}, "auc") == 0.6
    assert reference_value({"test/auc": 0.6, "train/auc": 0.9}, "auc") is None
    assert reference_value({"ROC_AUC": 0.6}, "auc") == 0.6
    assert reference_value({}, "auc") is None
