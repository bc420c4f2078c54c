"""What a text names, on each database; the rules of references are held in tests/workspace/test_references.py."""

from __future__ import annotations

from pathlib import Path

from lineal.ledger.database import Ledger
from lineal.ledger.lookup import Query, run_ids
from lineal.ledger.run_writes import begin_run

PROJECT = "p" * 32


def test_a_prefix_finds_the_runs_that_begin_with_it(ledger: Ledger) -> None:
    runs = ["abcd" * 8, "abcf" * 8, "abcd0" + "f" * 27, "b000" * 8]
    with ledger.write() as connection:
        for run_id in runs:
            begin_run(connection, PROJECT, run_id, {"name": "", "started": 1, "pid": 1})
    with ledger.read() as connection:
        query = Query(connection=connection, project_id=PROJECT, root=Path())
        assert sorted(run_ids(query, "abcd")) == [runs[2], runs[0]]
        assert run_ids(query, "abcda") == [runs[0]]
        assert run_ids(query, "b000" * 8) == ["b000" * 8]
