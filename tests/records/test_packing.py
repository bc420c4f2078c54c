"""Values on their way into MessagePack."""

from __future__ import annotations

import enum
from pathlib import PurePosixPath

import msgspec
import numpy as np
import pytest

from lineal.records.packing import packable, unpack_extension


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.float64(3.5), 3.5),
        (np.float32(1.5), 1.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.bytes_(b"a"), b"a"),
        (np.array([[1, 2]]), [[1, 2]]),
        (Level.HIGH, 3),
        (PurePosixPath("a/b"), "a/b"),
        ({1: (2, {3})}, {"1": [2, [3]]}),
        (10**30, 10**30),
        ("\udcff", "\udcff"),
    ],
)
def test_what_a_program_has_at_hand_is_written_and_comes_back_plain(value: object, found: object) -> None:
    written = msgspec.msgpack.encode(packable({"v": value}, msgspec.msgpack.Ext))
    back = msgspec.msgpack.Decoder(ext_hook=lambda code, data: unpack_extension(code, bytes(data))).decode(written)["v"]
    assert (back, type(back)) == (found, type(found))
