"""The laws that every detector keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.monitoring.detectors import DETECTORS
from lineal.monitoring.detectors.interface import Detector

counts = st.integers(2, 12).flatmap(lambda size: st.lists(st.integers(0, 10_000), min_size=size, max_size=size).filter(any))
pairs = st.integers(2, 12).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(0, 10_000), min_size=size, max_size=size).filter(any) for _ in range(2)])
)


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS.keys())
class TestDetectorContract:
    def test_it_goes_by_its_name(self, detector: Detector) -> None:
        assert DETECTORS[detector.name] is detector
        assert 0 < detector.moderate < detector.large

    @given(counts=counts)
    def test_equal_distributions_are_at_no_distance(self, detector: Detector, counts: list[int]) -> None:
        assert detector.distance(counts, counts) == pytest.approx(0, abs=1e-12)

    @given(pair=pairs)
    def test_a_distance_is_finite_and_never_negative(self, detector: Detector, pair: tuple[list[int], list[int]]) -> None:
        found = detector.distance(*pair)
        assert math.isfinite(found)
        assert found >= 0

    @given(pair=pairs)
    def test_it_is_the_same_both_ways_where_it_says_so(self, detector: Detector, pair: tuple[list[int], list[int]]) -> None:
        if detector.symmetric:
            assert detector.distance(*pair) == pytest.approx(detector.distance(pair[1], pair[0]), abs=1e-12)

    @given(pair=pairs, seed=st.integers(0, 1000))
    def test_the_order_of_the_bins_does_not_matter(self, detector: Detector, pair: tuple[list[int], list[int]], seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(pair[0]))
        shuffled = [[int(side[place]) for place in order] for side in pair]
        assert detector.distance(*shuffled) == pytest.approx(detector.distance(*pair), abs=1e-12)
        assert detector.noise(*shuffled) == pytest.approx(detector.noise(*pair))

    @given(pair=pairs, times=st.integers(2, 50))
    def test_more_of_the_same_is_no_further_away_but_less_noisy(self, detector: Detector, pair: tuple[list[int], list[int]], times: int) -> None:
        more = [[times * count for count in side] for side in pair]
        assert detector.distance(*more) == pytest.approx(detector.distance(*pair), abs=1e-9)
        assert detector.noise(*more) <= detector.noise(*pair)

    @given(reference=st.lists(st.integers(100, 1000), min_size=3, max_size=10), moved=st.integers(1, 99))
    def test_it_grows_as_more_mass_moves(self, detector: Detector, reference: list[int], moved: int) -> None:
        def after(count: int) -> list[int]:
            return [reference[0] - count, reference[1] + count, *reference[2:]]

        assert detector.distance(reference, after(moved)) > detector.distance(reference, after(moved - 1)) - 1e-15

    def test_nothing_counted_is_no_number(self, detector: Detector) -> None:
        assert math.isnan(detector.distance([1, 2], [0, 0]))
        assert math.isnan(detector.noise([0, 0], [1, 2]))

    def test_the_noise_is_what_chance_gives_on_average(self, detector: Detector) -> None:
        random = np.random.default_rng(1)
        shares = np.array([0.1, 0.2, 0.3, 0.4])
        draws = [(random.multinomial(5000, shares), random.multinomial(2000, shares)) for _ in range(400)]
        found = np.mean([detector.distance(first.tolist(), second.tolist()) for first, second in draws])
        assert found == pytest.approx(detector.noise(*[side.tolist() for side in draws[0]]), rel=0.15)
