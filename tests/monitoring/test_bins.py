from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.monitoring.bins import bin_codes, describe, interval_labels, observe, observe_groups, quantile_edges

anything = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=3), st.binary(max_size=2))


@given(st.lists(anything))
def test_every_value_of_any_column_lies_in_exactly_one_bin(values: list[Any]) -> None:
    found = describe("x", values)
    assert found.total == len(values)
    assert len(found.labels) == len(found.counts)
    assert found.labels[-1] == "missing"


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1))
def test_a_column_seen_again_gives_the_same_counts(values: list[float | None]) -> None:
    bins = describe("x", values)
    assert observe(values, bins) == bins
    assert observe(values[::-1], bins) == bins


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_edges_ascend_and_no_outer_bin_is_empty(values: list[float]) -> None:
    edges = quantile_edges(np.array(values))
    assert list(edges) == sorted(set(edges))
    assert len(edges) <= 9
    assert all(min(values) <= edge < max(values) for edge in edges)
    assert len(set(interval_labels(edges))) == len(edges) + 2


def test_deciles_of_a_continuous_column_hold_a_tenth_each() -> None:
    found = describe("x", np.random.default_rng(0).normal(size=10_000))
    assert found.kind == "numeric"
    assert found.counts[:-1] == (1000,) * 10


def test_a_column_of_mostly_zeros_keeps_its_tail_apart() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(1, 100, 100)])
    found = describe("x", values)
    assert found.labels[0] == "≤ 0"
    assert found.counts[0] == 900
    assert max(found.counts[1:]) <= 20


def test_a_heavy_value_in_the_middle_has_a_bin_of_its_own() -> None:
    values = np.concatenate([np.linspace(-1, -0.001, 500), np.full(4000, 5.5), np.linspace(6, 7, 500)])
    found = describe("x", values)
    assert 4000 in found.counts


def test_whole_numbers_of_few_values_are_counted_by_value() -> None:
    found = describe("month", [1, 2, 2, None])
    assert (found.labels, found.counts) == (("1", "2", "other", "missing"), (1, 2, 0, 1))
    assert observe(np.array([4.0, 2.0, math.nan]), found).counts == (0, 1, 1, 1)
    assert observe(["2", 2.0, True], found).counts == (1, 2, 0, 0)


def test_more_than_twelve_whole_values_get_edges() -> None:
    assert describe("hour", list(range(13)) * 10).kind == "numeric"


@pytest.mark.parametrize("values", [[True, False, True, None], np.array([True, False, True])])
def test_truth_values_are_false_and_true_also_when_sent_as_numbers(values: Any) -> None:
    found = describe("late", values)
    assert found.labels == ("false", "true", "other", "missing")
    assert found.counts[:2] == (1, 2)
    assert observe([0, 1, 1.0, "true"], found).counts == (1, 3, 0, 0)


def test_the_commonest_categories_are_named_and_the_rest_is_other() -> None:
    values = [f"c{number:02d}" for number in range(30) for _ in range(number + 1)]
    found = describe("carrier", values)
    assert found.labels[0] == "c29"
    assert len(found.labels) == 13
    assert found.counts[-2] == sum(range(1, 20))


def test_a_column_of_names_has_no_categories() -> None:
    found = describe("id", [f"user-{number}" for number in range(1000)])
    assert (found.labels, found.counts) == (("other", "missing"), (1000, 0))


def test_categories_called_other_or_missing_are_not_mixed_up() -> None:
    found = describe("x", ["other", "other", "missing", None])
    assert found.counts == (2, 1, 0, 1)


def test_a_constant_column_shows_a_change_of_its_constant() -> None:
    found = describe("x", np.full(50, 1.5))
    assert found.labels == ("1.5", "other", "missing")
    assert observe([1.5, 2.5], found).counts == (1, 1, 0)


def test_a_column_with_nothing_in_it_shows_when_something_comes() -> None:
    found = describe("x", [None, None])
    assert observe([1.0, None], found).counts == (1, 1)


def test_infinities_lie_in_the_outer_bins() -> None:
    bins = describe("x", np.linspace(0, 1, 100))
    assert bin_codes([-math.inf, math.inf], bins).tolist() == [0, 9]


def test_text_in_a_numeric_column_is_missing() -> None:
    bins = describe("x", np.linspace(0, 1, 100))
    assert observe(["abc", "0.05", None], bins).counts[-1] == 2


def test_lists_as_values_are_counted_by_their_text() -> None:
    found = describe("embedding", [[1, 2], [1, 2], [3]])
    assert found.total == 3


def test_columns_of_data_frames_are_read() -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": pd.array([1, None, 2], dtype="Int64"), "b": pd.Categorical(["x", None, "x"]), "c": [0.5, None, 0.7]})
    assert describe("a", frame["a"]).counts == (1, 1, 0, 1)
    assert describe("b", frame["b"]).counts == (2, 0, 1)
    assert describe("c", frame["c"]).counts[-1] == 1


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 2)), min_size=1))
def test_counts_by_group_add_up_to_the_counts_of_the_groups(rows: list[tuple[str | None, int]]) -> None:
    values, groups = [value for value, _group in rows], np.array([group for _value, group in rows])
    bins = describe("x", values)
    found = observe_groups(values, bins, groups, 3)
    for group in range(3):
        mine = [value for value, where in rows if where == group]
        assert found[group].tolist() == list(observe(mine, bins).counts)
