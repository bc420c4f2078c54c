"""A tree, looked at like a file system."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineal.records.dataset import TreeEntry
from lineal.store.objects import Objects
from lineal.store.repository import Repository
from lineal.store.view import TreeView

_BYTES = random.Random(3).randbytes(1_000_000)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    opened = Repository.open(tmp_path_factory.mktemp("view") / "store", project_id="a" * 32)
    yield opened
    opened.close()


def viewed(store: Repository, files: dict[bytes, bytes], links: dict[bytes, bytes] | None = None, folders: tuple[bytes, ...] = ()) -> TreeView:
    entries = [TreeEntry(path=path, mode="file", size=len(data), digest=store.put_bytes(data)) for path, data in files.items()]
    entries += [TreeEntry(path=path, mode="symlink", size=len(to), digest=store.put_bytes(to)) for path, to in (links or {}).items()]
    entries += [TreeEntry(path=path, mode="folder", size=0, digest=store.put_bytes(b"")) for path in folders]
    return TreeView(store, store.put_tree(entries))


def test_files_folders_and_empty_folders_are_found_at_their_paths(store: Repository) -> None:
    view = viewed(store, {b"a/b/c.csv": b"x", b"a/b-c": b"yy", "ü/ñ ?#%.txt".encode(): b"", b"a/\xff": b"z"}, folders=(b"empty",))
    found = {path: view.entry(path) for path in (b"", b"a", b"a/b", b"a/b/c.csv", b"a/b-c", b"empty", b"a/\xff", "ü/ñ ?#%.txt".encode())}
    assert [entry.mode for entry in found.values() if entry] == ["folder", "folder", "folder", "file", "file", "folder", "file", "file"]
    assert [view.entry(path) for path in (b"b", b"a/", b"a/b/c", b"a/b/c.csv/d", b"empty/x")] == [None] * 5
    assert [child.path for child in view.children(b"")] == [b"a", b"empty", "ü".encode()]
    assert [child.path for child in view.children(b"a")] == [b"a/b-c", b"a/b", b"a/\xff"]


def test_links_are_followed_inside_the_tree_only(store: Repository) -> None:
    links = {
        b"d/up": b"../real/file",
        b"folder": b"real",
        b"chain": b"folder/../d/up",
        b"out": b"../outside",
        b"absolute": b"/etc/passwd",
        b"loop": b"loop2",
        b"loop2": b"./loop",
        b"nowhere": b"missing",
        b"here": b".",
    }
    view = viewed(store, {b"real/file": b"content"}, links)
    for path in (b"d/up", b"folder/file", b"chain", b"here/here/folder/file"):
        found = view.follow(path)
        assert found is not None, path
        assert found.path == b"real/file"
    assert [view.follow(path) for path in (b"out", b"absolute", b"loop", b"nowhere", b"d/up/below", b"loop/x")] == [None] * 6
    led = view.follow(b"folder")
    assert led is not None
    assert (led.path, led.mode) == (b"real", "folder")
    entry = view.entry(b"folder")
    assert entry is not None
    assert (entry.mode, view.target(entry)) == ("symlink", b"real")


names = st.sampled_from([b"a", b"b", b"l", b"m"])
places = st.lists(names, min_size=1, max_size=3).map(b"/".join)
targets = st.lists(names | st.just(b"."), min_size=1, max_size=3).map(b"/".join)


@settings(max_examples=40)
@given(st.lists(places, max_size=4), st.dictionaries(places, targets, max_size=4), places)
def test_a_path_leads_where_the_kernel_would_lead(
    store: Repository, tmp_path_factory: pytest.TempPathFactory, files: list[bytes], links: dict[bytes, bytes], asked: bytes
) -> None:
    folder = os.fsencode(tmp_path_factory.mktemp("real"))
    made: dict[bytes, bytes] = {}
    made_links: dict[bytes, bytes] = {}
    for path in (*files, *links):
        full = os.path.join(folder, path)
        parents = [path[:end] for end in range(len(path)) if path[end : end + 1] == b"/"]
        if os.path.lexists(full) or any(os.path.lexists(os.path.join(folder, parent)) and parent in {*made, *made_links} for parent in parents):
            continue
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if path in links:
            os.symlink(links[path], full)
            made_links[path] = links[path]
        else:
            Path(os.fsdecode(full)).write_bytes(path)
            made[path] = path
    found = viewed(store, made, made_links).follow(asked)
    real = os.path.realpath(os.path.join(folder, asked))
    assert (found is not None) == os.path.exists(os.path.join(folder, asked))
    assert found is None or os.path.join(folder, found.path).rstrip(b"/") == real


def test_a_range_reads_the_chunks_it_lies_in_and_no_others(store: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(3_000_000)
    view = viewed(store, {b"big": data, b"none": b""})
    big = view.entry(b"big")
    none = view.entry(b"none")
    assert big is not None
    assert none is not None
    for start, stop in ((0, 10), (1_234_567, 1_234_999), (2_999_990, 4_000_000), (100, 2_900_000), (5, 5), (3_000_000, 3_000_001)):
        assert view.read(big, start, stop) == data[start:stop]
    assert view.read(none, 0, 10) == b""
    keys: list[bytes] = []
    get = Objects.get

    def counted(self: Objects, key: bytes) -> tuple[int, bytes]:
        keys.append(key)
        return get(self, key)

    monkeypatch.setattr(Objects, "get", counted)
    assert view.read(big, 1_500_000, 1_500_100) == data[1_500_000:1_500_100]
    assert len(keys) <= 5


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["seek", "read", "at", "all"]), st.integers(0, 1_100_000), st.integers(0, 300_000)), max_size=12))
def test_ranges_in_any_order_are_those_of_the_bytes(store: Repository, steps: list[tuple[str, int, int]]) -> None:
    data = _BYTES
    view = viewed(store, {b"big": data})
    entry = view.entry(b"big")
    assert entry is not None
    reader, place = store.content_reader(entry.digest), 0
    for deed, start, size in steps:
        if deed == "seek":
            place = reader.seek(start)
        elif deed == "read":
            found = reader.read(size) or b""
            assert data[place:].startswith(found)
            assert found or not size or place >= len(data)
            place += len(found)
        elif deed == "at":
            assert reader.read_at(start, start + size) == data[start : start + size] == view.read(entry, start, start + size)
            place = reader.tell()
        else:
            assert reader.readall() == data[place:]
            place = max(place, len(data))
