"""Pages of a search: whichever way they are found, one behind the other they are the whole list."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, update

from lineal.errors import InvalidInput
from lineal.ledger import search
from lineal.ledger.database import Ledger
from lineal.ledger.graph import mark_deleted
from lineal.ledger.metric_rows import set_summary
from lineal.ledger.run_table import search_rows
from lineal.ledger.run_writes import begin_run, set_params
from lineal.ledger.runs import search_runs, set_tags, update_run
from lineal.ledger.schema import runs
from lineal.ledger.search import Search
from lineal.records.run_table import RowPage

PROJECT = "p" * 32
ORDERS = [
    "",
    "-metrics.auc",
    "metrics.auc",
    "-bleu",
    "params.depth",
    "-params.opt",
    "params.mixed",
    "tags.team desc",
    "name",
    "-ended_at",
    "started_at",
    "-number",
    "-status, metrics.auc desc",
    "params.opt, -params.depth",
    "duration desc",
]
FILTERS = [
    "",
    "params.depth = 4",
    "metrics.auc > 0.3 and metrics.auc <= 0.9",
    "metrics.auc != 0.5",
    "not metrics.auc > 0.5",
    "params.opt != 4",
    "status = 'failed' or tags.team = 'blue'",
    "name = 'run-7'",
    "note like '%nothing%'",
    "mistake",
]


def run_id(number: int) -> str:
    return f"{number * 7919 % 99_991:032x}"


def add(connection: Connection, number: int) -> None:
    chance = random.Random(number)
    run = run_id(number)
    begin_run(connection, PROJECT, run, {"name": f"run-{number % 9}", "started": 1_700_000_000_000_000 + number // 3, "pid": 1})
    values = {"depth": chance.choice((2, 4, 8)), "mixed": chance.choice((1, 2.5, "text", "other", None))}
    set_params(connection, PROJECT, run, {**values, **({"opt": chance.choice(("adam", "sgd"))} if number % 4 else {})}, "recorded")
    auc = float("nan") if number % 11 == 0 else chance.choice((0.1, 0.5, 0.5, 0.9))
    found = {"auc": auc, **({"bleu": number / 7} if number % 5 == 0 else {})}
    set_summary(connection, project_id=PROJECT, run_id=run, values={key: value for key, value in found.items() if number % 6}, on="")
    set_tags(connection, PROJECT, run, {"team": chance.choice(("red", "blue"))} if number % 3 else {})
    ended = None if number % 10 == 0 else 1_700_000_100_000_000 + chance.randrange(4)
    connection.execute(update(runs).where(runs.c.id == run).values(status=chance.choice(("failed", "finished")), ended_at=ended))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    sqlite = request.param == "sqlite"
    ledger = Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('paging') / 'ledger.db'}" if sqlite else request.getfixturevalue("new_database")())
    with ledger.write() as connection:
        for number in range(1, 41):
            add(connection, number)
        update_run(connection, PROJECT, run_id(5), mistake="wrong rows")
        mark_deleted(connection, [run_id(6)], 1)
    yield ledger
    ledger.close()


@pytest.fixture(params=["whole", "walked", "few", "gathered"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How pages are found: as always, by walking short stretches, by ids, or all together."""
    steps, more, few = {"whole": (1_000, 8_000, 2_000), "walked": (12, 40, 0), "few": (0, 0, 2_000), "gathered": (0, 0, 0)}[request.param]
    monkeypatch.setattr(search, "_STEPS", steps)
    monkeypatch.setattr(search, "_MORE_STEPS", more)
    monkeypatch.setattr(search, "_FEW", few)
    return str(request.param)


def rows(ledger: Ledger, **words: Any) -> RowPage:
    with ledger.read() as connection:
        return search_rows(connection, PROJECT, **words)


def pages(ledger: Ledger, limit: int, **words: str) -> list[str]:
    found, after = [], ""
    while True:
        page = rows(ledger, limit=limit, after=after, **words)
        found += [row.id for row in page.rows]
        after = page.after
        if not after:
            return found


@pytest.mark.parametrize("order", ORDERS)
def test_pages_one_behind_the_other_are_the_whole_list(filled: Ledger, way: str, order: str) -> None:
    del way
    for where in FILTERS:
        with filled.read() as connection:
            whole = [run.id for run in search_runs(connection, PROJECT, where=where, order=order, limit=1000).runs]
            assert Search(connection, PROJECT, where).count() == len(whole)
        assert len(set(whole)) == len(whole)
        assert pages(filled, 13, where=where, order=order) == whole
        for offset in (1, 31):
            assert [row.id for row in rows(filled, where=where, order=order, limit=9, offset=offset).rows] == whole[offset : offset + 9]


def test_every_way_gives_the_same_order(filled: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for order in ORDERS:
        for where in FILTERS:
            seen = set()
            for steps, few in ((1_000, 2_000), (12, 0), (0, 2_000), (0, 0)):
                monkeypatch.setattr(search, "_STEPS", steps)
                monkeypatch.setattr(search, "_MORE_STEPS", steps * 3)
                monkeypatch.setattr(search, "_FEW", few)
                seen.add(tuple(row.id for row in rows(filled, where=where, order=order, limit=5).rows))
            assert len(seen) == 1, (where, order)


def test_a_cursor_goes_on_behind_its_place_whatever_arrives_meanwhile(ledger: Ledger) -> None:
    with ledger.write() as connection:
        for number in range(1, 20):
            add(connection, number)
    for order in ("", "-metrics.auc", "name"):
        before = [row.id for row in rows(ledger, order=order).rows]
        page = rows(ledger, order=order, limit=6)
        first = 100 + 10 * ORDERS.index(order)
        with ledger.write() as connection:
            for number in range(first, first + 5):
                add(connection, number)
        rest: list[str] = []
        after = page.after
        while after:
            page = rows(ledger, order=order, limit=4, after=after)
            rest += [row.id for row in page.rows]
            after = page.after
        assert [run for run in rest if run in before] == before[6:]


def test_a_cursor_is_only_good_for_its_own_search(filled: Ledger) -> None:
    after = rows(filled, order="-metrics.auc", limit=3).after
    body = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    forged = [
        [body[0], 9, body[2]],
        [body[0], 0, ["x", "y"]],
        [body[0], 0, [None, "y"]],
        [body[0], 0, [1]],
        [body[0], 0, [True, "y"]],
        [body[0], -1, body[2]],
        7,
    ]
    texts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in forged]
    for text in (after[:-4], "!", "e30", "ünknown", *texts):
        with pytest.raises(InvalidInput) as caught:
            rows(filled, order="-metrics.auc", after=text)
        assert caught.value.kind == "bad-cursor"
    with pytest.raises(InvalidInput):
        rows(filled, order="metrics.auc", after=after)


def test_a_row_has_what_a_table_shows_and_only_the_wanted_values(filled: Ledger) -> None:
    (row,) = rows(filled, where="number = 10", columns=["metrics.bleu", "params.depth"]).rows
    assert (row.number, row.name, row.metrics, set(row.params), set(row.tags)) == (10, "run-1", {"bleu": 10 / 7}, {"depth"}, {"team"})
    (row,) = rows(filled, where="number = 10", columns=[]).rows
    assert (row.metrics, row.params) == ({}, {})
    (row,) = rows(filled, where="number = 10").rows
    assert (set(row.metrics), set(row.params)) == ({"auc", "bleu"}, {"depth", "mixed", "opt"})


def test_texts_of_any_length_are_kept_and_found(ledger: Ledger) -> None:
    chance = random.Random(1)
    long = "".join(chance.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(8000))
    with ledger.write() as connection:
        add(connection, 1)
        add(connection, 2)
        set_params(connection, PROJECT, run_id(1), {"prompt": long}, "recorded")
        set_params(connection, PROJECT, run_id(2), {"prompt": long[:7999]}, "recorded")
        set_tags(connection, PROJECT, run_id(1), {"about": long})
        update_run(connection, PROJECT, run_id(1), experiment=long, note=long)
    for where in (f"params.prompt = '{long}'", f"tags.about = '{long}'", f"experiment = '{long}'", f"prompt in ('x', '{long}')"):
        assert [row.id for row in rows(ledger, where=where).rows] == [run_id(1)]
    assert rows(ledger, where=f"params.prompt = '{long[:200]}'").rows == ()
    assert len(pages(ledger, 1, order="params.prompt")) == 2
