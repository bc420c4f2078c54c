from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.records.result_text import column_types, result_lines

VALUES: dict[str, Any] = {
    "": None,
    "true": True,
    "7": 7,
    "7.0": 7.0,
    "0.1": 0.1,
    "1e+22": 1e22,
    "NaN": float("nan"),
    "-Infinity": float("-inf"),
    "1.10": Decimal("1.10"),
    '"Oslo"': "Oslo",
    '"a ""b"", c"': 'a "b", c',
    '""': "",
    "x'00ff'": b"\x00\xff",
    "2013-01-31": dt.date(2013, 1, 31),
    "2013-01-31T12:00:00": dt.datetime(2013, 1, 31, 12),  # noqa: DTZ001 - databases give moments without a zone, too
    "2013-01-31T03:00:00+00:00": dt.datetime(2013, 1, 31, 12, tzinfo=dt.timezone(dt.timedelta(hours=9))),
    "PT90.500000S": dt.timedelta(minutes=1, seconds=30, milliseconds=500),
    "12345678-1234-5678-1234-567812345678": UUID("12345678-1234-5678-1234-567812345678"),
    '"{""a"":[1,null],""b"":""ü""}"': {"b": "ü", "a": [1, None]},
}


@pytest.mark.parametrize("text", VALUES)
def test_a_value_is_written_by_its_type_as_the_format_says(text: str) -> None:
    assert b"".join(result_lines(["v"], [[VALUES[text]]])) == f'"v"\n{text}\n'.encode()


def test_equal_values_of_other_classes_are_written_alike() -> None:
    class Text(str):
        __slots__ = ()

    class Number(int):
        pass

    assert b"".join(result_lines(["a", "b", "c"], [[Text("x"), Number(3), memoryview(b"\x01")]])) == b'"a","b","c"\n"x",3,x\'01\'\n'


@given(st.lists(st.tuples(st.one_of(st.none(), st.text(st.characters(codec="utf-8"))), st.integers(), st.floats(allow_nan=False)), max_size=2500))
def test_any_program_that_reads_csv_reads_it(rows: list[tuple[str | None, int, float]]) -> None:
    text = b"".join(result_lines(["text", "int", "float"], rows)).decode()
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found[0] == ["text", "int", "float"]
    expected = [[name or "", str(whole), repr(part).replace("inf", "Infinity")] for name, whole, part in rows]
    assert found[1:] == expected


def test_a_column_is_called_by_its_first_value_that_is_there() -> None:
    assert column_types(["a", "b"], [(None, None), (1, None)]) == [("a", "int"), ("b", "")]
