"""TensorBoard's files of a run, read on while they grow."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from lineal.capture import event_files
from lineal.capture.event_files import EventReader, EventWatch
from lineal.capture.journal import JournalWriter, read_journal
from lineal.records import journal
from lineal.records.event_file import _masked

GOLDEN = (Path(__file__).parents[1] / "records" / "fixtures" / "torch.tfevents").read_bytes()


class Notes:
    """What a reader noted."""

    def __init__(self) -> None:
        self.points: list[tuple[str, int, int, float]] = []
        self.entries: list[dict[str, Any]] = []
        self.warnings: list[str] = []

    def __call__(self, kind: str, **fields: Any) -> None:
        if kind == journal.WARNING:
            self.warnings.append(fields["text"])
            return
        self.entries.append(fields)
        count = len(fields["step"]) // 8
        columns = zip(
            struct.unpack(f"<{count}H", fields["key"]),
            struct.unpack(f"<{count}q", fields["step"]),
            struct.unpack(f"<{count}d", fields["value"]),
            strict=True,
        )
        self.points += [(fields["keys"][key], fields["rank"], step, value) for key, step, value in columns]


def event_of(tag: str, value: float, step: int) -> bytes:
    scalar = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
    payload = b"\x10" + bytes([step]) + b"\x2a" + bytes([len(scalar) + 2]) + b"\x0a" + bytes([len(scalar)]) + scalar
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", _masked(length)) + payload + struct.pack("<I", _masked(payload))


@pytest.fixture
def notes() -> Notes:
    return Notes()


def place(tmp_path: Path, name: str, data: bytes) -> bytes:
    path = tmp_path / name / "events.out.tfevents.1"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return os.fsencode(path)


def test_each_record_of_a_growing_file_is_noted_once(tmp_path: Path, notes: Notes) -> None:
    reader = EventReader(notes)
    for cut in range(0, len(GOLDEN) + 7, 7):
        assert reader.read(place(tmp_path, "runs", GOLDEN[:cut]), rank=0)
    assert [point[0] for point in notes.points] == ["loss", "tensor", "double"] * 3 + ["last"]
    assert notes.warnings == []


def test_whoever_comes_later_reads_on_where_the_journal_says(tmp_path: Path, notes: Notes) -> None:
    path = place(tmp_path, "runs", GOLDEN[:300])
    EventReader(notes).read(path, rank=0)
    place(tmp_path, "runs", GOLDEN)
    last = notes.entries[-1]
    EventReader(notes, offsets={path: last["behind"]}, root=os.fsdecode(last["root"])).read(path, rank=0)
    assert [point[0] for point in notes.points] == ["loss", "tensor", "double"] * 3 + ["last"]


def test_folders_are_told_apart_as_tensorboard_does_and_ranks_are_kept(tmp_path: Path, notes: Notes) -> None:
    reader = EventReader(notes)
    for rank, folder in enumerate(("logs/train", "logs/validation", "logs/train/1700000000.5")):
        reader.read(place(tmp_path, folder, event_of("loss", rank, 1)), rank=rank)
    assert notes.points == [("train/loss", 0, 1, 0.0), ("validation/loss", 1, 1, 1.0), ("train/loss", 2, 1, 2.0)]


def test_what_the_program_records_itself_counts_instead(tmp_path: Path, notes: Notes) -> None:
    EventReader(notes, own={"loss"}).read(place(tmp_path, "runs", event_of("loss", 1, 1) + event_of("acc", 2, 1)), rank=0)
    assert notes.points == [("acc", 0, 1, 2.0)]


def test_a_damaged_file_gives_what_stands_before_and_is_told_once(tmp_path: Path, notes: Notes) -> None:
    sound = event_of("loss", 1, 1)
    reader = EventReader(notes)
    path = place(tmp_path, "runs", sound + b"\xff" * 40)
    assert all(reader.read(path, rank=0) for _again in range(3))
    place(tmp_path, "runs", sound + b"\xff" * 40 + sound)
    reader.read(path, rank=0)
    assert notes.points == [("loss", 0, 1, 1.0)]
    assert [f"is damaged at byte {len(sound)}" in text for text in notes.warnings] == [True]


def test_a_record_that_is_too_large_is_waited_for_and_passed_over(tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineal.records.event_file.LARGEST_RECORD", 1000)
    large = struct.pack("<Q", 5000)
    large += struct.pack("<I", _masked(large)) + bytes(5004)
    before, after = event_of("loss", 1, 1), event_of("loss", 2, 2)
    reader = EventReader(notes)
    for data in (before + large[:2000], before + large, before + large + after):
        reader.read(place(tmp_path, "runs", data), rank=0)
    assert notes.points == [("loss", 0, 1, 1.0), ("loss", 0, 2, 2.0)]


def test_the_number_of_series_is_bounded_and_a_name_too_long_is_none(tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_files, "MOST_TAGS", 3)
    EventReader(notes).read(place(tmp_path, "runs", b"".join(event_of(f"t{number}", 1, 1) for number in range(9))), rank=0)
    assert {point[0] for point in notes.points} == {"t0", "t1", "t2"}
    assert len(notes.warnings) == 1


def test_a_further_attempt_reads_none_of_the_files_of_the_one_before(tmp_path: Path) -> None:
    folder, clock = tmp_path / "journals", iter(range(1_000_000, 2_000_000))

    def write(role: str, **begin: Any) -> JournalWriter:
        return JournalWriter(folder, run="a" * 32, project="p", clock=lambda: next(clock), entropy=os.urandom, role=role, begin=begin)

    def attempt(name: str) -> list[int]:
        owner, tracer = write("owner"), write("worker", parent_pid=1)
        tracer.append(journal.OPENED, path=place(tmp_path, name, event_of("loss", 1, 1)), mode="w", time=1)
        tracer.close()
        EventWatch(folder, owner, seconds=60).finish()
        owner.close()
        return [len(entry["step"]) // 8 for entry in read_journal(owner.path) if entry["k"] == journal.POINTS]

    assert attempt("runs/first") == [1]
    assert attempt("runs/second") == [1]


def test_time_that_is_up_leaves_the_rest(tmp_path: Path, notes: Notes) -> None:
    reader = EventReader(notes)
    path = place(tmp_path, "runs", GOLDEN)
    assert not reader.read(path, rank=0, deadline=0)
    assert notes.points == []
    assert reader.read(path, rank=0)
