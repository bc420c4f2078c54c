from __future__ import annotations

import pytest

from lineal.monitoring.drift import measure_drift, skip_drift
from lineal.records.monitor import Distribution


def counted(*counts: int) -> Distribution:
    labels = tuple(f"b{number}" for number in range(len(counts)))
    return Distribution(feature="x", kind="categorical", labels=labels, counts=counts)


@pytest.mark.parametrize(
    ("observed", "level"),
    [
        ((500, 500), "none"),
        ((550, 450), "none"),
        ((660, 340), "moderate"),
        ((750, 250), "large"),
        ((120, 60), "too-few"),
        ((0, 0), "too-few"),
    ],
)
def test_the_level_follows_size_effect_and_chance(observed: tuple[int, ...], level: str) -> None:
    assert measure_drift(counted(5000, 5000), counted(*observed)).level == level


def test_a_shift_that_chance_could_give_is_none() -> None:
    # 60 bins of 5 values each: a large index, and a larger noise.
    spread = [5] * 60
    uneven = [2, 8] * 30
    found = measure_drift(counted(*spread), counted(*uneven))
    assert found.psi > 0.2
    assert found.level == "none"


def test_too_few_values_say_how_many_there_are() -> None:
    found = measure_drift(counted(5000, 5000), counted(10, 100))
    assert "110 values" in found.reason


def test_a_skipped_feature_keeps_its_distributions_and_the_reason() -> None:
    found = skip_drift(counted(1000, 0), counted(0, 1000), "it is the calendar")
    assert (found.level, found.reason) == ("skipped", "it is the calendar")
    assert found.observed.counts == (0, 1000)


def test_different_bins_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different bins"):
        measure_drift(counted(1, 2), counted(1, 2, 3))
