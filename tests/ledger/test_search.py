from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, update

from lineal.errors import InvalidInput
from lineal.ledger.database import Ledger
from lineal.ledger.graph import mark_deleted
from lineal.ledger.metric_rows import set_summary
from lineal.ledger.run_writes import begin_run, set_params
from lineal.ledger.runs import search_runs, set_tags, update_run
from lineal.ledger.schema import runs

PROJECT = "p" * 32
DAY = 86_400_000_000


def add(
    connection: Connection,
    letter: str,
    *,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str | None] | None = None,
    **columns: Any,
) -> str:
    run_id = letter * 32
    at = 1_700_000_000_000_000 + ord(letter) * DAY
    begin_run(connection, PROJECT, run_id, {"name": f"run-{letter}", "started": at, "pid": 1, "author": "ada", "command": ["python", "t.py"]})
    set_params(connection, PROJECT, run_id, params or {}, "recorded")
    set_summary(connection, project_id=PROJECT, run_id=run_id, values=metrics or {}, on="test")
    set_tags(connection, PROJECT, run_id, tags or {})
    if columns:
        connection.execute(update(runs).where(runs.c.id == run_id).values(columns))
    return run_id


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    sqlite = request.param == "sqlite"
    ledger = Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('search') / 'ledger.db'}" if sqlite else request.getfixturevalue("new_database")())
    with ledger.write() as connection:
        add(connection, "a", params={"depth": 4, "opt": "adam", "fast": True}, metrics={"auc": 0.61, "loss": 3.0}, tags={"team": "Flights"})
        add(connection, "b", params={"depth": 8, "opt": "sgd"}, metrics={"auc": 0.55}, tags={"team": "trains", "x y": "1"}, status="failed")
        add(connection, "c", params={"depth": 16, "depth2": 1}, metrics={"auc": 0.99}, status="finished", mistake="it leaks")
        add(
            connection,
            "d",
            params={"opt": "50%_off"},
            metrics={"auc": float("nan"), "val/loss": 0.2},
            status="finished",
            ended_at=1_800_000_000_000_000,
        )
        add(connection, "e", params={"depth": 4}, metrics={"auc": 0.7})
        mark_deleted(connection, ["e" * 32], 1)
    yield ledger
    ledger.close()


def found(ledger: Ledger, where: str = "", order: str = "number", limit: int = 100, offset: int = 0) -> str:
    with ledger.read() as connection:
        return "".join(run.id[0] for run in search_runs(connection, PROJECT, where=where, order=order, limit=limit, offset=offset).runs)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", "abd"),
        ("metrics.auc > 0.6", "a"),
        ("metrics.auc >= 0.55 and params.depth = 4", "a"),
        ("metrics.auc > 0.6 or params.depth = 8", "ab"),
        ("not metrics.auc > 0.6", "bd"),
        ("not (metrics.auc > 0.6 or params.depth = 8)", "d"),
        ("auc < 0.6", "b"),
        ("depth in (8, 16)", "b"),
        ("params.depth not in (8, 16)", "ad"),
        ("opt = adam", "a"),
        ("opt = 'adam'", "a"),
        ("params.opt != adam", "bd"),
        ("params.opt LIKE '%D%'", "ab"),
        ("params.fast = true", "a"),
        ("tags.team = Flights", "a"),
        ("team like 'fl%'", "a"),
        ("tags.`x y` = 1", "b"),
        ("status = failed", "b"),
        ("status in (failed, finished)", "bd"),
        ("name = 'run-a'", "a"),
        ("name = run-a", "a"),
        ("attributes.author = ada and number <= 2", "ab"),
        ("id = aaaa", "a"),
        ("mistake = true", "c"),
        ("mistake = true or mistake = false", "abcd"),
        ("mistake like '%leaks%'", "c"),
        ("mistake", "c"),
        ("tags.team", "ab"),
        ("tags.team is null", "d"),
        ("tags.team is not null", "ab"),
        ("ended_at is null", "ab"),
        ("ended_at > 2026-01-01", "d"),
        ("started_at > 2024-02-19T12:00", "abd"),
        ("started_at > '2030-01-01 12:00'", ""),
        ("started < 2024-02-20T12:00", "a"),
        ("duration > 10", "d"),
        ("metrics.auc = nan", "d"),
        ("metrics.auc != 0.61", "bd"),
        ("metrics.val/loss < 0.3", "d"),
        ("val/loss < 0.3", "d"),
        ("nothing > 3", ""),
        ("params.depth = '4'", "a"),
        ("metrics.loss = 3", "a"),
        ("metrics.loss < inf", "a"),
    ],
)
def test_a_filter_finds_the_runs_it_says(filled: Ledger, where: str, expected: str) -> None:
    assert found(filled, where) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("", "dba"),
        ("-metrics.auc", "abd"),
        ("metrics.auc", "bad"),
        ("auc desc", "abd"),
        ("-depth", "bad"),
        ("params.depth asc", "abd"),
        ("-opt", "bad"),
        ("tags.team", "abd"),
        ("-started_at", "dba"),
        ("status, -number", "bda"),
        ("-nothing", "dba"),
    ],
)
def test_an_order_is_kept_and_runs_without_the_key_come_last(filled: Ledger, order: str, expected: str) -> None:
    assert found(filled, order=order) == expected


@pytest.mark.parametrize("order", ["-auc", "depth", "name", ""])
def test_pages_cut_the_same_order(filled: Ledger, order: str) -> None:
    whole = found(filled, order=order)
    assert "".join(found(filled, order=order, limit=1, offset=place) for place in range(5)) == whole


def test_the_total_counts_all_that_match(filled: Ledger) -> None:
    with filled.read() as connection:
        assert search_runs(connection, PROJECT, limit=1).total == 3
        assert search_runs(connection, "q" * 32).total == 0


@pytest.mark.parametrize(
    ("where", "column"),
    [
        ("status = faild", 10),
        ("started_at > spring", 14),
        ("attributes.colour = 1", 1),
        ("number like 3", 13),
        ("tags.team > 3", 13),
        ("exit_code = bad", 13),
    ],
)
def test_what_makes_no_sense_for_a_field_is_told_with_its_column(filled: Ledger, where: str, column: int) -> None:
    with pytest.raises(InvalidInput, match=f"column {column}:") as caught:
        found(filled, where)
    assert caught.value.kind == "bad-filter"


def test_an_unknown_attribute_to_order_by_is_refused(filled: Ledger) -> None:
    with pytest.raises(InvalidInput) as caught:
        found(filled, order="attributes.colour")
    assert caught.value.kind == "bad-order"


def test_a_changed_run_is_found_by_what_it_is_now(ledger: Ledger) -> None:
    with ledger.write() as connection:
        add(connection, "a", tags={"team": "Flights"}, mistake="it leaks")
        update_run(connection, PROJECT, "a" * 32, tags_={"team": None, "new": "yes"}, note="kept", mistake="")
    assert found(ledger, "tags.team is null and tags.new = yes and note = kept") == "a"
