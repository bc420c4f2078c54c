"""Packs: every bit of them counts, and no byte is hashed more often than it must be."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3

from lineal.errors import Integrity
from lineal.store.buffers import SIZE, Buffers
from lineal.store.packs import BLOCK, CHUNK, LIST, MOST_PLAIN, ZSTD, PackBuilder, decode_block, is_sound
from lineal.store.repository import Repository


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def filled(builder: PackBuilder) -> bytes:
    """A pack with a compressed block, a raw one of small chunks, one with a list among them, and one of a long content."""
    draw = random.Random(5)
    builder.add(blake3(b"text" * 3000).digest(), b"text" * 3000, CHUNK)
    for _ in range(40):
        data = draw.randbytes(4096)
        builder.add(blake3(data).digest(), data, CHUNK)
    builder.add(draw.randbytes(32), draw.randbytes(64), LIST)
    buffers = Buffers()
    buffer = buffers.take()
    buffer.view[:] = draw.randbytes(SIZE)
    ends = [0, 30_000, 90_000, 150_000]
    builder.add_run(buffer, [(blake3(buffer.view[start:end]).digest(), start, end) for start, end in pairwise(ends)])
    pack = builder.finish()
    assert pack is not None
    data = b"".join(pack.pieces)
    assert is_sound(memoryview(data), pack.name)
    builder.release()
    assert buffers.take() is not buffer, "it is still held by whoever took it"
    return pack.name.encode() + data


def test_any_flipped_bit_is_found(workers: ThreadPoolExecutor) -> None:
    made = filled(PackBuilder(lambda: workers))
    name, data = made[:64].decode(), bytearray(made[64:])
    draw = random.Random(6)
    footer = int.from_bytes(data[-40:-32], "little")
    places = [*range(64), *draw.sample(range(len(data)), 150), *draw.sample(range(footer, len(data)), 50), *range(len(data) - 40, len(data))]
    for place in places:
        data[place] ^= 1 << draw.randrange(8)
        assert not is_sound(memoryview(data), name), f"byte {place}"
        data[:] = made[64:]
    assert is_sound(memoryview(data), name)


@pytest.mark.parametrize("size", [64 * 1024, SIZE - 1, SIZE, SIZE + 1, 20_000_000])
def test_what_does_not_shrink_comes_back_as_it_was(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    mixed = data[: size // 2] + b"a line like all others\n" * 40_000 + data[size // 2 :]
    store = Repository.open(tmp_path / "store", project_id="a" * 32)
    with store.batch():
        digests = [store.put_bytes(content) for content in (data, mixed, data)]
        assert store.read(digests[0]) == data, "inside its own batch"
    store.close()
    again = Repository.open(tmp_path / "store", project_id="a" * 32)
    assert [again.read(digest) for digest in digests] == [data, mixed, data]
    assert again.verify().sound
    again.close()


def test_a_block_that_says_it_is_huge_is_not_unpacked() -> None:
    size = MOST_PLAIN + 1
    bomb = BLOCK.pack(ZSTD, size) + zstandard.ZstdCompressor().compress(bytes(size))
    assert len(bomb) < 1 << 16
    with pytest.raises(Integrity) as caught:
        decode_block(bomb, "a pack")
    assert caught.value.kind == "damaged-pack"
