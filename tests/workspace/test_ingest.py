from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from lineal.capture.journal import JournalWriter, journal_paths
from lineal.errors import Unavailable
from lineal.ledger.runs import load_run, search_runs
from lineal.ledger.schema import edges, journals, metric_blocks, occurrences
from lineal.ledger.series import read_series
from lineal.records import journal
from lineal.records.run import Run, RunStatus
from lineal.workspace import ingest as module
from lineal.workspace.ingest import ingest, journal_problems
from lineal.workspace.site import Layout, Site, system_clock

PROJECT = "0" * 32


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    layout = Layout(root=tmp_path)
    layout.state.mkdir()
    made = Site(layout=layout, project_id=PROJECT, project="demo", ledger_url=f"sqlite:///{layout.ledger}", actor="ada", settings={})
    yield made
    made.close()


def begin(site: Site, run: str = "a" * 32, *, role: str = "owner", **facts: Any) -> JournalWriter:
    return JournalWriter(
        site.layout.journals / run,
        run=run,
        project=PROJECT,
        clock=facts.pop("clock", system_clock),
        entropy=os.urandom,
        role=role,
        rank=facts.pop("rank", 0),
        begin={"name": "train", "author": "ada", "command": ["python", "train.py"], **facts},
        flush_seconds=3600,
    )


def end(writer: JournalWriter, status: str = "finished", exit_code: int = 0) -> None:
    writer.append(journal.END, status=status, exit_code=exit_code, ended=writer.now(), cpu_seconds=1.5, peak_memory_bytes=1000)
    writer.close()


def get(site: Site, run: str = "a" * 32) -> Run:
    with site.ledger.read() as connection:
        return load_run(connection, PROJECT, run)


def file_entry(path: bytes, digest: str, *, direction: str = "input", size: int = 5, **more: Any) -> dict[str, Any]:
    return {"direction": direction, "root": "project", "path": path, "digest": digest, "size": size, "kind": "file", **more}


def digest(letter: str) -> str:
    return "blake3:" + letter * 64


def test_a_finished_run_is_in_the_ledger_with_all_it_said_and_its_journals_are_gone(site: Site) -> None:
    writer = begin(site)
    writer.append(journal.PARAMS, values={"lr": 0.1, "depth": 4, "who": None, "bad": float("nan"), "list": [1, "a"]}, origin="recorded")
    writer.append(journal.TAGS, values={"team": "flights"})
    writer.append(journal.NOTE, text="first try")
    writer.append(journal.CODE, commit="c" * 40, branch="main", dirty=True)
    writer.append(journal.ENVIRONMENT, python="3.11", packages={"numpy": "2.0"}, gpus=[])
    writer.append(journal.CAPTURE, tracers=["python"], grade="complete")
    writer.append(journal.WARNING, text="careful")
    for step in range(10):
        writer.point({"loss": 1.0 / (step + 1)}, step)
    writer.append(journal.SUMMARY, values={"auc": 0.61}, on="test", time=1)
    end(writer)
    assert ingest(site) == 1
    run = get(site)
    assert (run.name, run.status, run.number, run.exit_code, run.command) == ("train", RunStatus.FINISHED, 1, 0, ("python", "train.py"))
    assert run.params["lr"].value == 0.1
    assert run.params["who"].value is None
    assert run.params["bad"].value != run.params["bad"].value
    assert run.params["list"].value == [1, "a"]
    assert run.tags == {"team": "flights"}
    assert (run.note, run.code.commit, run.code.dirty, run.environment.python) == ("first try", "c" * 40, True, "3.11")
    assert (run.capture.tracers, run.warnings, run.cpu_seconds) == (("python",), ("careful",), 1.5)
    assert (run.metrics["loss"].last, run.metrics["loss"].points, run.metrics["loss"].best_step) == (0.1, 10, 9)
    assert (run.metrics["auc"].last, run.metrics["auc"].on, run.metrics["auc"].last_step) == (0.61, "test", None)
    assert not (site.layout.journals / run.id).exists()
    assert ingest(site) == 0


def test_a_running_run_is_ingested_bit_by_bit_and_each_point_once(site: Site) -> None:
    writer = begin(site)
    for round_ in range(5):
        for step in range(1000):
            writer.point({"loss": float(step)}, round_ * 1000 + step)
        writer.flush()
        assert ingest(site) == 1
        assert ingest(site) == 0
        assert get(site).metrics["loss"].points == (round_ + 1) * 1000
    assert get(site).status is RunStatus.RUNNING
    with site.ledger.read() as connection:
        (series,) = read_series(connection, "a" * 32, "loss")
        assert connection.execute(select(func.count()).select_from(metric_blocks)).scalar_one() == 1
    assert series.steps == tuple(range(5000))
    end(writer)
    ingest(site)
    assert get(site).status is RunStatus.FINISHED


def test_nan_and_infinities_come_back(site: Site) -> None:
    writer = begin(site)
    for value in (1.0, float("nan"), float("inf"), float("-inf")):
        writer.point({"loss": value}, None)
    end(writer)
    ingest(site)
    with site.ledger.read() as connection:
        (series,) = read_series(connection, "a" * 32, "loss")
    assert repr(series.values) == "(1.0, nan, inf, -inf)"
    assert (get(site).metrics["loss"].minimum, get(site).metrics["loss"].maximum) == (float("-inf"), float("inf"))


def test_ranks_are_series_of_their_own(site: Site) -> None:
    owner, other = begin(site), begin(site, role="worker", rank=1)
    owner.point({"loss": 1.0}, 1)
    other.point({"loss": 2.0}, 1)
    other.close()
    end(owner)
    ingest(site)
    with site.ledger.read() as connection:
        assert [series.values for series in read_series(connection, "a" * 32, "loss")] == [(1.0,), (2.0,)]
    assert get(site).metrics["loss"].last == 1.0


def test_points_after_the_resumed_step_are_superseded(site: Site) -> None:
    first = begin(site)
    for step in range(10):
        first.point({"loss": 100.0 - step}, step)
    end(first, "failed", 1)
    ingest(site)
    assert get(site).status is RunStatus.FAILED
    second = begin(site, attempt=2)
    for step in range(6, 8):
        second.point({"loss": float(step)}, step)
    second.flush()
    ingest(site)
    assert get(site).status is RunStatus.RUNNING
    end(second)
    ingest(site)
    run = get(site)
    assert (run.attempt, run.status, run.number) == (2, RunStatus.FINISHED, 1)
    assert (run.metrics["loss"].points, run.metrics["loss"].last, run.metrics["loss"].last_step) == (8, 7.0, 7)
    with site.ledger.read() as connection:
        (series,) = read_series(connection, run.id, "loss")
    assert series.values == (100.0, 99.0, 98.0, 97.0, 96.0, 95.0, 6.0, 7.0)


KILLED = """
import os, sys, time
from pathlib import Path
from lineal.errors import Unavailable
from lineal.capture.journal import JournalWriter
writer = JournalWriter(Path(sys.argv[1]), run="b" * 32, project="0" * 32, clock=lambda: time.time_ns() // 1000, entropy=os.urandom,
                       role="owner", begin={"name": "killed"}, flush_seconds=0.05)
print("ready", flush=True)
step = 0
while True:
    writer.point({"loss": 0.5}, step)
    step += 1
    if step % 100 == 0:
        print(step, flush=True)
        time.sleep(0.001)
"""


def test_a_killed_run_is_crashed_with_all_but_the_last_flush_interval(site: Site) -> None:
    folder = site.layout.journals / ("b" * 32)
    with subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        logged = [int(child.stdout.readline()) for _ in range(30)]
        ingest(site)
        assert get(site, "b" * 32).status is RunStatus.RUNNING
        safe = logged[-1]
        time.sleep(0.5)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert ingest(site) == 1
    run = get(site, "b" * 32)
    assert run.status is RunStatus.CRASHED
    assert run.metrics["loss"].points >= safe
    assert run.metrics["loss"].points == run.metrics["loss"].last_step + 1  # type: ignore[operator]
    assert run.warnings
    assert not folder.exists()


def test_a_process_on_another_host_is_crashed_only_after_its_heartbeat_expired(site: Site) -> None:
    elsewhere: dict[str, Any] = {"host": "far", "machine": "x", "boot": "y", "namespace": "z", "pid": 1, "pid_started": "1"}
    writer = begin(site, **elsewhere)
    writer._role = "gone"
    writer.flush()
    ingest(site)
    assert get(site).status is RunStatus.RUNNING
    site.clock = lambda: system_clock() + 3600 * 1_000_000
    ingest(site)
    assert get(site).status is RunStatus.CRASHED
    site.clock = system_clock
    end(writer)
    ingest(site)
    assert get(site).status is RunStatus.FINISHED


def test_a_run_elsewhere_that_had_only_lost_its_network_goes_on_when_it_is_heard_again(site: Site) -> None:
    elsewhere: dict[str, Any] = {"host": "far", "machine": "x", "boot": "y", "namespace": "z", "pid": 1, "pid_started": "1"}
    writer = begin(site, **elsewhere)
    writer.flush()
    ingest(site)
    site.clock = lambda: system_clock() + 3600 * 1_000_000
    ingest(site)
    assert get(site).status is RunStatus.CRASHED
    writer.append(journal.BEAT, time=0)
    writer.flush()
    heard = site.clock() * 1000
    os.utime(writer.path, ns=(heard, heard))  # as if it had come in just now
    ingest(site)
    found = get(site)
    assert (found.status, found.ended_at, found.warnings) == (RunStatus.RUNNING, None, ())
    end(writer)
    ingest(site)
    assert (get(site).status, get(site).warnings) == (RunStatus.FINISHED, ())


def test_a_launch_that_is_started_again_is_the_next_attempt_although_it_cannot_know(site: Site) -> None:
    for start in range(2):
        writer = begin(site, pid=1000 + start, boot="elsewhere", namespace="n", machine="m")
        for step in range(start, 3):
            writer.point({"loss": float(start)}, step)
        end(writer, status="failed" if start == 0 else "finished")
        ingest(site)
    run = get(site)
    assert (run.attempt, run.status) == (2, RunStatus.FINISHED)
    with site.ledger.read() as connection:
        (series,) = read_series(connection, "a" * 32, "loss")
    assert (series.steps, series.values) == ((0, 1, 2), (0.0, 1.0, 1.0))


@pytest.mark.parametrize("off", [-7200, 7200])
def test_a_clock_that_is_off_on_another_machine_keeps_no_run_alive_and_ends_none(site: Site, off: int) -> None:
    elsewhere: dict[str, Any] = {"host": "far", "machine": "x", "boot": "y", "namespace": "z", "pid": 1, "pid_started": "1"}
    writer = begin(site, clock=lambda: system_clock() + off * 1_000_000, **elsewhere)
    writer.point({"loss": 1.0}, 1)
    writer.append(journal.BEAT, time=writer.now())
    writer.flush()
    ingest(site)
    ingest(site)
    assert get(site).status is RunStatus.RUNNING
    site.clock = lambda: system_clock() + 200 * 1_000_000
    ingest(site)
    found = get(site)
    assert found.status is RunStatus.CRASHED
    assert found.ended_at is not None
    assert found.ended_at >= found.started_at


def test_a_rank_that_lives_on_keeps_no_run_alive_whose_owner_is_silent(site: Site) -> None:
    elsewhere: dict[str, Any] = {"host": "far", "machine": "x", "boot": "y", "namespace": "z", "pid": 1, "pid_started": "1"}
    begin(site, **elsewhere).flush()
    other = JournalWriter(site.layout.journals / ("a" * 32), run="a" * 32, project=site.project_id, clock=system_clock, entropy=os.urandom, rank=1)
    ingest(site)
    site.clock = lambda: system_clock() + 200 * 1_000_000
    other.append(journal.BEAT, time=site.clock())
    other.flush()
    heard = site.clock() * 1000
    os.utime(other.path, ns=(heard, heard))
    ingest(site)
    assert get(site).status is RunStatus.CRASHED
    other.close()


def test_a_journal_that_arrives_while_a_runs_others_are_cleared_away_stays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = begin(site)
    end(writer)
    folder = site.layout.journals / ("a" * 32)
    clear = module._clear

    def arrive(where: Path, names: Sequence[str]) -> None:
        if not list(where.glob("late*")):
            (where / "late.journal").write_bytes(writer.path.read_bytes())
        clear(where, names)

    monkeypatch.setattr(module, "_clear", arrive)
    ingest(site)
    assert [path.name for path in folder.iterdir()] == ["late.journal"]


def test_entries_that_make_no_sense_hold_up_their_own_run_only(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    strange = begin(site)
    strange.append(journal.END, status="nonsense", ended="never")
    strange.close()
    other = begin(site, "c" * 32)
    end(other)
    assert ingest(site) == 1
    assert ingest(site) == 0
    assert get(site, "c" * 32).status is RunStatus.FINISHED
    assert [record.message.startswith("what run aaaaaaaa wrote makes no sense") for record in caplog.records] == [True]


def test_a_damaged_journal_gives_its_sound_part_and_a_warning_and_blocks_nothing(site: Site) -> None:
    writer = begin(site)
    for step in range(100):
        writer.point({"loss": 1.0}, step)
        if step % 10 == 9:
            writer.flush()
    end(writer)
    (path,) = journal_paths(site.layout.journals / ("a" * 32))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    other = begin(site, "c" * 32)
    end(other)
    assert len(journal_problems(site)) == 1
    assert ingest(site) == 2
    run = get(site)
    assert 0 < run.metrics["loss"].points < 100
    assert any("damaged" in warning for warning in run.warnings)
    assert get(site, "c" * 32).status is RunStatus.FINISHED
    assert ingest(site) in {0, 1}


def killed(site: Site, *, change: Callable[[Path], None]) -> Run:
    """A run whose process was killed, with its journal changed afterwards, as the next reader finds it."""
    code = """
        import os, sys
        from pathlib import Path
        from lineal.capture.journal import JournalWriter
        begin = {"name": "killed", "command": ["x"], "attempt": 1}
        writer = JournalWriter(Path(sys.argv[1]), run=sys.argv[2], project=sys.argv[3], clock=lambda: 1, entropy=os.urandom, role="owner", begin=begin)
        for step in range(100):
            writer.point({"loss": 1.0}, step)
            if step % 10 == 9:
                writer.flush()
        os.kill(os.getpid(), 9)
    """
    folder = site.layout.journals / ("b" * 32)
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(folder), folder.name, site.project_id], check=False)
    (path,) = journal_paths(folder)
    change(path)
    ingest(site)
    return get(site, folder.name)


def test_a_killed_run_with_a_damaged_journal_has_crashed(site: Site) -> None:
    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    run = killed(site, change=flip)
    assert run.status is RunStatus.CRASHED
    assert 0 < run.metrics["loss"].points < 100
    assert any("damaged" in warning for warning in run.warnings)


def test_a_killed_run_says_that_its_journal_breaks_off(site: Site) -> None:
    run = killed(site, change=lambda path: os.truncate(path, path.stat().st_size - 1))
    assert (run.status, run.metrics["loss"].points) == (RunStatus.CRASHED, 90)
    assert any("breaks off" in warning for warning in run.warnings)


def test_a_torn_end_waits_for_the_rest(site: Site) -> None:
    writer = begin(site)
    writer.point({"loss": 1.0}, 0)
    writer.flush()
    (path,) = journal_paths(site.layout.journals / ("a" * 32))
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b"\x40\x00\x00\x00")
    assert ingest(site) == 1
    assert get(site).metrics["loss"].points == 1
    os.truncate(path, len(whole))
    writer.point({"loss": 2.0}, 1)
    end(writer)
    ingest(site)
    assert get(site).metrics["loss"].points == 2


def test_a_journal_of_a_newer_version_is_left_alone_and_told(site: Site) -> None:
    writer = begin(site)
    end(writer)
    (path,) = journal_paths(site.layout.journals / ("a" * 32))
    data = bytearray(path.read_bytes())
    data[5] = 99
    path.write_bytes(data)
    end(begin(site, "c" * 32))
    assert ingest(site) == 1
    assert path.exists()
    assert "newer" in journal_problems(site)[0]


INGEST = """
import os, sys
from pathlib import Path
from lineal.workspace.site import Layout, Site
from lineal.workspace.ingest import ingest
layout = Layout(root=Path(sys.argv[1]))
site = Site(layout=layout, project_id="0" * 32, project="demo", ledger_url=f"sqlite:///{layout.ledger}", actor="ada", settings={})
print("go", flush=True)
ingest(site)
"""


def test_an_ingester_killed_at_any_point_loses_and_doubles_nothing(site: Site) -> None:
    assert site.ledger
    for number in range(6):
        writer = begin(site, f"{number:032x}")
        for step in range(3000):
            writer.point({"a": float(step), "b": 1.0}, step)
        writer.append(journal.FILE, **file_entry(b"in.csv", digest("1")))
        end(writer)
    for delay in (0.0, 0.01, 0.03, 0.06, 0.1):
        with subprocess.Popen([sys.executable, "-c", INGEST, str(site.layout.root)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(delay)
            child.kill()
            child.wait()
    ingest(site)
    for number in range(6):
        run = get(site, f"{number:032x}")
        assert (run.metrics["a"].points, run.metrics["b"].points, len(run.inputs)) == (3000, 3000, 1)


def test_two_ingesters_at_once_do_everything_once(site: Site) -> None:
    for number in range(4):
        writer = begin(site, f"{number:032x}")
        for step in range(2000):
            writer.point({"a": float(step)}, step)
        end(writer)
    assert site.ledger
    threads = [threading.Thread(target=ingest, args=(site,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with site.ledger.read() as connection:
        page = search_runs(connection, PROJECT)
    assert page.total == 4
    assert {run.metrics["a"].points for run in page.runs} == {2000}
    assert {run.number for run in page.runs} == {1, 2, 3, 4}


def test_inputs_and_outputs_tie_runs_together(site: Site) -> None:
    prepare = begin(site, "a" * 32)
    prepare.append(journal.FILE, **file_entry(b"raw.csv", digest("1"), role="train"))
    prepare.append(journal.FILE, **file_entry(b"clean.csv", digest("2"), direction="output"))
    end(prepare)
    ingest(site)
    train = begin(site, "b" * 32)
    train.append(journal.FILE, **file_entry(b"clean.csv", digest("2")))
    train.append(journal.FILE, **file_entry(b"models/m.skops", digest("3"), direction="output"))
    train.append(journal.MODEL, name="delay", root="project", path=b"models/m.skops", format="skops", signature={"task": "x"}, profile=None)
    end(train)
    ingest(site)
    first, second = get(site, "a" * 32), get(site, "b" * 32)
    assert [(use.path, use.digest, use.role) for use in first.inputs] == [("raw.csv", digest("1"), "train")]
    assert second.inputs[0].occurrence == first.outputs[0].occurrence
    with site.ledger.read() as connection:
        row = connection.execute(select(occurrences).where(occurrences.c.kind == "model")).mappings().one()
        assert connection.execute(select(func.count()).select_from(edges)).scalar_one() == 5
    assert (row["label"], row["digest"]) == ("delay", digest("3"))
    assert '"format": "skops"' in row["detail"]


def test_entries_behind_the_end_come_too_and_the_folder_waits_for_them(site: Site) -> None:
    mark = site.layout.journals / ("a" * 32) / journal.UNCOLLECTED
    owner = begin(site)
    mark.touch()
    end(owner)
    ingest(site)
    assert get(site).status is RunStatus.FINISHED
    assert mark.exists()
    late = begin(site, role="worker")
    late.append(journal.FILE, **file_entry(b"in.csv", digest("1")))
    late.close()
    mark.unlink()
    ingest(site)
    assert [use.path for use in get(site).inputs] == ["in.csv"]
    assert not mark.parent.exists()


def test_many_files_below_one_folder_are_one_row(site: Site) -> None:
    def record(run: str, direction: str) -> None:
        writer = begin(site, run)
        for number in range(100):
            writer.append(journal.FILE, **file_entry(f"images/{number % 7}/{number}.jpg".encode(), f"blake3:{number:064x}", direction=direction))
        end(writer)
        ingest(site)

    record("a" * 32, "output")
    record("b" * 32, "input")
    made, used = get(site, "a" * 32), get(site, "b" * 32)
    assert [(use.path, use.note, use.size) for use in made.outputs] == [("images", "100 files", 500)]
    assert [(use.path, use.note, use.occurrence) for use in used.inputs] == [("images", "100 files", made.outputs[0].occurrence)]
    assert used.inputs[0].digest == made.outputs[0].digest


def test_paths_that_are_not_utf_8_come_back_exactly(site: Site) -> None:
    writer = begin(site)
    writer.append(journal.FILE, **file_entry(b"a\xff\nb.csv", digest("1")))
    end(writer)
    ingest(site)
    (use,) = get(site).inputs
    assert os.fsencode(use.path) == b"a\xff\nb.csv"
    assert use.path_b64


def test_lost_points_are_told(site: Site) -> None:
    writer = JournalWriter(
        site.layout.journals / ("a" * 32),
        run="a" * 32,
        project=PROJECT,
        clock=system_clock,
        entropy=os.urandom,
        role="owner",
        flush_seconds=3600,
        capacity=10,
    )
    for step in range(15):
        writer.point({"loss": 1.0}, step)
    end(writer)
    ingest(site)
    run = get(site)
    assert (run.metrics["loss"].points, run.capture.lost_points) == (10, 5)
    assert run.warnings


def _points(site: Site, run: str) -> int:
    with site.ledger.read() as connection:
        return connection.execute(select(func.sum(metric_blocks.c.points)).where(metric_blocks.c.run_id == run)).scalar_one() or 0


MANY = """
import os, sys, threading, time
from pathlib import Path
from lineal.errors import Unavailable
from lineal.capture.journal import JournalWriter
writer = JournalWriter(Path(sys.argv[1]), run="d" * 32, project="0" * 32, clock=lambda: time.time_ns() // 1000, entropy=os.urandom,
                       role=sys.argv[2], begin={"name": "many"})
def work(thread):
    for step in range(int(sys.argv[3])):
        writer.point({f"loss/{thread}": float(step)}, step)
threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_every_point_of_many_processes_and_threads_arrives_once(site: Site) -> None:
    folder = site.layout.journals / ("d" * 32)
    roles = ["owner", "worker", "worker"]
    children = [subprocess.Popen([sys.executable, "-c", MANY, str(folder), role, "5000"]) for role in roles]
    while any(child.poll() is None for child in children):
        ingest(site)
    ingest(site)
    assert _points(site, "d" * 32) == 3 * 4 * 5000
    assert get(site, "d" * 32).status is RunStatus.CRASHED  # nobody said END


def test_the_offsets_are_what_was_read(site: Site) -> None:
    writer = begin(site)
    writer.flush()
    ingest(site)
    with site.ledger.read() as connection:
        assert connection.execute(select(journals.c.offset)).scalar_one() == writer.path.stat().st_size
    writer.close()


@pytest.fixture
def small_disk(new_disk: Callable[[str], Path]) -> Path:
    return new_disk("2m")


def test_a_full_disk_under_the_ledger_is_told_and_loses_nothing(site: Site, small_disk: Path) -> None:
    layout = Layout(root=site.layout.root)
    small = Site(layout=layout, project_id=PROJECT, project="demo", ledger_url=f"sqlite:///{small_disk / 'ledger.db'}", actor="ada", settings={})
    assert small.ledger
    writer = begin(site)
    for step in range(100_000):
        writer.point({"a": float(step), "b": (step * 0.7310585) % 1}, step)
    end(writer)
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(Unavailable) as caught:
        ingest(small)
    assert caught.value.kind == "disk-full"
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert ingest(small) == 1
    assert get(small).metrics["a"].points == get(small).metrics["b"].points == 100_000
    small.close()
