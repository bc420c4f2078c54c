"""Contents of any length over real packs."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineal.errors import Integrity
from lineal.records.digest import Digest, blake3_digest
from lineal.store.repository import Repository

SIZES = [0, 1, 65_535, 65_536, 65_537, 200_000, 5_000_000]


@pytest.fixture
def store(tmp_path: Path) -> Repository:
    return Repository.open(tmp_path / "store", project_id="a" * 32)


@pytest.mark.parametrize("size", SIZES)
def test_a_content_is_named_by_its_plain_bytes_whatever_its_length(store: Repository, size: int) -> None:
    data = random.Random(size).randbytes(size)
    digest = store.put_bytes(data)
    assert digest == blake3_digest(blake3(data).digest())
    assert store.read(digest) == data
    assert store.size(digest) == size
    assert store.contains(digest)
    assert b"".join(store.chunks(digest)) == data


def test_what_was_never_stored_is_not_here(store: Repository) -> None:
    missing = Digest("blake3:" + "0" * 64)
    assert not store.contains(missing)
    with pytest.raises(Integrity, match="is not in the store") as caught:
        store.read(missing)
    assert caught.value.kind == "missing-content"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 3_100_000), st.integers(0, 100_000)), max_size=8))
def test_a_content_is_read_from_any_place_like_a_file(store: Repository, steps: list[tuple[int, int]]) -> None:
    data = random.Random(1).randbytes(3_000_000)
    with store.open_content(store.put_bytes(data)) as found:
        wanted = io.BytesIO(data)
        for place, length in steps:
            found.seek(place)
            wanted.seek(place)
            assert found.read(length) == wanted.read(length)
        assert found.seek(-5, io.SEEK_END) == 2_999_995
        assert found.read() == data[-5:]


def test_the_same_bytes_are_stored_once(store: Repository) -> None:
    data = random.Random(2).randbytes(2_000_000)
    store.put_bytes(data)
    grown = store.written_bytes
    store.put_bytes(data)
    store.put_bytes(data[:1_000_000])
    assert store.written_bytes - grown < 300_000


def test_one_row_inserted_into_a_long_table_grows_the_store_little(store: Repository) -> None:
    rows = [b"%d,%d,%s\n" % (number, number * 7919 % 10_007, b"abcdefghijklmnop"[number % 16 :]) for number in range(1_500_000)]
    store.put_bytes(b"".join(rows))
    before = store.written_bytes
    rows.insert(700_000, b"inserted,1,row\n")
    store.put_bytes(b"".join(rows))
    assert store.written_bytes - before < 128 * 1024


def test_many_equal_chunks_end_in_a_list_that_ends(store: Repository) -> None:
    data = bytes(20_000_000)
    digest = store.put_bytes(data)
    assert store.read(digest) == data
    assert store.written_bytes < 50_000


def test_bytes_that_do_not_shrink_are_kept_raw(store: Repository) -> None:
    store.put_bytes(random.Random(3).randbytes(1_000_000))
    assert store.written_bytes < 1_003_000
