"""What travels between stores: only what is missing, whole, and in an order that a sudden end cannot spoil."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.object_stores import ObjectServer

from lineal.errors import Integrity
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.store import transfer
from lineal.store.backends.address import parse_address
from lineal.store.backends.object_store import ObjectStoreBackend
from lineal.store.backends.pages import PageCache
from lineal.store.repository import Repository

PROJECT = "a" * 32

Files = dict[bytes, bytes]


def far(url: str, folder: Path) -> tuple[Repository, ObjectStoreBackend]:
    backend = ObjectStoreBackend(parse_address(url, base=folder), pages=PageCache(folder / "pages", 1 << 30))
    return Repository(backend, PROJECT), backend


@pytest.fixture
def near(tmp_path: Path) -> Callable[[str], Repository]:
    return lambda name: Repository.open(tmp_path / name, project_id=PROJECT)


def commit(store: Repository, files: Files, *parents: Digest) -> Digest:
    with store.batch():
        entries = [TreeEntry(path=path, mode="file", size=len(data), digest=store.put_bytes(data)) for path, data in files.items()]
        root = store.put_tree(entries)
        return store.commit(root, parents=parents, meta={"files": len(files)})


def many(count: int, size: int, *, seed: int = 1) -> Files:
    draw = random.Random(seed)
    return {b"folder-%d/%05d" % (number % 7, number): draw.randbytes(size) for number in range(count)}


def send(source: Repository, target: Repository, tip: Digest, *known: Digest) -> transfer.Carried:
    there = source.ancestors(known)
    return source.send(source.commits_since([tip], lambda identity: identity in there), target)


def files_of(store: Repository, tip: Digest) -> Files:
    return {entry.path: store.read(entry.digest) for entry in store.entries(store.read_commit(tip).root)}


def test_everything_arrives_in_another_folder(near: Callable[[str], Repository]) -> None:
    source, target = near("a"), near("b")
    files = many(300, 500) | {b"large": random.Random(2).randbytes(3_000_000), b"empty": b""}
    first = commit(source, files)
    second = commit(source, files | {b"large": files[b"large"][:1_000_000] + b"!" + files[b"large"][1_000_000:]}, first)
    send(source, target, second)
    assert files_of(target, first) == files
    assert len(files_of(target, second)[b"large"]) == 3_000_001
    target.move_ref("datasets/d", second, expected=None)
    assert target.verify().sound


def test_only_what_changed_travels_and_whoever_has_all_gets_nothing(near: Callable[[str], Repository]) -> None:
    source, target = near("a"), near("b")
    files = many(2000, 300) | {b"large": random.Random(2).randbytes(20_000_000)}
    first = commit(source, files)
    whole = send(source, target, first)
    data = files[b"large"]
    second = commit(source, files | {b"large": data[:9_000_000] + b"!" + data[9_000_000:], b"folder-1/00001": b"new"}, first)
    small = send(source, target, second, first)
    assert whole.bytes > 20_000_000
    assert small.bytes < 400_000
    assert files_of(target, second)[b"folder-1/00001"] == b"new"
    assert send(source, target, second, second) == transfer.Carried()


def test_whole_packs_are_copied_as_they_are(near: Callable[[str], Repository], tmp_path: Path) -> None:
    source, target = near("a"), near("b")
    tip = commit(source, many(20, 400_000))
    send(source, target, tip)
    packs = {path.name for path in (tmp_path / "a").rglob("*.pack")}
    assert packs & {path.name for path in (tmp_path / "b").rglob("*.pack")}
    assert files_of(target, tip) == many(20, 400_000)


def test_what_two_parents_have_is_not_sent_again_for_a_merge(near: Callable[[str], Repository]) -> None:
    source, target = near("a"), near("b")
    files = many(200, 3000)
    base = commit(source, files)
    left = commit(source, files | {b"left": random.Random(3).randbytes(50_000)}, base)
    right = commit(source, files | {b"right": random.Random(4).randbytes(50_000)}, base)
    both = files | {b"left": files_of(source, left)[b"left"], b"right": files_of(source, right)[b"right"]}
    merged = commit(source, both, left, right)
    send(source, target, left)
    send(source, target, right, left)
    assert send(source, target, merged, left, right).bytes < 20_000
    assert files_of(target, merged) == both


def test_damage_at_the_source_does_not_travel(near: Callable[[str], Repository], tmp_path: Path) -> None:
    source, target = near("a"), near("b")
    tip = commit(source, many(20, 400_000))
    pack = max((tmp_path / "a").rglob("*.pack"), key=lambda path: path.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    with pytest.raises(Integrity) as caught:
        send(source, target, tip)
    assert caught.value.kind == "damaged-pack"
    assert not target.contains(tip)


def test_ten_changed_files_of_many_take_few_requests(near: Callable[[str], Repository], seaweed: ObjectServer, tmp_path: Path) -> None:
    source = near("a")
    url = seaweed.url()
    files = many(5000, 100)
    tip = commit(source, files)
    send(source, far(url, tmp_path / "first")[0], tip)
    for turn in range(10):
        before = tip
        with source.batch():
            paths = random.Random(turn).sample(sorted(files), 10)
            changed = [TreeEntry(path=path, mode="file", size=20, digest=source.put_bytes(b"%010d%s" % (turn, path[-10:]))) for path in paths]
            root = source.edit_tree(source.read_commit(before).root, {entry.path: entry for entry in changed})
            tip = source.commit(root, parents=[before], meta={})
        target, backend = far(url, tmp_path / "second")
        seen = target.ref("datasets/d")
        send(source, target, tip, before)
        target.move_ref("datasets/d", tip, expected=seen)
        if turn:  # the first of a machine also tries whether the store keeps preconditions
            assert backend.request_count() <= 12, dict(backend.requests)
        assert backend.requests["list"] == 0
    reader, _backend = far(url, tmp_path / "third")
    assert files_of(reader, tip) == files_of(source, tip)
    assert reader.verify().sound


def test_a_version_comes_back_from_a_bucket(near: Callable[[str], Repository], seaweed: ObjectServer, tmp_path: Path) -> None:
    url = seaweed.url()
    files = many(1000, 200) | {b"large": random.Random(2).randbytes(12_000_000), b"small": b"x"}
    tip = commit(source := near("a"), files)
    send(source, far(url, tmp_path / "up")[0], tip)
    back = near("b")
    distant, backend = far(url, tmp_path / "down")
    send(distant, back, tip)
    assert files_of(back, tip) == files
    assert backend.requests["list"] == 0
    assert backend.request_count() < 25, dict(backend.requests)


def test_contents_that_are_not_wanted_stay_but_the_tree_comes(near: Callable[[str], Repository]) -> None:
    source, target = near("a"), near("b")
    files = many(70, 70_000)
    tip = commit(source, files)
    source.send(source.commits_since([tip], lambda _identity: False), target, wanted=lambda path: path.startswith(b"folder-3/"))
    entries = list(target.entries(target.read_commit(tip).root))
    assert [entry.path for entry in entries] == sorted(files)
    assert {entry.path for entry in entries if target.contains(entry.digest)} == {path for path in files if path.startswith(b"folder-3/")}


def test_a_wave_is_published_whole_or_not_at_all(near: Callable[[str], Repository], monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = near("a"), near("b")
    files = {b"%d" % number: random.Random(number).randbytes(5_000_000) for number in range(4)}
    tip = commit(source, files)
    monkeypatch.setattr(transfer, "WAVE_BYTES", 5_000_000)
    monkeypatch.setattr(transfer, "MOST_OF_A_PACK", 2.0)
    create = target._backend.create
    calls = []

    def failing(key: str, pieces: object) -> int:
        calls.append(key)
        if len([key for key in calls if key.startswith("packs/")]) > 2:
            raise KeyboardInterrupt
        return create(key, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr(target._backend, "create", failing)
    with pytest.raises(KeyboardInterrupt):
        send(source, target, tip)
    monkeypatch.undo()
    there = [target.contains(entry.digest) for entry in source.entries(source.read_commit(tip).root)]
    assert there == [True, True, False, False]
    sent = send(source, target, tip)
    assert sent.bytes < 12_000_000
    assert files_of(target, tip) == files
