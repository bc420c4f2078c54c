"""Runs in groups, and the names that they use: on both databases, against what the runs say one by one."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import insert, update
from tests.ledger.test_paging import PROJECT, add, run_id

from lineal.errors import InvalidInput
from lineal.ledger.database import Ledger
from lineal.ledger.groups import group_runs
from lineal.ledger.keys import known_keys
from lineal.ledger.run_table import count_runs, search_rows
from lineal.ledger.run_writes import set_params
from lineal.ledger.schema import edges, occurrences, runs


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    with ledger.write() as connection:
        for number in range(1, 31):
            add(connection, number)
        set_params(connection, PROJECT, run_id(1), {"fast": True, "name's": "it's", "ratio": float("nan"), "list": [1, "a"]}, "recorded")
        connection.execute(update(runs).where(runs.c.number < 9).values(commit="ab" * 20, experiment="first", mistake=""))
        for name in ("flights@1", "flights@2"):
            connection.execute(insert(occurrences).values(id=name, project_id=PROJECT, kind="dataset", label=name, at=1))
            used = [{"project_id": PROJECT, "source": run_id(number), "target": name, "relation": "used"} for number in (1, 2, 3)]
            connection.execute(insert(edges), used[: 3 if name == "flights@1" else 1])
    return ledger


@pytest.mark.parametrize(
    "by",
    [
        "params.depth",
        "params.opt",
        "params.mixed",
        "params.fast",
        "params.`name's`",
        "params.ratio",
        "params.list",
        "tags.team",
        "status",
        "experiment",
        "author",
        "commit",
        "name",
        "host",
        "dataset",
    ],
)
def test_the_filter_of_a_group_finds_its_runs(filled: Ledger, by: str) -> None:
    with filled.read() as connection:
        for where in ("", "metrics.auc > 0.3"):
            groups = group_runs(connection, PROJECT, by, where=where)
            assert len(groups) > 1 or by in {"author", "host"}
            assert [group.count for group in groups] == sorted((group.count for group in groups), reverse=True)
            for group in groups:
                whole = f"({where}) and {group.where}" if where else group.where
                assert (count_runs(connection, PROJECT, whole), group.count) == (group.count, group.count), group
            if by != "dataset":
                assert sum(group.count for group in groups) == count_runs(connection, PROJECT, where)


def test_metrics_are_taken_together_in_each_group(filled: Ledger) -> None:
    with filled.read() as connection:
        rows = search_rows(connection, PROJECT, limit=1000).rows
        groups = {group.value: group for group in group_runs(connection, PROJECT, "params.depth", measures=["auc", "bleu", "nothing"])}
    for value, count in Counter(row.params["depth"] for row in rows).items():
        values = [row.metrics["bleu"] for row in rows if row.params["depth"] == value and "bleu" in row.metrics]
        spread = groups[value].metrics["bleu"]
        assert groups[value].count == count
        assert (spread.runs, spread.minimum, spread.maximum) == (len(values), min(values), max(values))
        assert spread.mean == pytest.approx(sum(values) / len(values))
        assert "nothing" not in groups[value].metrics


@pytest.mark.parametrize("by", ["", "sprocket", "metrics.auc", "params.", "mistake", "inputs.path"])
def test_what_makes_no_groups_is_refused(filled: Ledger, by: str) -> None:
    with filled.read() as connection, pytest.raises(InvalidInput) as caught:
        group_runs(connection, PROJECT, by)
    assert caught.value.kind == "bad-group"


def test_the_names_of_the_whole_project_are_known(filled: Ledger) -> None:
    with filled.read() as connection:
        found = known_keys(connection, PROJECT)
        assert {section: sorted(keys) for section, keys in found.items()} == {
            "metrics": ["auc", "bleu"],
            "params": sorted(["depth", "fast", "list", "mixed", "name's", "opt", "ratio"]),
            "tags": ["team"],
        }
        assert len(known_keys(connection, PROJECT, limit=2)["params"]) == 2
        assert known_keys(connection, "q" * 32)["params"] == []
