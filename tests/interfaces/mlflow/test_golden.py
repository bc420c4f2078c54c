"""The same requests to MLflow's server and to ours: what differs is said in docs/mlflow.md, and nothing else differs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.interfaces.mlflow.exchanges import differences, told
from tests.interfaces.mlflow.golden import SECTIONS, everything, kept, said_at
from tests.interfaces.mlflow.test_routes import Server

PAGE = Path(__file__).parents[3] / "docs" / "mlflow.md"
THEIRS = kept()


def _table(heading: str) -> dict[str, tuple[str, str]]:
    """Of a table of the page, by what stands first in a row: what MLflow says, and what ours."""
    part = PAGE.read_text(encoding="utf-8").partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): (row[1], row[2]) for row in rows}


REQUESTS, FIELDS = _table("Requests"), _table("Fields")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def ours(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ours says to every exchange, over either database."""
    database = "" if request.param == "sqlite" else request.getfixturevalue("new_database")()
    server = Server(tmp_path_factory.mktemp("golden") / "server", database=database)
    found = everything(server.ask)
    server.hosting.close()
    return found


def _differing(ours: dict[str, Any]) -> dict[str, list[str]]:
    """Where answers differ, but for the fields that the page names."""
    found = {name: [place for place in differences(theirs, ours[name]) if not _is_known(place)] for name, theirs in THEIRS.items()}
    return {name: places for name, places in found.items() if places}


def _is_known(place: str) -> bool:
    return any(place.endswith(f".{field}") for field in FIELDS)


@pytest.mark.parametrize("section", SECTIONS)
def test_ours_answers_as_mlflow_does(section: str, ours: dict[str, Any]) -> None:
    names = {exchange.name for exchange in SECTIONS[section]}
    assert names <= THEIRS.keys()
    assert {name: places for name, places in _differing(ours).items() if name in names and name not in REQUESTS} == {}


def test_each_difference_that_the_page_names_is_there(ours: dict[str, Any]) -> None:
    assert set(REQUESTS) - _differing(ours).keys() == set()
    assert {name: (told(THEIRS[name]), told(ours[name])) for name in REQUESTS} == REQUESTS


def test_each_field_that_the_page_names_differs(ours: dict[str, Any]) -> None:
    places = {place for name, theirs in THEIRS.items() for place in differences(theirs, ours[name])}
    assert {field for field in FIELDS if not any(place.endswith(f".{field}") for place in places)} == set()
    assert FIELDS


def test_a_difference_is_found_wherever_it_is() -> None:
    assert differences({"a": [{"b": 1}]}, {"a": [{"b": 2}]}) == ["a[].b"]
    assert differences({"a": [1]}, {"a": [1, 2]}) == ["a"]
    assert differences({"a": 1}, {"a": 1.0}) == ["a"]
    assert differences({}, {"a": None}) == []
    assert re.fullmatch(r"\d+ INVALID_PARAMETER_VALUE", told(THEIRS["a run without an id"]))


def test_mlflow_still_says_what_is_kept(mlflow_server: str) -> None:
    assert said_at(mlflow_server) == THEIRS
