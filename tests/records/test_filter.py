from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.errors import InvalidInput
from lineal.records.filter import Comparison, Every, Not, Some, parse_filter, parse_order


def test_and_binds_closer_than_or_and_not_closest() -> None:
    found = parse_filter("a = 1 or b = 2 and not c = 3")
    assert isinstance(found, Some)
    assert isinstance(found.items[1], Every)
    assert isinstance(found.items[1].items[1], Not)


def test_parentheses_come_first() -> None:
    found = parse_filter("(a = 1 or b = 2) and c = 3")
    assert isinstance(found, Every)
    assert isinstance(found.items[0], Some)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 'it''s'", "it's"),
        (r"a = 'it\'s'", "it's"),
        ('a = "x y"', "x y"),
        ("a = run-3f2a", "run-3f2a"),
        ("a = 3f2a", "3f2a"),
        ("a=b/c.csv", "b/c.csv"),
        ("a = 'ä\n'", "ä\n"),
        ("a = ''", ""),
    ],
)
def test_texts_are_read_as_they_are_meant(text: str, expected: str) -> None:
    found = parse_filter(text)
    assert isinstance(found, Comparison)
    assert found.values[0].text == expected
    assert found.values[0].number is None


@pytest.mark.parametrize(("text", "number"), [("a>-1.5e-3", -0.0015), ("a=.5", 0.5), ("a <= 3.", 3.0), ("a = inf", float("inf")), ("a=+2", 2.0)])
def test_numbers_are_read(text: str, number: float) -> None:
    found = parse_filter(text)
    assert isinstance(found, Comparison)
    assert found.values[0].number == number


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("auc >", 6),
        ("auc > and", 7),
        ("auc > 1 extra", 9),
        ("(auc > 1", 9),
        ("auc > 1)", 8),
        ("> 3", 1),
        ("auc ! 3", 5),
        ("a = 'open", 5),
        ("a in 3", 6),
        ("a in (3", 8),
        ("a not 3", 7),
        ("metrics. > 3", 1),
        ("a is 3", 6),
        ("and", 1),
        ("a = 1 or", 9),
    ],
)
def test_an_error_points_at_its_column(text: str, column: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_filter(text)
    assert f"at column {column}:" in caught.value.message
    assert caught.value.hint.split("\n")[1].index("^") == column + 1
    assert caught.value.kind == "bad-filter"


def test_too_many_parentheses_are_refused_instead_of_crashing() -> None:
    with pytest.raises(InvalidInput, match="at most 100"):
        parse_filter("(" * 5000 + "a = 1" + ")" * 5000)


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_an_error_of_ours(text: str) -> None:
    parsers: dict[str, Callable[[str], object]] = {"bad-filter": parse_filter, "bad-order": parse_order}
    for kind, parse in parsers.items():
        try:
            parse(text)
        except InvalidInput as error:
            assert (error.kind, bool(error.message)) == (kind, True)  # noqa: PT017 - not every text is refused


def test_an_order_without_a_name_is_refused() -> None:
    for text in ("-", "a b c", "name down"):
        with pytest.raises(InvalidInput) as caught:
            parse_order(text)
        assert caught.value.kind == "bad-order"
