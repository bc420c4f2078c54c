"""The ledger's runs against a dictionary: whatever is done to both, they answer alike."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import event

from lineal.errors import NotFound
from lineal.ledger.database import Ledger
from lineal.ledger.graph import mark_deleted
from lineal.ledger.run_writes import apply_entries, begin_run
from lineal.ledger.runs import load_run, search_runs, update_run
from lineal.ledger.schema import metadata
from lineal.records import journal
from lineal.records.run import RunStatus

PROJECT = "p" * 32
KEYS = st.sampled_from(["a", "b", "val/loss"])
VALUES = st.one_of(st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5), st.none(), st.lists(st.integers(0, 3), max_size=3))
NUMBERS = st.floats(-1e9, 1e9)


def same(left: Any, right: Any) -> bool:
    return repr(left) == repr(right)


class Runs(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger.open(f"sqlite:///{Path(self.folder.name) / 'ledger.db'}")
        self.model: dict[str, dict[str, Any]] = {}

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    def pick(self, place: int) -> str:
        return sorted(self.model)[place % len(self.model)]

    def apply(self, run_id: str, *entries: dict[str, Any]) -> None:
        with self.ledger.write() as connection:
            apply_entries(connection, PROJECT, run_id, entries)

    @precondition(lambda self: len(self.model) < 6)
    @rule(name=st.text("ab '%", min_size=1, max_size=4))
    def begin(self, name: str) -> None:
        run_id = f"{len(self.model):032x}"
        with self.ledger.write() as connection:
            begin_run(connection, PROJECT, run_id, {"name": name, "started": 1000 + len(self.model), "pid": 1})
        blank = {"params": {}, "metrics": {}, "tags": {}, "status": "running", "mistake": "", "note": "", "deleted": False}
        self.model[run_id] = {"name": name, "number": len(self.model) + 1, **blank}

    @precondition(lambda self: self.model)
    @rule(place=st.integers(0, 9), key=KEYS, value=VALUES, origin=st.sampled_from(["recorded", "argument"]))
    def param(self, place: int, key: str, value: Any, origin: str) -> None:
        run_id = self.pick(place)
        self.apply(run_id, {"k": journal.PARAMS, "values": {key: value}, "origin": origin})
        if origin == "recorded" or key not in self.model[run_id]["params"]:
            self.model[run_id]["params"][key] = value.replace("\0", "\\x00") if isinstance(value, str) else value

    @precondition(lambda self: self.model)
    @rule(place=st.integers(0, 9), key=KEYS, value=NUMBERS)
    def summary(self, place: int, key: str, value: float) -> None:
        run_id = self.pick(place)
        self.apply(run_id, {"k": journal.SUMMARY, "values": {key: value}, "on": "test"})
        self.model[run_id]["metrics"][key] = value

    @precondition(lambda self: self.model)
    @rule(place=st.integers(0, 9), key=KEYS, value=st.one_of(st.none(), st.text("xy\u00e4", max_size=3)))
    def tag(self, place: int, key: str, value: str | None) -> None:
        run_id = self.pick(place)
        with self.ledger.write() as connection:
            update_run(connection, PROJECT, run_id, tags_={key: value})
        self.model[run_id]["tags"].pop(key, None)
        if value is not None:
            self.model[run_id]["tags"][key] = value

    @precondition(lambda self: self.model)
    @rule(place=st.integers(0, 9), field=st.sampled_from(["mistake", "note"]), text=st.sampled_from(["", "why"]))
    def annotate(self, place: int, field: str, text: str) -> None:
        run_id = self.pick(place)
        with self.ledger.write() as connection:
            fields: dict[str, Any] = {field: text}
            update_run(connection, PROJECT, run_id, **fields)
        self.model[run_id][field] = text

    @precondition(lambda self: self.model)
    @rule(place=st.integers(0, 9), status=st.sampled_from(["finished", "failed", "stopped"]))
    def end(self, place: int, status: str) -> None:
        run_id = self.pick(place)
        self.apply(run_id, {"k": journal.END, "status": status, "exit_code": 0, "ended": 5000})
        self.model[run_id]["status"] = status

    @precondition(lambda self: self.model)
    @rule(place=st.integers(0, 9), deleted=st.booleans())
    def delete(self, place: int, deleted: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        run_id = self.pick(place)
        with self.ledger.write() as connection:
            mark_deleted(connection, [run_id], 1 if deleted else None)
        self.model[run_id]["deleted"] = deleted

    @invariant()
    def every_run_is_what_the_dictionary_says(self) -> None:
        with self.ledger.read() as connection:
            for run_id, expected in self.model.items():
                run = load_run(connection, PROJECT, run_id)
                assert (run.name, run.number, run.status.value) == (expected["name"], expected["number"], expected["status"])
                assert (run.mistake, run.note, run.deleted_at is not None) == (expected["mistake"], expected["note"], expected["deleted"])
                assert run.tags == expected["tags"]
                assert {key: metric.last for key, metric in run.metrics.items()} == expected["metrics"]
                assert same({key: param.value for key, param in run.params.items()}, dict(sorted(expected["params"].items())))

    @invariant()
    def searching_finds_what_a_loop_over_the_dictionary_finds(self) -> None:
        shown = {key: run for key, run in self.model.items() if not run["deleted"] and not run["mistake"]}
        with self.ledger.read() as connection:
            page = search_runs(connection, PROJECT, order="-metrics.a")
            large = search_runs(connection, PROJECT, where="metrics.a > 0 or params.b = 1")
        with_metric = sorted((key for key in shown if "a" in shown[key]["metrics"]), key=lambda key: (-shown[key]["metrics"]["a"], key))
        without = sorted((key for key in shown if "a" not in shown[key]["metrics"]), reverse=True)
        assert [run.id for run in page.runs] == with_metric + without
        assert page.total == len(shown)
        assert {run.id for run in large.runs} == {
            key for key, run in shown.items() if run["metrics"].get("a", 0) > 0 or _is_one(run["params"].get("b"))
        }


def _is_one(value: Any) -> bool:
    return isinstance(value, int | float) and value == 1


Runs.TestCase.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
TestRuns = Runs.TestCase


def test_an_unknown_run_is_not_found(ledger: Ledger) -> None:
    with ledger.write() as connection, pytest.raises(NotFound) as caught:
        update_run(connection, PROJECT, "f" * 32, note="x")
    assert caught.value.kind == "unknown-reference"
    with ledger.read() as connection, pytest.raises(NotFound):
        load_run(connection, PROJECT, "f" * 32)


def test_a_page_of_many_runs_takes_a_fixed_number_of_queries(ledger: Ledger) -> None:
    def queries(count: int) -> int:
        with ledger.write() as connection:
            for table in reversed(metadata.sorted_tables):
                if table.name != "meta":
                    connection.execute(table.delete())
            for number in range(count):
                begin_run(connection, PROJECT, f"{number:032x}", {"name": "r", "started": number, "pid": 1})
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        event.listen(ledger.engine, "before_cursor_execute", note)
        with ledger.read() as connection:
            assert len(search_runs(connection, PROJECT, limit=100).runs) == count
        event.remove(ledger.engine, "before_cursor_execute", note)
        return len(seen)

    assert queries(2) == queries(60)


def test_values_that_databases_dislike_are_kept_readable(ledger: Ledger) -> None:
    with ledger.write() as connection:
        begin_run(connection, PROJECT, "a" * 32, {"name": "n\0\udcff", "started": 1, "pid": 1, "command": ["a\0", "\udcff"]})
        entries: list[dict[str, Any]] = [
            {"k": journal.PARAMS, "values": {"k\0": "\0\udcff", "nested": {"x": ["\0"]}}, "origin": "recorded"},
            {"k": journal.NOTE, "text": "\0"},
            {"k": journal.TAGS, "values": {"t": "\0"}},
            {"k": journal.ENVIRONMENT, "python": "3\0", "packages": {}},
            {"k": "from the future", "x": 1},
        ]
        apply_entries(connection, PROJECT, "a" * 32, entries)
    with ledger.read() as connection:
        run = load_run(connection, PROJECT, "a" * 32)
    assert run.command == ("a\0", "\udcff")
    assert run.params["nested"].value == {"x": ["\0"]}
    assert run.status is RunStatus.RUNNING
