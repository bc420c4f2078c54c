"""Event files that PyTorch's and tensorboardX's own writers wrote, and what may be wrong with them."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.records.event_file import LARGEST_RECORD, Damaged, Event, _masked, read_events

FIXTURES = Path(__file__).parent / "fixtures"
TORCH = (FIXTURES / "torch.tfevents").read_bytes()
SCALARS = [(tag, event.step, value) for event, _end in read_events(TORCH) for tag, value in event.scalars]


def record(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", _masked(length)) + payload + struct.pack("<I", _masked(payload))


def events(data: bytes) -> list[Event]:
    return [event for event, _end in read_events(data)]


def test_scalars_of_every_form_are_read_and_the_rest_is_passed_over() -> None:
    found = [scalar for scalar in SCALARS if scalar[0] != "last"]
    assert found == [
        *(("loss", 0, 1.0), ("tensor", 0, 0.0), ("double", 0, 0.0)),
        *(("loss", 1, 0.5), ("tensor", 1, -1.0), ("double", 1, 0.1)),
        *(("loss", 2, struct.unpack("<f", struct.pack("<f", 1 / 3))[0]), ("tensor", 2, -2.0), ("double", 2, 0.2)),
    ]
    assert SCALARS[-1][:2] == ("last", -1)
    assert math.isnan(SCALARS[-1][2])
    assert sum(event.passed_over for event in events(TORCH)) == 3
    assert not any(event.damaged for event in events(TORCH))
    assert all(event.time > 1_700_000_000_000_000 for event in events(TORCH))


def test_tensorboardx_writes_the_same() -> None:
    found = [(tag, event.step, value) for event in events((FIXTURES / "tensorboardX.tfevents").read_bytes()) for tag, value in event.scalars]
    assert found == [("acc/top1", 1 << 40, 0.0), ("acc/top1", 1 << 40, 0.25), ("acc/top1", 1 << 40, 0.5)]


def test_a_file_that_is_cut_anywhere_gives_what_is_whole() -> None:
    whole = list(read_events(TORCH))
    for cut in range(len(TORCH)):
        assert [end for _event, end in read_events(TORCH[:cut])] == [end for _event, end in whole if end <= cut]


@given(st.integers(0, len(TORCH) - 1), st.integers(1, 255))
def test_a_byte_that_changed_makes_no_wrong_value(place: int, change: int) -> None:
    data = bytearray(TORCH)
    data[place] ^= change
    found: list[tuple[str, int, float]] = []
    try:
        for event, _end in read_events(bytes(data)):
            found.extend((tag, event.step, value) for tag, value in event.scalars)
    except Damaged:
        pass
    assert {repr(scalar) for scalar in found} <= {repr(scalar) for scalar in SCALARS}


@given(st.binary(max_size=300))
def test_whatever_a_record_holds_is_read_or_told_to_be_damaged(payload: bytes) -> None:
    (event,) = events(record(payload))
    assert all(isinstance(value, float) for _tag, value in event.scalars)


def test_a_record_beyond_all_bounds_is_passed_over_without_being_read() -> None:
    length = struct.pack("<Q", 1 << 60)
    ((event, end),) = read_events(length + struct.pack("<I", _masked(length)))
    assert event.passed_over
    assert end == (1 << 60) + 16


def test_a_large_record_is_checked_if_it_holds_scalars() -> None:
    value = b"\x0a\x01a\x15" + struct.pack("<f", 2.0)
    summary = (b"\x0a" + bytes([len(value)]) + value) * 10_000
    payload = b"\x2a" + bytes([len(summary) & 127 | 128, len(summary) >> 7 & 127 | 128, len(summary) >> 14]) + summary
    assert len(payload) < LARGEST_RECORD
    assert events(record(payload))[0].scalars == (("a", 2.0),) * 10_000
    assert events(record(payload)[:-1] + b"\0")[0].damaged


def test_a_length_that_is_damaged_ends_the_file() -> None:
    with pytest.raises(Damaged, match="byte 0"):
        events(b"\1" + TORCH[1:])
