"""A store in a bucket: what it costs in requests, and that it finds everything."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.object_stores import ObjectServer

from lineal.records.dataset import TreeEntry
from lineal.store import index, segments
from lineal.store.backends.address import parse_address
from lineal.store.backends.object_store import ObjectStoreBackend
from lineal.store.backends.pages import PageCache
from lineal.store.repository import Repository

PROJECT = "a" * 32


def backend_at(url: str, folder: Path) -> ObjectStoreBackend:
    return ObjectStoreBackend(parse_address(url, base=folder), pages=PageCache(folder, 1 << 30))


def add_files(store: Repository, count: int, *, seed: int) -> list[TreeEntry]:
    draw = random.Random(seed)
    made = []
    for number in range(count):
        data = draw.randbytes(300)
        made.append(TreeEntry(path=b"part-%d/%06d.bin" % (seed, number), mode="file", size=len(data), digest=store.put_bytes(data)))
    return made


def test_the_first_byte_of_one_file_among_many_costs_few_requests_and_lists_nothing(seaweed: ObjectServer, tmp_path: Path) -> None:
    url = seaweed.url()
    writer = Repository(backend_at(url, tmp_path / "writer"), PROJECT)
    with writer.batch():
        entries = add_files(writer, 20_000, seed=1)
        root = writer.put_tree(entries)
        commit = writer.commit(root, meta={})
    writer.move_ref("datasets/d", commit, expected=None)
    writer.close()

    backend = backend_at(url, tmp_path / "reader")
    reader = Repository(backend, PROJECT)
    found = reader.ref("datasets/d")
    assert found == commit
    entry = reader.entry(reader.read_commit(found).root, entries[12_345].path)
    assert entry == entries[12_345]
    assert entry is not None
    with reader.open_content(entry.digest) as file:
        first = file.read(1)
    assert len(first) == 1
    assert backend.request_count() <= 10, dict(backend.requests)
    assert backend.requests["list"] == 0

    again = backend_at(url, tmp_path / "reader")
    warm = Repository(again, PROJECT)
    entry = warm.entry(warm.read_commit(commit).root, entries[12_345].path)
    assert entry is not None
    assert warm.open_content(entry.digest).read(1) == first
    assert again.request_count() <= 1, dict(again.requests)


def test_small_changes_are_found_without_asking_for_their_footers(seaweed: ObjectServer, tmp_path: Path) -> None:
    url = seaweed.url()
    writer = Repository(backend_at(url, tmp_path / "writer"), PROJECT)
    digests = []
    for number in range(index.LOOSE_PACKS - 1):
        with writer.batch():
            digests += [entry.digest for entry in add_files(writer, 3, seed=number)]
    reader_backend = backend_at(url, tmp_path / "reader")
    reader = Repository(reader_backend, PROJECT)
    before = reader_backend.request_count()
    assert all(reader.contains(digest) for digest in digests)
    assert reader_backend.request_count() == before


@pytest.mark.parametrize("shard", [50, 5000])
def test_everything_is_found_in_shards_of_any_size(seaweed: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard: int) -> None:
    monkeypatch.setattr(segments, "LARGEST_SHARD", shard)
    monkeypatch.setattr("lineal.store.segments._WHOLE", 2000)
    url = seaweed.url()
    writer = Repository(backend_at(url, tmp_path / "writer"), PROJECT)
    for number in range(3):
        with writer.batch():
            entries = add_files(writer, 400, seed=number)
            root = writer.put_tree(entries)
        reader = Repository(backend_at(url, tmp_path / f"reader{number}"), PROJECT)
        assert [len(reader.read(entry.digest)) for entry in reader.entries(root)] == [300] * 400
        assert not reader.contains(type(root)("blake3:" + "0" * 64))
        assert not reader.contains(type(root)("blake3:" + "f" * 64))
    assert writer.verify().sound
