from __future__ import annotations

import json
from typing import Any

import pytest

from lineal.records.model import Column, Signature
from lineal.serving.requests import Problem, RequestReader

SIGNATURE = Signature(
    inputs=(
        Column(name="carrier", type="string"),
        Column(name="arr time", type="float"),
        Column(name="stops", type="int", required=False),
        Column(name="rain", type="bool", required=False),
    ),
    outputs=(),
)
GOOD = {"carrier": "AA", "arr time": 915, "stops": 1, "rain": False}


def read(body: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RequestReader(SIGNATURE, "delay@1").read(data)


def problem(body: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        read(body)
    return caught.value


def test_rows_become_columns_in_the_signature_s_order() -> None:
    request = read({"instances": [GOOD, {"arr time": 2.5, "carrier": "UA", "rain": None}]})
    assert request.rows == 2
    assert {name: list(values) for name, values in request.columns.items()} == {
        "carrier": ["AA", "UA"],
        "arr time": [915.0, 2.5],
        "stops": [1, None],
        "rain": [False, None],
    }
    assert request.event is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2013-04-01T10:00:00", 1_364_810_400_000_000),
        ("2013-04-01T12:00:00+02:00", 1_364_810_400_000_000),
        ("2013-04-01", 1_364_774_400_000_000),
        (1_364_810_400_000_001, 1_364_810_400_000_001),
        (["2013-04-01T10:00:00.5Z"], 1_364_810_400_500_000),
    ],
)
def test_event_times_are_iso_texts_or_microseconds(given: Any, expected: int) -> None:
    assert read({"instances": [GOOD], "event_time": given}).event == [expected]


@pytest.mark.parametrize("given", ["yesterday", 1_364_810_400, 1_364_810_400_000, [1_364_810_400_000_000] * 2, 1.5, {}, [None], -5])
def test_another_event_time_is_refused(given: Any) -> None:
    assert problem({"instances": [GOOD], "event_time": given}).kind == "bad-event-time"


def test_one_message_names_everything_that_is_wrong() -> None:
    error = problem({"instances": [GOOD, {"carrier": 7, "colour": "red"}]})
    assert error.message.startswith(
        "missing arr time; unknown colour; wrong type of carrier (expected string, got 7): the model delay@1 takes 4 features"
    )
    assert [item["kind"] for item in error.errors] == ["missing-feature", "unknown-feature", "wrong-type"]
    assert error.kind == "missing-feature"
    assert error.status == 422


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"arr time": None}, "missing-feature"),
        ({"arr time": "915"}, "wrong-type"),
        ({"arr time": True}, "wrong-type"),
        ({"stops": 1.5}, "wrong-type"),
        ({"stops": "1"}, "wrong-type"),
        ({"rain": 1}, "wrong-type"),
        ({"carrier": ["AA"]}, "wrong-type"),
        ({"extra": 1}, "unknown-feature"),
    ],
)
def test_each_kind_of_misfit_is_told(change: dict[str, Any], kind: str) -> None:
    assert problem({"instances": [{**GOOD, **change}]}).kind == kind


def test_a_whole_float_is_an_integer() -> None:
    assert list(read(b'{"instances": [{"carrier": "AA", "arr time": 1, "stops": 2.0}]}').columns["stops"]) == [2]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b'{"instances": [{"carrier": "AA", "arr time": NaN}]}', "malformed"),
        (b'{"instances": [{"carrier": "AA", "arr time": 1e999}]}', "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[]", "malformed"),
        (b"null", "malformed"),
        (b'{"rows": []}', "malformed"),
        (b'{"instances": {}}', "malformed"),
        (b'{"instances": [1]}', "malformed"),
        (b'{"instances": [], "more": 1}', "malformed"),
        (b'{"instances": []}', "no-instances"),
    ],
)
def test_a_body_of_another_shape_is_told(body: bytes, kind: str) -> None:
    assert problem(body).kind == kind


def test_too_many_rows_are_refused() -> None:
    error = problem({"instances": [GOOD] * 16_385})
    assert (error.kind, error.status) == ("too-many-instances", 413)


def test_keys_name_the_callers_own_rows() -> None:
    signature = Signature(inputs=(Column(name="x", type="float"),), outputs=(Column(name="y", type="float"),))
    reader = RequestReader(signature, "m@1")
    assert reader.read(b'{"instances": [{"x": 1}, {"x": 2}], "keys": ["a:1", "a:2"]}').keys == ["a:1", "a:2"]
    for keys in (b'["a"]', b"[1, 2]", b'"ab"', b'["a", "' + b"b" * 300 + b'"]'):
        with pytest.raises(Problem) as caught:
            reader.read(b'{"instances": [{"x": 1}, {"x": 2}], "keys": ' + keys + b"}")
        assert caught.value.kind == "bad-keys"
