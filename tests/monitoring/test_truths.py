from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.errors import Integrity, InvalidState, Unavailable
from lineal.monitoring.truths import CHUNK, FILE, Added, Truth, TruthLog
from lineal.records.ids import uuid7

T0 = 1_700_000_000_000_000


def name(number: int) -> str:
    return uuid7(T0 + number, number.to_bytes(8, "big"))


def truth(number: int, label: Any, known_at: int | None = None) -> Truth:
    return Truth(id=name(number), label=label, known_at=known_at)


def test_a_folder_that_is_not_there_knows_nothing(tmp_path: Path) -> None:
    log = TruthLog(tmp_path / "none")
    assert log.count() == 0
    assert log.lookup([name(1)]) == {}
    assert not log.columns([name(1)]).known.any()
    assert not (tmp_path / "none").exists()


def test_what_was_added_is_known_afterwards(tmp_path: Path) -> None:
    assert TruthLog(tmp_path).add([truth(1, 1, T0), truth(2, "late"), truth(3, 2.5)], now=T0 + 9) == Added(new=3, replaced=0, same=0)
    found = TruthLog(tmp_path).columns([name(3), name(9), name(1), name(2)])
    assert found.known.tolist() == [True, False, True, True]
    assert found.labels == [2.5, None, 1, "late"]
    assert found.known_at.tolist() == [T0 + 9, 0, T0, T0 + 9]


def test_an_id_is_found_however_it_is_written(tmp_path: Path) -> None:
    TruthLog(tmp_path).add([truth(1, 1)], now=T0)
    asked = name(1).upper().replace("-", "")
    assert TruthLog(tmp_path).lookup([asked])[asked].label == 1


def test_the_last_word_counts(tmp_path: Path) -> None:
    log = TruthLog(tmp_path)
    log.add([truth(1, 0)], now=T0)
    assert log.add([truth(1, 1), truth(2, 0)], now=T0 + 1) == Added(new=1, replaced=1, same=0)
    assert log.add([truth(1, 0), truth(1, 1), truth(1, 0)], now=T0 + 2) == Added(new=0, replaced=1, same=0)
    assert log.lookup([name(1)])[name(1)].label == 0
    assert log.count() == 2


def test_adding_again_writes_nothing(tmp_path: Path) -> None:
    log = TruthLog(tmp_path)
    rows = [truth(number, number % 2) for number in range(10)]
    log.add(rows, now=T0)
    size = (tmp_path / FILE).stat().st_size
    assert log.add(rows, now=T0 + 5) == Added(new=0, replaced=0, same=10)
    assert (tmp_path / FILE).stat().st_size == size


def test_another_time_of_knowing_is_another_truth(tmp_path: Path) -> None:
    log = TruthLog(tmp_path)
    log.add([truth(1, 1, T0)], now=T0)
    log.add([truth(1, 1, T0 + 7)], now=T0)
    assert log.lookup([name(1)])[name(1)].known_at == T0 + 7


def test_one_and_true_are_not_the_same_label(tmp_path: Path) -> None:
    log = TruthLog(tmp_path)
    log.add([truth(1, 1)], now=T0)
    assert log.add([truth(1, True)], now=T0).replaced == 1
    assert log.lookup([name(1)])[name(1)].label is True


@given(st.lists(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), max_size=6), max_size=6))
def test_it_behaves_like_a_dictionary(tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int]]]) -> None:
    folder = tmp_path_factory.mktemp("truths")
    model: dict[str, int] = {}
    for now, batch in enumerate(batches):
        TruthLog(folder).add([truth(number, label) for number, label in batch], now=now)
        model.update({name(number): label for number, label in batch})
    assert {key: found.label for key, found in TruthLog(folder).lookup([name(number) for number in range(9)]).items()} == model


def test_a_torn_end_is_cut_off_and_the_file_goes_on(tmp_path: Path) -> None:
    log = TruthLog(tmp_path)
    log.add([truth(1, 1)], now=T0)
    whole = (tmp_path / FILE).read_bytes()
    log.add([truth(2, 1)], now=T0)
    torn = (tmp_path / FILE).read_bytes()
    for end in range(len(torn)):
        (tmp_path / FILE).write_bytes(torn[:end])
        assert set(log.lookup([name(1), name(2)])) == ({name(1)} if end >= len(whole) else set())
        log.add([truth(1, 1), truth(2, 1)], now=T0)
        assert set(log.lookup([name(1), name(2)])) == {name(1), name(2)}


def test_damage_in_the_middle_is_said_and_not_written_over(tmp_path: Path) -> None:
    log = TruthLog(tmp_path)
    log.add([truth(1, 1)], now=T0)
    log.add([truth(2, 1)], now=T0)
    data = bytearray((tmp_path / FILE).read_bytes())
    data[20] ^= 0xFF
    (tmp_path / FILE).write_bytes(data)
    for act in (lambda: log.lookup([name(1)]), lambda: log.add([truth(3, 1)], now=T0)):
        with pytest.raises(Integrity) as caught:
            act()
        assert caught.value.kind == "damaged-journal"
    assert (tmp_path / FILE).read_bytes() == data


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"LNLF\x03\x02\x00\x00")
    with pytest.raises(InvalidState) as caught:
        TruthLog(tmp_path).count()
    assert caught.value.kind == "newer-format"


def test_many_rows_take_several_frames_and_are_found_quickly(tmp_path: Path) -> None:
    log = TruthLog(tmp_path)
    rows = [truth(number, number % 2, T0) for number in range(CHUNK + 40_000)]
    assert log.add(rows, now=T0).new == len(rows)
    ids = [row.id for row in rows[:100_000]]
    before = time.process_time()
    found = log.columns(ids)
    assert time.process_time() - before < 0.5
    assert found.known.all()
    assert found.labels == [number % 2 for number in range(100_000)]


def test_two_writers_wait_for_one_another(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lineal.monitoring.truths import *; from lineal.records.ids import uuid7\n"
        "for n in range(int(sys.argv[2]), int(sys.argv[2]) + 50):\n"
        " TruthLog(Path(sys.argv[1])).add([Truth(id=uuid7(n, n.to_bytes(8, 'big')), label=n)], now=n)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(start)]) for start in (0, 1000)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert TruthLog(tmp_path).count() == 100


def test_a_full_disk_keeps_nothing_of_the_file(tiny_disk: Path) -> None:
    log = TruthLog(tiny_disk / "truths")
    log.add([truth(1, 1)], now=T0)
    whole = (tiny_disk / "truths" / FILE).read_bytes()
    with pytest.raises(Unavailable) as caught:
        log.add([truth(number, 1) for number in range(2, 5000)], now=T0)
    assert caught.value.kind == "disk-full"
    assert (tiny_disk / "truths" / FILE).read_bytes() == whole
    assert log.add([truth(2, 1)], now=T0).new == 1


def test_a_full_disk_from_the_first_byte_on_is_said_too(tiny_disk: Path) -> None:
    (tiny_disk / "filler").write_bytes(b"x" * 60 * 1024)
    with pytest.raises(Unavailable) as caught:
        TruthLog(tiny_disk / "truths").add([truth(number, 1) for number in range(5000)], now=T0)
    assert caught.value.kind == "disk-full"
    assert TruthLog(tiny_disk / "truths").count() == 0


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="file") as caught:
        TruthLog(tmp_path / "file").add([truth(1, 1)], now=T0)
    assert caught.value.kind == "truths-unwritable"


def test_the_bytes_of_the_log_stay_as_they_are(tmp_path: Path) -> None:
    TruthLog(tmp_path).add([Truth(id="018bcfe5-6800-7000-8000-000000000000", label=1, known_at=5)], now=7)
    assert (tmp_path / FILE).read_bytes()[:8] == b"LNLF\x03\x01\x00\x00"
    assert (tmp_path / FILE).read_bytes()[16:] == (
        b"\x84\xa3ids\xc4\x10\x01\x8b\xcf\xe5h\x00p\x00\x80\x00\x00\x00\x00\x00\x00\x00"
        b"\xa6labels\x91\x01\xa8known_at\xc4\x08\x05\x00\x00\x00\x00\x00\x00\x00\xabrecorded_at\x07"
    )
