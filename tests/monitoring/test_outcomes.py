from __future__ import annotations

from typing import Any

import pytest

from lineal.errors import InvalidInput
from lineal.monitoring.outcomes import read_outcomes, typed_truths
from lineal.records.model import Signature

A = "018bcfe5-6800-7000-8000-00000000000a"
B = "018bcfe5-6800-7000-8000-00000000000b"


def signature(task: str = "classification", classes: tuple[Any, ...] = (0, 1)) -> Signature:
    return Signature(inputs=(), outputs=(), task=task, classes=classes)


def labels(text: str, found: Signature) -> list[Any]:
    return [truth.label for truth in typed_truths(read_outcomes(text.encode(), "t.csv"), found, "t.csv")]


def refused(data: bytes | str, found: Signature | None = None) -> InvalidInput:
    raw = data.encode() if isinstance(data, str) else data
    with pytest.raises(InvalidInput) as caught:
        typed_truths(read_outcomes(raw, "t.csv"), found or signature(), "t.csv")
    assert caught.value.kind == "bad-truth-file"
    assert caught.value.hint
    return caught.value


def test_a_table_is_read_with_its_times_and_other_columns_passed_over() -> None:
    rows = read_outcomes(
        f"label,note, prediction_id,known_at\r\n1,x,{A.upper()},2013-04-15T12:00:00Z\r\n\r\n0,,{B},\r\n0,,{B},1366027200000000\r\n".encode(), "t.csv"
    )
    assert [(row.line, row.id, row.label, row.known_at) for row in rows] == [
        (2, A, "1", 1366027200000000),
        (4, B, "0", None),
        (5, B, "0", 1366027200000000),
    ]


def test_a_time_without_offset_is_utc() -> None:
    rows = read_outcomes(f"prediction_id,label,known_at\n{A},1,2013-04-15 14:00+02:00\n{A},1,2013-04-15 12:00\n".encode(), "t.csv")
    assert {row.known_at for row in rows} == {1366027200000000}


def test_a_mark_of_byte_order_is_no_part_of_the_first_column() -> None:
    assert read_outcomes(b"\xef\xbb\xbfprediction_id,label\n" + A.encode() + b",1\n", "t.csv")[0].id == A


@pytest.mark.parametrize(
    ("found", "text", "wanted"),
    [
        (signature(), "1", 1),
        (signature(), "0.0", 0),
        (signature(classes=(False, True)), "True", True),
        (signature(classes=(False, True)), "0", False),
        (signature(classes=("no", "yes")), "yes", "yes"),
        (signature(classes=(0.0, 1.5)), "1.5", 1.5),
        (signature("regression", ()), "-2.5", -2.5),
        (signature("other", ()), "3", 3),
        (signature("classification", ()), "late", "late"),
    ],
)
def test_labels_get_the_type_of_the_models_answers(found: Signature, text: str, wanted: Any) -> None:
    (label,) = labels(f"prediction_id,label\n{A},{text}\n", found)
    assert label == wanted
    assert type(label) is type(wanted)


def test_a_missing_column_names_the_ones_that_are_there() -> None:
    error = refused(f"prediction_id,late\n{A},1\n")
    assert "no column label" in error.message
    assert "prediction_id, late" in error.message
    assert "prediction_id,label" in error.hint
    assert "no column prediction_id and no column label" in refused("a,b\n1,2\n").message


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_said_to_be_empty(data: bytes) -> None:
    assert "t.csv is empty" in refused(data).message


def test_a_head_alone_has_no_rows() -> None:
    assert read_outcomes(b"prediction_id,label\n", "t.csv") == []


def test_bytes_that_are_not_utf8_are_found_by_line() -> None:
    assert "line 3 of t.csv is not UTF-8" in refused(b"prediction_id,label\n" + A.encode() + b",1\n\xff,1\n").message


def test_malformed_rows_are_named_by_line_and_nothing_is_taken() -> None:
    error = refused(f"prediction_id,label,known_at\n{A},1,\n{B}\n,1,\n{A},,\n{A},1,yesterday\n{A},1,,\n")
    assert "5 rows" in error.message
    for part in ("line 3: 1 fields instead of 3", "line 4: no prediction_id", "line 5: no label", "line 6: known_at 'yesterday'", "line 7: 4 fields"):
        assert part in error.message


def test_many_bad_rows_are_counted_and_the_first_shown() -> None:
    error = refused("prediction_id,label\n" + f"{A}\n" * 50)
    assert "50 rows" in error.message
    assert "and 45 more" in error.message


def test_a_label_of_another_type_is_explained() -> None:
    error = refused(f"prediction_id,label\n{A},1\n{B},late\n")
    assert "line 3: 'late'" in error.message
    assert "one of 0, 1" in error.message
    assert "a number" in refused(f"prediction_id,label\n{A},nan\n", signature("regression", ())).message


def test_an_open_quote_is_no_csv() -> None:
    assert "is no CSV" in refused(f'prediction_id,label\n"{A},1\n').message


def test_a_zero_byte_is_no_crash() -> None:
    assert "line 2" in refused(b"prediction_id,label\n" + A.encode() + b",\x00\n").message


@pytest.mark.parametrize("text", ["1366027200", "1366027200000", "20130415", "-5", "1" + "0" * 30])
def test_a_number_that_is_not_in_microseconds_is_no_time(text: str) -> None:
    assert "is no time" in refused(f"prediction_id,label,known_at\n{A},1,{text}\n").message
