"""What can be done with runs once they are recorded."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lineal.errors import InvalidInput, InvalidState, NotFound
from lineal.ledger.events import list_events
from lineal.records.run import Run, RunStatus
from lineal.workspace.interface import RunRequest
from lineal.workspace.site import Site
from lineal.workspace.tracking import LocalRuns


@pytest.fixture
def runs(site: Site) -> LocalRuns:
    site.layout.format.write_text(json.dumps({"format": 1, "project": site.project_id, "name": site.project}))
    return LocalRuns(site, lambda: pytest.fail("no datasets are needed"))


def execute(runs: LocalRuns, site: Site, code: str, **request: Any) -> Run:
    return runs.execute(RunRequest(command=(sys.executable, "-c", code), folder=site.layout.root, **request))


def events(site: Site, run: Run) -> list[Mapping[str, Any]]:
    with site.ledger.read() as connection:
        return list_events(connection, project_id=site.project_id, subject=f"run:{run.id}")


def test_a_mistake_is_labelled_and_the_label_comes_off(runs: LocalRuns, site: Site) -> None:
    run = execute(runs, site, "print(1)")
    assert runs.mark_mistake(run.id, "it saw the future").mistake == "it saw the future"
    assert runs.search().total == 0
    assert runs.mark_mistake(run.id, "").mistake == ""
    assert runs.search().total == 1
    assert [event["action"] for event in events(site, run)][:2] == ["run.unmarked", "run.marked"]


def test_notes_and_tags_are_changed_and_taken_off(runs: LocalRuns, site: Site) -> None:
    run = execute(runs, site, "print(1)", tags={"a": "1"})
    changed = runs.annotate(run.id, note="good", tags={"a": "", "b": "2"})
    assert (changed.note, changed.tags) == ("good", {"b": "2"})


def test_runs_are_compared_in_the_order_asked_for(runs: LocalRuns, site: Site) -> None:
    first = execute(runs, site, "print(1)", tags={})
    second = runs.execute(RunRequest(command=(sys.executable, "-c", "print(2)", "--lr", "0.3"), folder=site.layout.root))
    found = runs.compare([second.id, first.id])
    assert found.params == {"lr": (0.3, None)}
    with pytest.raises(InvalidInput) as few:
        runs.compare([first.id])
    assert few.value.kind == "too-few-runs"


def test_what_a_run_does_not_have_is_said_with_what_it_has(runs: LocalRuns, site: Site) -> None:
    run = execute(runs, site, "open('a.txt', 'w').write('x')")
    with pytest.raises(NotFound) as metric:
        runs.series(run.id, "loss")
    with pytest.raises(NotFound) as path:
        runs.artifact(run.id, "b.txt")
    assert (metric.value.kind, path.value.kind) == ("unknown-metric", "unknown-path")
    assert "a.txt" in path.value.hint


def test_a_run_that_has_ended_cannot_be_stopped(runs: LocalRuns, site: Site) -> None:
    run = execute(runs, site, "print(1)")
    with pytest.raises(InvalidState) as ended:
        runs.stop(run.id)
    assert ended.value.kind == "not-running"


def test_a_log_is_followed_until_the_run_ends(runs: LocalRuns, site: Site) -> None:
    code = "import time\nfor i in range(5): print(i, flush=True); time.sleep(0.3)"
    thread = threading.Thread(target=execute, args=(LocalRuns(site, lambda: pytest.fail("none")), site, code))
    thread.start()
    while not (runs.ingest() or runs.search().runs):
        pass
    (run,) = runs.search().runs
    assert run.status is RunStatus.RUNNING
    assert b"".join(runs.follow(run.id)) == b"0\n1\n2\n3\n4\n"
    thread.join()


def test_a_program_that_records_itself_is_stopped_as_well(runs: LocalRuns, site: Site) -> None:
    code = "import lineal, time\nrun = lineal.start('long'); run.log(x=1); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=site.layout.root, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        runs.ingest()
        (run,) = runs.search().runs
        assert runs.stop(run.id).status is RunStatus.STOPPED
        assert process.wait(10) == -15
    runs.ingest()
    assert runs.get(run.id).status is RunStatus.STOPPED


def test_a_run_elsewhere_is_not_stopped_by_a_process_id_that_happens_to_be_here(runs: LocalRuns, site: Site, tmp_path: Path) -> None:
    from lineal.capture.journal import JournalWriter

    assert tmp_path == site.layout.root
    folder = site.layout.journals / ("e" * 32)
    begin = {"name": "far", "command": [], "boot": "another", "machine": "another", "host": "far-host"}
    writer = JournalWriter(folder, run="e" * 32, project=site.project_id, clock=site.clock, entropy=site.entropy, role="owner", begin=begin)
    writer.flush()
    runs.ingest()
    with pytest.raises(InvalidState) as elsewhere:
        runs.stop("e" * 32)
    assert elsewhere.value.kind == "runs-elsewhere"
    assert "far-host" in elsewhere.value.message
    writer.close()
