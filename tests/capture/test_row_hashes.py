from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.capture.row_hashes import column_hashes, row_set, shared_rows
from lineal.errors import InvalidInput

GOLDEN = "944e4258b1b2dd56cfc2b92371ad9d80c23a469a76d02386"
"""Worked out from docs/design/formats.md by hand."""

FRAME = pd.DataFrame({"delay": [1.0, -0.0, np.nan, 4.5], "carrier": ["AA", "UA", None, "AA"], "day": [1, 2, 3, 1 << 60]})


def hashes(values: Any) -> list[int]:
    return [int(found) for found in column_hashes(values)]


def test_the_same_table_has_the_same_rows_in_every_library() -> None:
    expected = row_set(FRAME).encode()
    table = pa.Table.from_pandas(FRAME)
    assert row_set(table).encode() == expected
    assert row_set(pl.from_pandas(FRAME)).encode() == expected
    assert row_set(FRAME.convert_dtypes()).encode() == expected
    assert row_set(FRAME.astype({"carrier": "category"})).encode() == expected
    assert row_set(table.to_pandas(types_mapper=pd.ArrowDtype)).encode() == expected
    assert row_set([list(row) for row in FRAME.itertuples(index=False)]).encode() == expected


def test_an_array_has_the_rows_of_the_frame_it_was_made_of() -> None:
    numbers = FRAME[["delay"]].assign(day=[1, 2, 3, 4])
    assert row_set(numbers).encode() == row_set(numbers.to_numpy()).encode()
    assert row_set(np.zeros((2, 3, 4))).columns == tuple(map(str, range(12)))


def test_neither_order_nor_repetition_changes_the_rows_but_columns_count_in_their_order() -> None:
    shuffled = pd.concat([FRAME, FRAME.iloc[:2]]).sample(frac=1, random_state=1)
    found = row_set(shuffled)
    assert (found.rows, len(found.hashes)) == (6, 4)
    assert list(found.hashes) == list(row_set(FRAME).hashes)
    assert shared_rows(row_set(FRAME).encode(), row_set(FRAME[["carrier", "delay", "day"]]).encode()) == (1, 4)  # one has twice the same in front


def test_equal_values_hash_alike_and_different_ones_do_not() -> None:
    assert hashes(np.array([1, 0], dtype=np.int32)) == hashes(np.array([1.0, -0.0])) == hashes(np.array([True, False])) == hashes([1, 0.0])
    assert hashes(np.array(["a", None, "é"], dtype=object))[0] == hashes(np.array(["a"]))[0]
    assert hashes(np.array([None, float("nan"), pd.NA, pd.NaT], dtype=object)) == [hashes(np.array([np.nan]))[0]] * 4
    different: list[Any] = [0, 1, 2, 0.5, "1", "", b"1", Decimal("0.1"), dt.date(2013, 1, 1), 1 << 70, (1 << 60) + 1, 1 << 60, None]
    assert len(set(hashes(np.array(different, dtype=object)))) == len(different)


def test_moments_hash_alike_in_every_unit_and_zone() -> None:
    plain = pd.to_datetime(pd.Series(["2013-01-01", None]))
    assert hashes(plain) == hashes(plain.to_numpy().astype("datetime64[s]")) == hashes(plain.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))


@given(st.lists(st.one_of(st.none(), st.integers(-(2**70), 2**70), st.floats(), st.text(), st.binary(max_size=8)), max_size=20))
def test_a_value_hashes_alike_alone_and_among_others(values: list[Any]) -> None:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    together = hashes(column)
    for value, found in zip(values, together, strict=True):
        one = np.empty(1, dtype=object)
        one[0] = value
        assert hashes(one) == [found]


def test_shared_rows_are_counted() -> None:
    train = row_set(np.arange(1000).reshape(-1, 2)).encode()
    test = row_set(np.array([[0, 1], [2, 3], [2, 3], [7, 7]])).encode()
    assert shared_rows(test, train) == (2, 3)
    assert shared_rows(row_set(np.zeros((0, 2))).encode(), train) == (0, 0)


def test_labels_are_known_by_their_digest() -> None:
    assert row_set(FRAME, [1, 0, 1, 0]).labels == row_set(FRAME, np.array([1.0, 0.0, 1.0, 0.0])).labels != row_set(FRAME, [0, 0, 1, 0]).labels
    with pytest.raises(InvalidInput, match="4 rows and 3 labels"):
        row_set(FRAME, [1, 0, 1])
    with pytest.raises(InvalidInput, match="no rows"):
        row_set(object())


def test_rows_are_kept_in_the_documented_bytes() -> None:
    column = np.empty(3, dtype=object)
    column[:] = ["a", None, 1 << 60]
    data = row_set(pd.DataFrame({"number": [1.0, -0.0, np.nan], "other": column}), [1, 0, 1]).encode()
    assert data[:32].hex() == "4c4e4c520100000003000000000000000300000000000000" + "02000000" + "00000000"
    assert data[32:].hex() == GOLDEN
