from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lineal.capture.journal import JournalWriter
from lineal.errors import NotFound
from lineal.ledger.events import list_events
from lineal.ledger.runs import load_run
from lineal.ledger.schema import journals
from lineal.ledger.series import read_series
from lineal.records import journal
from lineal.records.run import Run, RunStatus
from lineal.workspace import ingest as module
from lineal.workspace.ingest import ingest
from lineal.workspace.ingest_together import ingest_together
from lineal.workspace.site import Layout, Site
from lineal.workspace.unread import LOOK_AGAIN_SECONDS, Unread

PROJECT = "0" * 32
NOW = 1_700_000_000_000_000
Open = Callable[[str], Site]


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Open]:
    made: list[Site] = []

    def make(name: str) -> Site:
        layout = Layout(root=tmp_path / name)
        layout.state.mkdir(parents=True)
        url = f"sqlite:///{layout.ledger}"
        made.append(Site(layout=layout, project_id=PROJECT, project="demo", ledger_url=url, actor="ada", settings={}, clock=lambda: NOW))
        return made[-1]

    yield make
    for site in made:
        site.close()


def run_id(number: int) -> str:
    return f"{number:032x}"


def begin(site: Site, number: int, **facts: Any) -> JournalWriter:
    return JournalWriter(
        site.layout.journals / run_id(number),
        run=run_id(number),
        project=PROJECT,
        clock=lambda: NOW + number,
        entropy=os.urandom,
        role=facts.pop("role", "owner"),
        begin={"name": f"train {number}", "author": "ada", "attempt": 1, **facts},
        flush_seconds=3600,
    )


def end(writer: JournalWriter) -> None:
    writer.append(journal.END, status="finished", exit_code=0, ended=writer.now())
    writer.close()


def write_runs(site: Site) -> None:
    """Runs of every kind: plain ones, with points, with files, in two journals, running, recorded by requests, senseless, not collected yet."""
    for number in range(5):
        writer = begin(site, number)
        writer.append(journal.PARAMS, values={"lr": number / 10}, origin="recorded")
        writer.append(journal.TAGS, values={"team": "flights"})
        for step in range(20 * number):
            writer.point({"loss": 1.0 / (step + 1)}, step)
        end(writer)
    writer = begin(site, 5)
    writer.append(journal.FILE, direction="output", root="project", path=b"model.bin", digest="blake3:" + "a" * 64, size=5, kind="file")
    end(writer)
    end(begin(site, 6))
    helper = begin(site, 6, role="worker")
    helper.append(journal.SUMMARY, values={"auc": 0.7}, on="test", time=1)
    helper.close()
    begin(site, 7).flush()
    asked = begin(site, 8, requested=True)
    asked.point({"loss": 0.5}, 1)
    asked.flush()
    senseless = begin(site, 9)
    senseless.append(journal.END, status="no such status", exit_code=0, ended=5)
    senseless.close()
    end(begin(site, 10))
    (site.layout.journals / run_id(10) / journal.UNCOLLECTED).touch()


def told(site: Site) -> list[tuple[Run | None, list[Any], list[Any]]]:
    found: list[tuple[Run | None, list[Any], list[Any]]] = []
    with site.ledger.read() as connection:
        for number in range(11):
            try:
                run = load_run(connection, PROJECT, run_id(number))
            except NotFound:
                found.append((None, [], []))
                continue
            rows = connection.execute(select(journals.c.offset, journals.c.files_offset, journals.c.finished).where(journals.c.run_id == run.id))
            series = [list(zip(one.steps, one.values, strict=True)) for key in run.metrics for one in read_series(connection, run.id, key)]
            alike = tuple(replace(use, occurrence="") for use in run.outputs)
            found.append((replace(run, outputs=alike, number=0), sorted(map(tuple, rows)), series))
    return found


def test_runs_that_come_in_together_are_the_same_as_one_by_one(open_site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    together, alone = open_site("together"), open_site("alone")
    for site in (together, alone):
        write_runs(site)
    assert ingest(together) == 10
    monkeypatch.setattr(module, "MOST", 1)
    assert ingest(alone) == 10
    assert told(together) == told(alone)
    for site in (together, alone):
        assert sorted(path.name for path in site.layout.journals.iterdir()) == [run_id(number) for number in (7, 8, 9, 10)]
        with site.ledger.read() as connection:
            events = sorted((event["action"], event["subject"]) for event in list_events(connection, project_id=PROJECT))
        assert [subject for action, subject in events if action == "run.ended"] == [f"run:{run_id(number)}" for number in (0, 1, 2, 3, 4, 5, 6, 10)]


def test_only_plain_runs_come_in_together_and_a_senseless_one_takes_no_neighbour_along(open_site: Open) -> None:
    site = open_site("one")
    write_runs(site)
    folders = sorted(site.layout.journals.iterdir())
    done = ingest_together(site, folders)
    assert sorted(folder.name for folder in done) == [run_id(number) for number in (0, 1, 2, 3, 4, 5, 6, 8)]
    assert [known.ended for _folder, known in sorted(done.items())] == [True] * 7 + [False]
    assert ingest_together(site, folders) == {}


def test_a_run_recorded_by_requests_goes_on_after_it_came_in(open_site: Open) -> None:
    site = open_site("one")
    writers = [begin(site, number, requested=True) for number in range(3)]
    for writer in writers:
        writer.flush()
    assert ingest(site) == 3
    for writer in writers:
        writer.append(journal.FILE, direction="output", root="run", path=b"plot.png", digest="blake3:" + "b" * 64, size=5, kind="file")
        end(writer)
    assert ingest(site) == 3
    with site.ledger.read() as connection:
        found = [load_run(connection, PROJECT, run_id(number)) for number in range(3)]
    assert [run.status for run in found] == [RunStatus.FINISHED] * 3
    assert [use.path for run in found for use in run.outputs] == ["plot.png"] * 3
    assert list(site.layout.journals.iterdir()) == []


def test_runs_that_are_silent_are_not_read_in_again_until_they_grow_or_it_is_time(open_site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    site, unread = open_site("one"), Unread()
    with closing(begin(site, 1)) as one, closing(begin(site, 2)) as other:
        one.flush()
        other.flush()
        assert unread.take(site.layout.journals) == [run_id(1), run_id(2)]
        assert unread.take(site.layout.journals) == []
        other.point({"loss": 0.5}, 1)
        other.flush()
        assert unread.take(site.layout.journals) == [run_id(2)]
        unread.forget()
        assert unread.take(site.layout.journals) == [run_id(1), run_id(2)]
        monkeypatch.setattr("lineal.workspace.unread.LOOK_AGAIN_SECONDS", -1.0)
        assert unread.take(site.layout.journals) == [run_id(1), run_id(2)]
    assert LOOK_AGAIN_SECONDS < 60
