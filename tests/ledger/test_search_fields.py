"""What runs used, ran on and measured at its best, as filters; on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, update

from lineal.errors import InvalidInput
from lineal.ledger import schema
from lineal.ledger.database import Ledger
from lineal.ledger.graph import add_edge, add_occurrence
from lineal.ledger.run_writes import begin_run
from lineal.ledger.runs import search_runs
from lineal.records.graph import USED

PROJECT = "p" * 32
NOW = 1_700_000_000_000_000


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Runs a (numpy 1.9, flights@1, clean) and b (numpy 1.26.4, flights@2, dirty), whose loss went from 3 to 1 and back to 2."""
    sqlite = request.param == "sqlite"
    ledger = Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('fields') / 'ledger.db'}" if sqlite else request.getfixturevalue("new_database")())
    with ledger.write() as connection:
        for letter, numpy, number in (("a", "1.9", 1), ("b", "1.26.4", 2)):
            run = letter * 32
            begin_run(connection, PROJECT, run, {"name": letter, "started": NOW + number, "pid": 1})
            body = {"packages": {"NumPy": numpy}, "python": "3.11.7"}
            connection.execute(insert(schema.environments).values(digest=f"blake3:{letter}", body=json.dumps(body)))
            code = {"commit": letter * 40, "branch": "main" if number == 1 else 'we"ird', "dirty": number == 2, "remote": ""}
            values = {
                "environment": f"blake3:{letter}",
                "commit": letter * 40,
                "code": json.dumps(code, sort_keys=True),
                "note": f"100%_{letter} leak",
            }
            ended = NOW + number + number * 3_600_000_000
            connection.execute(update(schema.runs).where(schema.runs.c.id == run).values(**values, ended_at=ended))
            used = add_occurrence(
                connection, id=f"o{letter}", project_id=PROJECT, kind="dataset", label=f"flights@{number}", digest=f"blake3:{letter * 8}", at=1
            )
            add_edge(connection, project_id=PROJECT, source=run, target=used, relation=USED)
        connection.execute(
            insert(schema.metrics).values(
                project_id=PROJECT, run_id="b" * 32, key="loss", rank=0, last=2.0, minimum=1.0, maximum=3.0, points=3, last_step=2, best_step=1
            )
        )
        connection.execute(insert(schema.metrics).values(project_id=PROJECT, run_id="a" * 32, key="x.min", rank=0, last=7.0, points=1))
    yield ledger
    ledger.close()


def found(ledger: Ledger, where: str) -> str:
    with ledger.read() as connection:
        return "".join(sorted(run.id[0] for run in search_runs(connection, PROJECT, where=where).runs))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("env.numpy < '1.10'", "a"),
        ("env.NUMPY >= '1.10' and env.python = '3.11.7'", "b"),
        ("env.numpy IN ('1.9', '2.0')", "a"),
        ("env.torch", ""),
        ("not env.torch", "ab"),
        ("env.numpy != '1.9'", "b"),
        ("inputs.dataset = 'flights@2'", "b"),
        ("inputs.dataset = flights", "ab"),
        ("inputs.dataset LIKE 'fl%'", "ab"),
        ("inputs.dataset IN ('flights@1', 'flights@9')", "a"),
        ("inputs.digest = 'blake3:aaaa'", "a"),
        ("inputs.path = 'nothing'", ""),
        ("not inputs.dataset = 'flights@1'", "b"),
        ("code.dirty = true", "b"),
        ("code.commit = 'aaaa'", "a"),
        ("code.branch = 'we\"ird'", "b"),
        ("code.commit LIKE 'b%'", "b"),
        ("metrics.loss.min = 1 and metrics.loss.max = 3", "b"),
        ("metrics.loss.best_step = 1", "b"),
        ("metrics.loss.min > 1", ""),
        ("metrics.x.min = 7", "a"),
        ("duration > 1h30m", "b"),
        ("duration <= 60m", "a"),
        ("started > -7d", ""),
        ("started < -1h", "ab"),
        ("note CONTAINS '%_a'", "a"),
        ("note NOT CONTAINS '%_a'", "b"),
        ("note CONTAINS 'LEAK'", "ab"),
    ],
)
def test_runs_are_found_by_what_they_used_ran_on_and_reached(where: str, expected: str, filled: Ledger) -> None:
    assert found(filled, where) == expected


@pytest.mark.parametrize("where", ["inputs.colour = 1", "code.smell = 1", "env.numpy LIKE '1%'", "inputs.dataset > 1", "code.commit < 'a'"])
def test_what_makes_no_sense_is_pointed_at(where: str, filled: Ledger) -> None:
    with pytest.raises(InvalidInput) as caught:
        found(filled, where)
    assert caught.value.kind == "bad-filter"
    assert "column" in caught.value.message


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "_", "\\", '"', "a';DROP TABLE runs;--", "ü"])
def test_no_text_means_more_than_itself(text: str, filled: Ledger) -> None:
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    for field in ("inputs.dataset", "inputs.digest", "code.branch", "code.commit", "env.numpy", "note"):
        assert found(filled, f"{field} = {quoted}") in {"", "ab"}
    assert found(filled, "number > 0") == "ab"
