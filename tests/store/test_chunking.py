"""Cutting by content."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from lineal.store.chunking import BUFFER, LARGEST, SMALLEST, split_bytes


def drawn(seed: int, size: int, alphabet: int) -> bytes:
    return random.Random(seed).randbytes(size).translate(bytes(value % alphabet for value in range(256)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 2_000_000), st.sampled_from([1, 3, 256]))
def test_the_join_of_the_chunks_is_what_was_cut(seed: int, size: int, alphabet: int) -> None:
    data = drawn(seed, size, alphabet)
    chunks = [bytes(chunk) for chunk in split_bytes(data)]
    assert b"".join(chunks) == data
    assert all(SMALLEST <= len(chunk) <= LARGEST for chunk in chunks[:-1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1), st.binary(min_size=1, max_size=200))
def test_an_edit_stays_local(seed: int, where: float, inserted: bytes) -> None:
    data = drawn(seed, 3_000_000, 256)
    place = int(where * len(data))
    before = [bytes(chunk) for chunk in split_bytes(data)]
    after = [bytes(chunk) for chunk in split_bytes(data[:place] + inserted + data[place:])]
    new = set(after) - set(before)
    assert len(new) <= 6
    assert sum(map(len, new)) <= 6 * LARGEST


def test_chunks_do_not_depend_on_where_the_buffer_ends() -> None:
    data = drawn(7, 2 * BUFFER + 12345, 256)
    whole = {bytes(chunk) for chunk in split_bytes(data)}
    later = {bytes(chunk) for chunk in split_bytes(drawn(8, 1_000_003, 256) + data)}
    assert len(whole - later) <= 3
