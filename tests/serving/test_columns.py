from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lineal.serving.columns import decode_columns, encode_columns, join_columns

VALUES = st.one_of(
    st.lists(st.floats(allow_nan=False) | st.none()),
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1)),
    st.lists(st.booleans()),
    st.lists(st.text() | st.none()),
    st.lists(st.text() | st.integers(0, 9) | st.none()),
)


def same(before: list[Any], after: list[Any]) -> bool:
    return [None if isinstance(value, float) and math.isnan(value) else value for value in after] == before


@given(VALUES)
def test_what_goes_in_comes_out(values: list[Any]) -> None:
    found = decode_columns(encode_columns({"a": values}))["a"].tolist()
    assert same([float(value) if isinstance(value, float) else value for value in values], found)


def test_many_categories_are_kept_apart() -> None:
    values = [f"tail {number % 70_000}" for number in range(80_000)]
    assert decode_columns(encode_columns({"a": [*values, None]}))["a"].tolist() == [*values, None]


def test_parts_of_different_types_are_joined() -> None:
    numbers = join_columns([np.array([1, 2]), np.array([0.5])])
    assert numbers.tolist() == [1.0, 2.0, 0.5]
    mixed = join_columns([np.array([1.0]), np.array(["x", None], dtype=object)])
    assert mixed.tolist() == [1.0, "x", None]
    assert join_columns([]).tolist() == []
