"""A real small file system that fills up at every write in turn."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lineal.errors import Unavailable
from lineal.records.dataset import TreeEntry
from lineal.store.repository import Repository
from lineal.store.survey import Roots

PROJECT = "a" * 32
ROOM = 4 * 1024 * 1024
PAGE = 4096


@pytest.fixture
def small_disk(new_disk: Callable[[str], Path]) -> Path:
    return new_disk(str(ROOM))


def leave_free(folder: Path, free: int) -> Path:
    """Fills the file system up to ``free`` bytes."""
    filler = folder / "filler"
    status = os.statvfs(folder)
    with filler.open("wb") as file:
        file.write(bytes(max(0, status.f_bavail * status.f_frsize - free)))
    return filler


def write_version(store: Repository, number: int) -> None:
    with store.batch():
        entries = []
        for place in range(6):
            data = os.urandom(9000) + b"%d %d" % (number, place)
            entries.append(TreeEntry(path=b"%d" % place, mode="file", size=len(data), digest=store.put_bytes(data)))
        root = store.put_tree(entries)
    commit = store.commit(root, meta={"number": number})
    store.move_ref("datasets/d", commit, expected=store.ref("datasets/d"))


def test_wherever_a_full_disk_stops_a_writer_everything_before_it_stands_and_the_next_one_goes_on(small_disk: Path) -> None:
    store = Repository.open(small_disk / "store", project_id=PROJECT)
    write_version(store, 0)
    stopped: list[Unavailable] = []
    passed = 0
    for pages in range(40):
        before, passed_before = store.ref("datasets/d"), passed
        filler = leave_free(small_disk, pages * PAGE)
        try:
            write_version(store, pages)
            passed += 1
        except Unavailable as error:
            stopped.append(error)
        assert (store.ref("datasets/d") != before) == (passed > passed_before)
        assert not list((small_disk / "store" / "tmp").iterdir())
        filler.unlink()
        again = Repository.open(small_disk / "store", project_id=PROJECT)
        assert again.verify().sound
        again.close()
        store.put_bytes(b"goes on %d" % pages)
    assert len(stopped) > 5
    assert {(error.kind, error.exit_code) for error in stopped} == {("disk-full", 6)}
    assert passed > 5
    store.close()


def test_a_checkout_onto_a_full_disk_leaves_the_old_file_whole(small_disk: Path, tmp_path: Path) -> None:
    store = Repository.open(tmp_path / "store", project_id=PROJECT)
    digest = store.put_bytes(os.urandom(ROOM))
    target = small_disk / "table.csv"
    target.write_bytes(b"old")
    leave_free(small_disk, ROOM // 2)
    with pytest.raises(Unavailable) as caught:
        store.write_to(digest, target)
    assert caught.value.kind == "disk-full"
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in small_disk.iterdir()) == ["filler", "table.csv"]
    store.close()


def test_wherever_a_full_disk_stops_a_collection_nothing_needed_is_lost_and_the_next_one_succeeds(small_disk: Path, tmp_path: Path) -> None:
    store = Repository.open(small_disk / "store", project_id=PROJECT)
    write_version(store, 0)
    stopped = passed = 0
    for pages in range(0, 44, 2):
        with store.batch():
            store.put_bytes(os.urandom(50_000))
            write_version(store, pages)  # a pack of which some is needed
        filler = leave_free(small_disk, pages * PAGE)
        try:
            store.collect_garbage(Roots, name="p", grace=0.0, scratch=tmp_path / "scratch", progress=lambda *_: None)
            passed += 1
        except Unavailable as error:
            stopped += error.kind == "disk-full"
        filler.unlink()
        again = Repository.open(small_disk / "store", project_id=PROJECT)
        assert again.verify().damaged == ()
        assert again.collect_garbage(Roots, name="p", grace=0.0, scratch=tmp_path / "scratch", progress=lambda *_: None).waiting == ()
        assert again.verify().damaged == ()
        again.close()
    assert stopped > 3
    assert passed > 3
    store.close()
