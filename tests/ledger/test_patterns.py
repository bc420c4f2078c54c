"""What MLflow's door asks of runs and no text of Lineal's own can say: patterns in which case counts, and what clients said of data."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.ledger.test_search import PROJECT, add

from lineal.ledger.database import Ledger
from lineal.ledger.runs import search_runs
from lineal.records.filter import ATTRIBUTES, LOGGED_INPUTS, PARAMS, TAGS, Comparison, Field, Literal

LOGGED = {"name": "Train", "digest": "d%1", "context": "training", "profile": '{"name": "other"}', "tags": {}}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    sqlite = request.param == "sqlite"
    ledger = Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('patterns') / 'ledger.db'}" if sqlite else request.getfixturevalue("new_database")())
    with ledger.write() as connection:
        told = {"lineal.input.Train.d%1": json.dumps(LOGGED)}
        add(connection, "a", params={"opt": "Adam*[x]"}, metrics={"auc": 0.5}, tags={"team": "no JSON", **told})
        add(connection, "b", params={"opt": "adam_?"}, metrics={"auc": float("nan")}, tags={"lineal.inputs": "no JSON"})
        add(connection, "c", params={"opt": "50\\%"})
    yield ledger
    ledger.close()


def found(ledger: Ledger, section: str, key: str, how: str, *texts: str) -> str:
    wanted = Comparison(field=Field(section=section, key=key), operator=how, values=tuple(Literal(text=text, quoted=True) for text in texts))
    with ledger.read() as connection:
        return "".join(run.id[0] for run in search_runs(connection, PROJECT, where=wanted, order="number").runs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ad%", "a"),
        ("ad%", "b"),
        ("%[x]", "a"),
        ("adam%_", "b"),
        ("_dam%", "ab"),
        ("50\\%", "c"),
        ("50%", "c"),
        ("*", ""),
        ("????????", ""),
        ("[A]%", ""),
    ],
)
def test_case_counts_and_only_two_letters_stand_for_others(filled: Ledger, text: str, expected: str) -> None:
    assert found(filled, PARAMS, "opt", "like case", text) == expected


def test_case_counts_in_tags_and_attributes_too(filled: Ledger) -> None:
    assert (found(filled, TAGS, "team", "like case", "no%"), found(filled, TAGS, "team", "like case", "NO%")) == ("a", "")
    assert (found(filled, ATTRIBUTES, "name", "like case", "run-%"), found(filled, ATTRIBUTES, "name", "like case", "RUN-%")) == ("abc", "")


@pytest.mark.parametrize(
    ("key", "how", "texts", "expected"),
    [
        ("name", "=", ["Train"], "a"),
        ("name", "=", ["train"], ""),
        ("name", "!=", ["Train"], ""),
        ("name", "in", ["x", "Train"], "a"),
        ("name", "like", ["tr%"], "a"),
        ("name", "like case", ["tr%"], ""),
        ("name", "=", ["other"], ""),
        ("digest", "=", ["d%1"], "a"),
        ("context", "=", ["training"], "a"),
    ],
)
def test_runs_are_found_by_what_clients_said_of_data(filled: Ledger, key: str, how: str, texts: list[str], expected: str) -> None:
    assert found(filled, LOGGED_INPUTS, key, how, *texts) == expected


def test_what_is_not_a_number_stands_between_numbers_and_nothing(filled: Ledger) -> None:
    with filled.read() as connection:
        for order in ("metrics.auc desc", "metrics.auc asc"):
            page = search_runs(connection, PROJECT, order=order).runs
            assert "".join(run.id[0] for run in page) == "abc"
