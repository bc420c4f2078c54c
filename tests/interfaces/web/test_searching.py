import pytest
from starlette.datastructures import QueryParams

from lineal.errors import InvalidInput
from lineal.interfaces.web.pages import Visit
from lineal.interfaces.web.searching import equals, typed, where_of
from lineal.records.filter import parse_filter, quoted


def visit(**words: str) -> Visit:
    return Visit(workspace=None, address="/runs", now=0, query=QueryParams(words))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["metrics.auc > 0.9", "status = failed or tags.stage = 'x'", "params.depth in (3, 4)", "not mistake", "metrics.auc"])
def test_a_filter_stays_as_it_is(text: str) -> None:
    assert typed(text) == text


@pytest.mark.parametrize("text", ["prepare", "linear model", "3f2a", "train.py", "it's", "a\\b", "--lr", "100%", "and"])
def test_plain_words_are_looked_for(text: str) -> None:
    found = typed(text)
    assert " like " in found
    assert parse_filter(found) is not None


@pytest.mark.parametrize("text", ["metrics.auc >", "(a = 1", "a = "])
def test_a_broken_filter_is_told(text: str) -> None:
    with pytest.raises(InvalidInput, match="cannot read the filter"):
        where_of(visit(where=text))


def test_words_of_the_address_add_up() -> None:
    assert where_of(visit(where="a = 1 or b = 2", status="failed")) == "(a = 1 or b = 2) and status = 'failed'"
    assert where_of(visit()) == ""


def test_mistakes_are_shown_on_demand() -> None:
    assert "mistake" in where_of(visit(mistakes="1"))
    assert where_of(visit(mistakes="1", where="mistake = 'x'")) == "(mistake = 'x')"


@pytest.mark.parametrize("text", ["it's", 'say "so"', "back\\slash", "new\nline", "%_"])
def test_quoting_holds(text: str) -> None:
    found = parse_filter(f"name = {quoted(text)}")
    assert found is not None
    assert found.values[0].text == text  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [4, 0.1, 1e-9, True, "huber", "it's"])
def test_a_value_becomes_a_filter(value: object) -> None:
    assert parse_filter(equals("params", "a key", value)) is not None
