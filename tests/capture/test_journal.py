from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lineal.capture.journal import JournalWriter, journal_paths, read_journal
from lineal.errors import Integrity, InvalidState, Unavailable
from lineal.records import frames, journal


def begin(folder: Path, **more: Any) -> JournalWriter:
    facts = {"run": "a" * 32, "project": "p" * 32, "clock": lambda: time.time_ns() // 1000, "entropy": os.urandom, "flush_seconds": 3600}
    return JournalWriter(folder, **{**facts, **more})


def values(folder: Path, key: str) -> list[float]:
    found: list[float] = []
    for path in journal_paths(folder):
        for entry in read_journal(path):
            if entry["k"] == journal.POINTS:
                names = entry["keys"]
                every = zip(array("H", entry["key"]), array("d", entry["value"]), strict=True)
                found.extend(value for index, value in every if names[index] == key)
    return found


def steps(folder: Path) -> list[int]:
    return [
        step for path in journal_paths(folder) for entry in read_journal(path) if entry["k"] == journal.POINTS for step in array("q", entry["step"])
    ]


def kinds(folder: Path) -> list[str]:
    return [entry["k"] for path in journal_paths(folder) for entry in read_journal(path)]


def test_a_journal_begins_with_who_writes_it(tmp_path: Path) -> None:
    writer = begin(tmp_path, role="owner", begin={"name": "train", "command": ["python", "t\udcff.py"]}, rank=3)
    (entry,) = read_journal(writer.path)
    assert (entry["k"], entry["run"], entry["role"], entry["rank"], entry["pid"]) == (journal.BEGIN, "a" * 32, "owner", 3, os.getpid())
    assert entry["command"] == ["python", "t\udcff.py"]
    assert entry["boot"]
    assert entry["pid_started"]
    writer.close()


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    writer = begin(tmp_path)
    nested = {"list": [1, "a", None, True], "tuple": (1, 2), "big": 1 << 80, "nan": float("nan"), "inf": float("-inf"), "text": "ä\0"}
    writer.append(journal.PARAMS, values=nested, origin="recorded")
    writer.append(journal.FILE, path=b"a\xff", kind="file")
    writer.close()
    _begin, params, file, closed = read_journal(writer.path)
    assert repr(params["values"]) == repr({**nested, "tuple": [1, 2]})
    assert (file["path"], file["kind"]) == (b"a\xff", "file")
    assert closed["k"] == journal.CLOSED


def test_steps_count_up_by_name_where_none_is_given(tmp_path: Path) -> None:
    writer = begin(tmp_path)
    for step in (None, None, 10, None):
        writer.point({"loss": 1.0}, step)
    writer.point({"other": 1.0}, None)
    writer.close()
    assert steps(tmp_path) == [0, 1, 10, 11, 0]


def test_nothing_is_written_before_a_flush_and_everything_after(tmp_path: Path) -> None:
    writer = begin(tmp_path)
    writer.point({"loss": 1.0}, 0)
    assert values(tmp_path, "loss") == []
    assert writer.flush()
    assert values(tmp_path, "loss") == [1.0]
    writer.close()


def test_the_background_flushes_by_itself(tmp_path: Path) -> None:
    writer = begin(tmp_path, flush_seconds=0.02)
    writer.point({"loss": 1.0}, 0)
    deadline = time.monotonic() + 10
    while not values(tmp_path, "loss") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert values(tmp_path, "loss") == [1.0]
    writer.close()


def test_a_beat_says_that_the_process_lives(tmp_path: Path) -> None:
    writer = begin(tmp_path, beat_seconds=0)
    writer.flush()
    writer.close()
    assert journal.BEAT in kinds(tmp_path)


def test_the_end_stands_behind_all_points_logged_before_it(tmp_path: Path) -> None:
    writer = begin(tmp_path)
    writer.point({"loss": 1.0}, 0)
    writer.append(journal.END, status="finished")
    writer.close()
    assert kinds(tmp_path) == [journal.BEGIN, journal.POINTS, journal.END, journal.CLOSED]


def test_points_of_many_threads_are_all_there(tmp_path: Path) -> None:
    writer = begin(tmp_path, flush_seconds=0.001)

    def work(thread: int) -> None:
        for step in range(20_000):
            writer.point({f"loss/{thread}": float(step)}, step)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    for number in range(4):
        assert values(tmp_path, f"loss/{number}") == [float(step) for step in range(20_000)]


def test_what_does_not_fit_the_buffer_is_counted_and_told(tmp_path: Path) -> None:
    writer = begin(tmp_path, capacity=10)
    for step in range(25):
        writer.point({"a": 1.0, "b": 2.0}, step)
    assert writer.lost_points == 30
    writer.close()
    (lost,) = (entry for entry in read_journal(writer.path) if entry["k"] == journal.LOST)
    assert lost["points"] == 30
    assert len(values(tmp_path, "a")) == 10


def test_a_forked_child_writes_a_journal_of_its_own_and_nothing_twice(tmp_path: Path) -> None:
    writer = begin(tmp_path, role="owner")
    writer.point({"loss": 1.0}, 0)
    child = os.fork()
    if child == 0:
        try:
            writer.point({"loss": 2.0}, 1)
            writer.flush()
            writer.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    writer.point({"loss": 3.0}, 2)
    writer.close()
    assert sorted(values(tmp_path, "loss")) == [1.0, 2.0, 3.0]
    begins = [next(iter(read_journal(path))) for path in journal_paths(tmp_path)]
    assert sorted(entry["role"] for entry in begins) == ["owner", "worker"]


def _in_child(writer: JournalWriter) -> None:
    for step in range(100):
        writer.point({"loss": float(step)}, step)


def test_a_worker_of_multiprocessing_leaves_nothing_behind(tmp_path: Path) -> None:
    writer = begin(tmp_path)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_in_child, args=(writer,)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    writer.close()
    assert len(values(tmp_path, "loss")) == 200
    assert kinds(tmp_path).count(journal.CLOSED) == 3


def test_a_child_that_records_nothing_makes_no_file(tmp_path: Path) -> None:
    writer = begin(tmp_path)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert len(journal_paths(tmp_path)) == 1
    writer.close()


SCRIPT = """
import os, sys, time
from pathlib import Path
from lineal.capture.journal import JournalWriter
writer = JournalWriter(Path(sys.argv[1]), run="a" * 32, project="p" * 32, clock=lambda: time.time_ns() // 1000, entropy=os.urandom)
for step in range(1000):
    writer.point({"loss": float(step)}, step)
EXTRA
"""


def run_script(folder: Path, extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", SCRIPT.replace("EXTRA", extra), str(folder)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("extra", ["", "sys.exit(3)", "raise ValueError('mine')"])
def test_a_program_that_ends_by_itself_loses_nothing(tmp_path: Path, extra: str) -> None:
    run_script(tmp_path, extra)
    assert len(values(tmp_path, "loss")) == 1000
    assert kinds(tmp_path)[-1] == journal.CLOSED


def test_a_kill_loses_at_most_what_came_since_the_last_flush(tmp_path: Path) -> None:
    done = run_script(tmp_path, "time.sleep(1.5); writer.point({'late': 1.0}, 0); os.kill(os.getpid(), 9)")
    assert done.returncode == -signal.SIGKILL
    assert len(values(tmp_path, "loss")) == 1000
    assert journal.CLOSED not in kinds(tmp_path)


def test_recording_loads_neither_numpy_nor_sqlalchemy(tmp_path: Path) -> None:
    done = run_script(
        tmp_path, "writer.close(); import lineal.capture.recorder; print(sorted({'numpy', 'sqlalchemy', 'zstandard'} & set(sys.modules)))"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_torn_end_is_passed_over_wherever_it_is_torn(tmp_path: Path) -> None:
    writer = begin(tmp_path)
    writer.append(journal.NOTE, text="one")
    writer.append(journal.NOTE, text="two")
    writer.close()
    whole = writer.path.read_bytes()
    torn = tmp_path / "torn.journal"
    lengths = []
    for cut in range(len(whole)):
        torn.write_bytes(whole[:cut])
        lengths.append(len(list(read_journal(torn))))
    assert lengths == sorted(lengths)
    assert set(lengths) == {0, 1, 2, 3}


def test_a_flipped_byte_anywhere_never_goes_unnoticed(tmp_path: Path) -> None:
    writer = begin(tmp_path)
    for number in range(4):
        writer.append(journal.NOTE, text=str(number))
    writer.close()
    whole = list(read_journal(writer.path))
    data = writer.path.read_bytes()
    flipped = tmp_path / "flipped.journal"
    for place in range(0, len(data), 7):
        if place in {6, 7}:
            continue  # two zero bytes of the head that say nothing
        flipped.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        got: list[dict[str, Any]] = []
        try:
            got.extend(read_journal(flipped))
        except (Integrity, InvalidState):
            continue
        assert got == whole[: len(got)]
        assert len(got) < len(whole)


def test_another_kind_of_file_and_a_newer_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(b"SQLite format 3\0" * 10)
    with pytest.raises(Integrity) as damaged:
        list(read_journal(path))
    assert damaged.value.kind == "damaged-journal"
    head = bytearray(frames.head(frames.JOURNAL))
    head[5] = 77
    path.write_bytes(bytes(head))
    with pytest.raises(InvalidState) as newer:
        list(read_journal(path))
    assert newer.value.kind == "newer-format"


def test_a_journal_that_cannot_be_begun_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable) as caught:
        begin(tmp_path / "file" / "journals")
    assert caught.value.kind == "journal-unavailable"


@pytest.fixture
def small_disk(new_disk: Callable[[str], Path]) -> Path:
    return new_disk("256k")


def test_a_full_disk_breaks_nothing_and_loses_nothing_that_fits_in_memory(small_disk: Path) -> None:
    writer = begin(small_disk / "run")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200 * 1024))
    for step in range(20_000):
        writer.point({"loss": float(step)}, step)
    assert not writer.flush()
    writer.append(journal.NOTE, text="still here")
    assert not writer.flush()
    readable = list(read_journal(writer.path))
    assert [entry["k"] for entry in readable] == [journal.BEGIN]
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert writer.flush()
    writer.close()
    assert values(small_disk / "run", "loss") == [float(step) for step in range(20_000)]
    assert journal.NOTE in kinds(small_disk / "run")


def test_a_disk_that_stays_full_costs_points_that_are_counted(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineal.capture.writing.LARGEST_BACKLOG", 100_000)
    writer = begin(small_disk / "run")
    (small_disk / "ballast").write_bytes(bytes(200 * 1024))
    for _ in range(10):
        for step in range(5_000):
            writer.point({"loss": float(step)}, step)
        writer.flush()
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    writer.close()
    (lost,) = (entry for entry in read_journal(writer.path) if entry["k"] == journal.LOST)
    assert lost["points"] + len(values(small_disk / "run", "loss")) == 50_000
    assert lost["points"] > 0


def test_a_journal_cannot_be_begun_on_a_full_disk_and_leaves_nothing(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        (small_disk / "ballast").write_bytes(bytes(512 * 1024))
    with pytest.raises(Unavailable) as caught:
        begin(small_disk / "run")
    assert caught.value.kind == "disk-full"
    assert journal_paths(small_disk / "run") == []


def test_calls_with_differing_names_and_thousands_of_names_come_back(tmp_path: Path) -> None:
    writer = begin(tmp_path)
    writer.point({"a": 1.0}, 0)
    writer.point({"b": 2.0, "a": 3.0}, None)
    writer.point({f"n{number}": float(number) for number in range(70_000)}, 5)
    writer.close()
    assert values(tmp_path, "a") == [1.0, 3.0]
    assert values(tmp_path, "b") == [2.0]
    assert values(tmp_path, "n69999") == [69_999.0]
    assert steps(tmp_path)[:3] == [0, 0, 1]
