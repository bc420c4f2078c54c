from __future__ import annotations

import itertools
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineal.errors import Unavailable
from lineal.records.frames import HEAD_SIZE
from lineal.serving.capture import PredictionWriter
from lineal.serving.predictions import PredictionLog
from lineal.serving.segments import AnsweredRows

DAY = 86_400_000_000
START = 1_364_774_400_000_000


def answered(
    writer: PredictionWriter, rows: int, *, first: int = 0, model: str = "delay@1", score: bool = True, event: int | None = None
) -> AnsweredRows:
    ids = writer.new_ids(rows)
    return AnsweredRows(
        model=model,
        ids=ids,
        recorded=[START + first + row for row in range(rows)],
        event=[START + (first + row) * DAY if event is None else event for row in range(rows)],
        features={
            "carrier": [None if row % 7 == 6 else f"c{row % 3}" for row in range(rows)],
            "distance": [float(first + row) for row in range(rows)],
        },
        output=[(first + row) % 2 for row in range(rows)],
        score=[0.25] * rows if score else None,
    )


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[PredictionWriter]:
    opened = PredictionWriter(tmp_path, flush_seconds=0.02)
    yield opened
    opened.close()


def written(writer: PredictionWriter, rows: int) -> None:
    deadline = time.monotonic() + 20
    while writer.state().written < rows:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_is_added_is_read_back_in_columns(writer: PredictionWriter, tmp_path: Path) -> None:
    rows = answered(writer, 3000)
    writer.add(rows)
    writer.close()
    found = PredictionLog(tmp_path).columns()
    assert list(found.ids) == list(rows.ids)
    assert found.event_at.tolist() == list(rows.event)
    assert found.recorded_at.tolist() == list(rows.recorded)
    assert found.features["carrier"].tolist() == list(rows.features["carrier"])
    assert found.features["distance"].dtype == np.float64
    assert found.output.tolist() == list(rows.output)
    assert found.score.tolist() == [0.25] * 3000
    assert set(found.model.tolist()) == {"delay@1"}
    assert PredictionLog(tmp_path).count() == 3000


def test_a_window_of_event_time_is_half_open(writer: PredictionWriter, tmp_path: Path) -> None:
    writer.add(answered(writer, 100))
    writer.close()
    found = PredictionLog(tmp_path).columns(START + 10 * DAY, START + 20 * DAY)
    assert found.features["distance"].tolist() == [float(day) for day in range(10, 20)]
    assert len(found.ids) == 10


def test_one_is_found_by_its_id_and_others_are_not(writer: PredictionWriter, tmp_path: Path) -> None:
    rows = answered(writer, 2000)
    writer.add(rows)
    writer.close()
    log = PredictionLog(tmp_path)
    found = log.find(rows.ids[1500])
    assert found is not None
    assert found.inputs == {"carrier": rows.features["carrier"][1500], "distance": 1500.0}
    assert (found.output, found.score, found.event_at) == (0, 0.25, rows.event[1500])
    assert log.find(writer.new_ids(1)[0]) is None
    assert log.find("nonsense") is None


def test_pages_go_backwards_without_gap_or_double(writer: PredictionWriter, tmp_path: Path) -> None:
    ids: list[str] = []
    for first in range(0, 90, 30):
        rows = answered(writer, 30, first=first)
        ids += rows.ids
        writer.add(rows)
        written(writer, first + 30)
    log, seen, before = PredictionLog(tmp_path), [], ""
    while page := log.newest(20, before):
        seen += [row.id for row in page]
        before = page[-1].id
    assert seen == ids[::-1]


def test_models_without_a_score_and_texts_as_answers(writer: PredictionWriter, tmp_path: Path) -> None:
    rows = answered(writer, 5, score=False)
    named = AnsweredRows(**{field: getattr(rows, field) for field in rows.__slots__} | {"output": list("abcde")})
    writer.add(named)
    writer.close()
    found = PredictionLog(tmp_path).columns()
    assert found.score is None
    assert found.output.tolist() == list("abcde")


def test_models_do_not_share_a_frame(writer: PredictionWriter, tmp_path: Path) -> None:
    writer.add(answered(writer, 3))
    writer.add(answered(writer, 3, model="delay@2"))
    writer.close()
    assert PredictionLog(tmp_path).columns().model.tolist() == ["delay@1"] * 3 + ["delay@2"] * 3


def test_ids_rise_strictly_even_when_the_clock_is_set_back(tmp_path: Path) -> None:
    times = itertools.chain([2_000_000_000_000_000] * 3, itertools.repeat(1_900_000_000_000_000))
    writer = PredictionWriter(tmp_path, clock=lambda: next(times))
    ids = [identifier for _turn in range(6) for identifier in writer.new_ids(4)]
    writer.close()
    assert ids == sorted(ids)
    assert len(set(ids)) == 24


def test_an_empty_or_missing_folder_has_no_predictions(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "nothing")
    assert (log.count(), log.newest(5), list(log.columns().ids), log.damage(), log.rejected()) == (0, [], [], [], {})


def test_refused_requests_are_counted_across_restarts(tmp_path: Path) -> None:
    for _turn in range(2):
        writer = PredictionWriter(tmp_path)
        writer.reject("missing-feature")
        writer.close()
    assert PredictionLog(tmp_path).rejected() == {"missing-feature": 2}


def test_many_threads_lose_and_mix_nothing(writer: PredictionWriter, tmp_path: Path) -> None:
    def work(thread: int) -> None:
        for turn in range(50):
            writer.add(answered(writer, 4, first=thread * 1000 + turn * 4))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    found = PredictionLog(tmp_path).columns()
    assert sorted(found.features["distance"].tolist()) == sorted(float(t * 1000 + row) for t in range(8) for row in range(200))
    assert ((found.event_at - START) // DAY).tolist() == found.features["distance"].tolist()
    assert all(PredictionLog(tmp_path).find(identifier) for identifier in found.ids[::97])


def test_a_full_queue_refuses_instead_of_losing(tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path, queue_rows=10, flush_seconds=60)
    writer.add(answered(writer, 4))
    with pytest.raises(Unavailable) as caught:
        writer.add(answered(writer, 7))
    assert caught.value.kind == "capture-full"
    writer.close()
    assert PredictionLog(tmp_path).count() == 4
    with pytest.raises(Unavailable):
        writer.add(answered(writer, 1))


def segment(folder: Path) -> Path:
    (found,) = folder.glob("*.predictions")
    return found


def two_frames(writer: PredictionWriter) -> None:
    for first in (0, 10):
        writer.add(answered(writer, 10, first=first))
        written(writer, first + 10)
    writer.close()


def test_a_torn_end_costs_only_what_was_being_written(writer: PredictionWriter, tmp_path: Path) -> None:
    two_frames(writer)
    path = segment(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    log = PredictionLog(tmp_path)
    assert log.count() == 10
    assert log.damage() == []


def test_damage_in_the_middle_is_told_and_the_rest_is_read(writer: PredictionWriter, tmp_path: Path) -> None:
    two_frames(writer)
    path = segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[HEAD_SIZE + 40] ^= 0xFF
    path.write_bytes(data)
    found = PredictionLog(tmp_path).columns()
    assert found.features["distance"].tolist() == [float(row) for row in range(10, 20)]
    assert len(found.damaged) == 1
    assert "damaged at byte 8" in found.damaged[0]
    assert list(PredictionLog(tmp_path).damage()) == list(found.damaged)


@pytest.mark.parametrize(
    "change", [lambda data: b"garbage!" + data[8:], lambda data: data[:5] + b"\x09" + data[6:], lambda data: data[:8] + b"\xff" * 20]
)
def test_another_file_newer_format_or_broken_length_is_told(change: Callable[[bytes], bytes], writer: PredictionWriter, tmp_path: Path) -> None:
    two_frames(writer)
    path = segment(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    log = PredictionLog(tmp_path)
    assert log.count() == 0
    assert len(log.damage()) == 1
    assert log.columns().damaged


def test_a_hundred_thousand_rows_are_read_in_about_a_second(writer: PredictionWriter, tmp_path: Path) -> None:
    for first in range(0, 100_000, 10_000):
        writer.add(answered(writer, 10_000, first=first))
        written(writer, first + 10_000)
    started = time.process_time()
    found = PredictionLog(tmp_path).columns()
    assert len(found.ids) == 100_000
    assert time.process_time() - started < 5  # far above what it takes: this is no benchmark, it only catches the wrong order of growth


def test_a_full_disk_is_told_and_nothing_answered_is_lost_once_there_is_room(tiny_disk: Path, tmp_path: Path) -> None:
    filler = tiny_disk / "filler"
    filler.write_bytes(b"x" * 60 * 1024)
    writer = PredictionWriter(tiny_disk, flush_seconds=0.02)
    rows: list[Any] = []
    for turn in range(20):
        rows.append(answered(writer, 500, first=turn * 500))
        writer.add(rows[-1])
    deadline = time.monotonic() + 10
    while not writer.state().trouble:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert writer.state().trouble == "the disk is full"
    assert writer.add(answered(writer, 1))
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(tiny_disk)], check=True)
    written(writer, 10_001)
    writer.close()
    assert PredictionLog(tiny_disk).count() == 10_001
    assert PredictionLog(tiny_disk).damage() == []
    shutil.copytree(tiny_disk, tmp_path / "kept")


def test_small_frames_are_put_together_without_changing_a_row(tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path, flush_seconds=0.001)
    for row in range(60):
        writer.add(answered(writer, 1 + row % 2, first=row * 2, model="delay@1" if row < 50 else "delay@2", score=row % 5 > 0))
        written(writer, sum(1 + turn % 2 for turn in range(row + 1)))
    writer.close()
    before, size = PredictionLog(tmp_path).columns(), segment(tmp_path).stat().st_size
    PredictionWriter(tmp_path).close()
    after = PredictionLog(tmp_path).columns()
    assert segment(tmp_path).stat().st_size < size / 4
    assert (after.ids, after.model.tolist(), after.output.tolist()) == (before.ids, before.model.tolist(), before.output.tolist())
    assert after.event_at.tolist() == before.event_at.tolist()
    assert np.array_equal(after.score, before.score, equal_nan=True)
    assert {name: values.tolist() for name, values in after.features.items()} == {name: values.tolist() for name, values in before.features.items()}
    assert PredictionLog(tmp_path).find(before.ids[17]) is not None


def test_a_segment_of_many_frames_is_closed_and_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineal.serving.capture.SEGMENT_FRAMES", 20)
    writer = PredictionWriter(tmp_path, flush_seconds=0.001)
    for row in range(50):
        writer.add(answered(writer, 1, first=row))
        written(writer, row + 1)
    writer.close()
    assert len(list(tmp_path.glob("*.predictions"))) == 3
    assert PredictionLog(tmp_path).columns().features["distance"].tolist() == [float(row) for row in range(50)]


def test_a_damaged_segment_is_never_rewritten(writer: PredictionWriter, tmp_path: Path) -> None:
    for first in range(30):
        writer.add(answered(writer, 1, first=first))
        written(writer, first + 1)
    writer.close()
    path = segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[HEAD_SIZE + 40] ^= 0xFF
    path.write_bytes(data)
    PredictionWriter(tmp_path).close()
    assert path.read_bytes() == data
