from __future__ import annotations

import math

import pytest

from lineal.monitoring.detectors.psi import psi


def test_it_is_what_is_computed_by_hand() -> None:
    by_hand = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.7 - 0.5) * math.log(0.7 / 0.5)
    assert psi([50, 50], [30, 70]) == pytest.approx(by_hand, abs=1e-15)
    assert by_hand == pytest.approx(0.169460, abs=1e-6)


def test_an_emptied_bin_counts_as_a_ten_thousandth() -> None:
    assert psi([500, 500], [1000, 0]) == pytest.approx(0.5 * math.log(2) + (1e-4 - 0.5) * math.log(1e-4 / 0.5))


def test_one_lost_value_in_an_empty_bin_is_nothing() -> None:
    assert psi([10_000, 0], [9_999, 1]) < 1e-7
