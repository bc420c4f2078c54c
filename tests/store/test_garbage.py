"""Collecting garbage: what is needed stays, what is not goes after its grace, and nobody who writes meanwhile loses anything."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineal.errors import Conflict, Integrity, InvalidState
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest, raw_hash
from lineal.records.garbage import Collection
from lineal.store import keeping
from lineal.store.backends.folder import FolderBackend
from lineal.store.repository import Repository
from lineal.store.survey import COLLECTING, Roots

PROJECT, OTHER = "a" * 32, "b" * 32
DAY = 86_400.0

DYING = """
import os, sys
from pathlib import Path
from lineal.store.repository import Repository
store = Repository.open(Path(sys.argv[1]), project_id="a" * 32)
with store.session():
    store.put_bytes(os.urandom(99_000))
    os._exit(9)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[Repository]:
    opened = Repository.open(path, project_id=PROJECT)
    yield opened
    opened.close()


@pytest.fixture
def other(path: Path) -> Iterator[Repository]:
    opened = Repository.open(path, project_id=OTHER)
    yield opened
    opened.close()


def commit(store: Repository, name: str, files: dict[bytes, bytes], *, after: Digest | None = None) -> Digest:
    """A version of some files behind a ref."""
    with store.session(), store.batch():
        entries = [TreeEntry(path=path, mode="file", size=len(data), digest=store.put_bytes(data)) for path, data in files.items()]
        root = store.put_tree(entries)
        made = store.commit(root, parents=() if after is None else (after,), meta={"name": name})
    store.move_ref(f"datasets/{name}", made, expected=after)
    return made


def collect(store: Repository, tmp_path: Path, *, grace: float = 0.0, kept: tuple[Digest, ...] = (), given_up: tuple[Digest, ...] = ()) -> Collection:
    roots = Roots(kept=frozenset(map(raw_hash, kept)), given_up=frozenset(map(raw_hash, given_up)))
    return store.collect_garbage(lambda: roots, name="p", grace=grace, scratch=tmp_path / "scratch", progress=lambda *_: None)


def preview(store: Repository, tmp_path: Path) -> Collection:
    return store.preview_garbage(Roots, grace=0.0, scratch=tmp_path / "scratch", progress=lambda *_: None)


def noise(seed: int, size: int = 300_000) -> bytes:
    return random.Random(seed).randbytes(size)


def read(store: Repository, made: Digest) -> dict[bytes, bytes]:
    return {entry.path: store.read(entry.digest) for entry in store.entries(store.read_commit(made).root)}


def packed(path: Path) -> int:
    return sum(found.stat().st_size for found in path.rglob("*.pack"))


def test_what_no_ref_leads_to_is_freed_and_everything_else_stays(store: Repository, path: Path, tmp_path: Path) -> None:
    files = {b"big": noise(1), b"small": b"some text", b"empty": b""}
    made = commit(store, "d", files)
    before = packed(path)
    dropped = store.put_bytes(noise(2))
    found = collect(store, tmp_path)
    assert (found.freed_packs, found.condemned_packs, found.waiting) == (1, 1, ())
    assert found.freed_bytes > 300_000
    assert packed(path) <= before
    assert read(store, made) == files
    assert not store.contains(dropped)
    assert store.verify().sound
    assert not list(path.glob("gc/*/*"))


def test_a_preview_says_the_same_and_changes_nothing(store: Repository, path: Path, tmp_path: Path) -> None:
    commit(store, "d", {b"a": noise(1)})
    store.put_bytes(noise(2))
    before = {found: found.stat().st_mtime_ns for found in path.rglob("*")}
    said = preview(store, tmp_path)
    assert {found: found.stat().st_mtime_ns for found in path.rglob("*") if "tmp" not in found.name} == {
        found: at for found, at in before.items() if "tmp" not in found.name
    }
    done = collect(store, tmp_path)
    assert said.dry_run
    assert (said.condemned_packs, said.condemned_bytes) == (done.condemned_packs, done.condemned_bytes)
    assert said.garbage_bytes == done.garbage_bytes > 300_000


def test_what_is_condemned_waits_for_its_grace(store: Repository, path: Path, tmp_path: Path) -> None:
    dropped = store.put_bytes(noise(1))
    first = collect(store, tmp_path, grace=14 * DAY)
    assert (first.condemned_packs, first.freed_packs) == (1, 0)
    assert not store.contains(dropped)
    assert store.read(dropped) == noise(1)
    again = collect(store, tmp_path, grace=14 * DAY)
    assert (again.condemned_packs, again.freed_packs, len(again.waiting)) == (0, 0, 1)
    [marker] = path.glob("gc/out/*")
    os.utime(marker, (time.time() - 15 * DAY,) * 2)
    assert collect(store, tmp_path, grace=14 * DAY).freed_packs == 1
    with pytest.raises(Integrity):
        Repository.open(path, project_id=PROJECT).read(dropped)


def test_what_is_needed_again_within_the_grace_is_brought_back(store: Repository, tmp_path: Path) -> None:
    digest = store.put_bytes(noise(1))
    root = store.put_tree([TreeEntry(path=b"x", mode="file", size=300_000, digest=digest)])
    made = store.commit(root, meta={})
    assert collect(store, tmp_path, grace=DAY).condemned_packs == 3
    store.move_ref("datasets/late", made, expected=None)  # as a writer would that began long before
    assert read(store, made) == {b"x": noise(1)}
    assert store.verify().sound
    found = collect(store, tmp_path, grace=0.0)
    assert found.restored_packs == 3
    assert store.contains(digest)
    assert read(store, made) == {b"x": noise(1)}
    assert store.verify().sound


def test_a_new_writer_stores_again_what_is_condemned(store: Repository, path: Path, tmp_path: Path) -> None:
    store.put_bytes(noise(1))
    collect(store, tmp_path, grace=DAY)
    before = packed(path)
    made = commit(store, "d", {b"x": noise(1)})
    assert packed(path) > before + 300_000
    collect(store, tmp_path)
    assert read(store, made) == {b"x": noise(1)}
    assert store.verify().sound


def test_a_writer_that_is_at_work_keeps_what_it_relies_on(store: Repository, path: Path, tmp_path: Path) -> None:
    dropped = store.put_bytes(noise(1))
    with store.session():
        assert store.contains(dropped)  # and so it is not stored again
        found = collect(Repository.open(path, project_id=PROJECT), tmp_path)
        assert found.freed_packs == 0  # young packs are left alone while somebody writes
        for pack in path.rglob("*.pack"):
            os.utime(pack, (time.time() - 2 * DAY,) * 2)
        found = collect(Repository.open(path, project_id=PROJECT), tmp_path)
        assert (found.condemned_packs, found.freed_packs) == (1, 0)
        assert "writing" in found.waiting[0].reasons[0]
        root = store.put_tree([TreeEntry(path=b"x", mode="file", size=300_000, digest=dropped)])
        store.move_ref("datasets/d", store.commit(root, meta={}), expected=None)
    found = collect(Repository.open(path, project_id=PROJECT), tmp_path)
    assert found.restored_packs == 1
    assert store.read(dropped) == noise(1)
    assert store.verify().sound


def test_what_a_mount_reads_stays_until_it_is_let_go(store: Repository, tmp_path: Path) -> None:
    digest = store.put_bytes(noise(1))
    root = store.put_tree([TreeEntry(path=b"x", mode="file", size=300_000, digest=digest)])
    with store.reading("mount d@1", [root]):
        assert collect(store, tmp_path).condemned_packs == 0
        assert store.read(digest) == noise(1)
    assert collect(store, tmp_path).freed_packs == 2


def test_a_dead_writer_holds_nothing(path: Path, store: Repository, tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", DYING, str(path)], check=False).returncode == 9
    assert len(list((path / "leases").iterdir())) == 1
    assert collect(store, tmp_path).freed_packs == 1
    assert not list((path / "leases").iterdir())


def test_a_pack_of_which_little_is_needed_is_written_anew(store: Repository, path: Path, tmp_path: Path) -> None:
    with store.batch():
        needed = store.put_bytes(noise(1, 50_000))
        for seed in range(2, 8):
            store.put_bytes(noise(seed, 60_000))
    before = packed(path)
    found = collect(store, tmp_path, kept=(needed,))
    assert (found.rewritten_packs, found.freed_packs) == (1, 1)
    assert packed(path) < before / 5
    assert store.read(needed) == noise(1, 50_000)
    assert store.verify().sound


def test_a_pack_of_which_most_is_needed_is_left_alone(store: Repository, tmp_path: Path) -> None:
    with store.batch():
        kept = [store.put_bytes(noise(seed, 60_000)) for seed in range(6)]
        store.put_bytes(noise(9, 60_000))
    found = collect(store, tmp_path, kept=tuple(kept))
    assert found.condemned_packs == 0
    assert 50_000 < found.garbage_bytes < 70_000


def test_a_version_that_was_given_up_goes_while_the_later_ones_stay(store: Repository, tmp_path: Path) -> None:
    first = commit(store, "d", {b"old": noise(1), b"both": noise(2)})
    second = commit(store, "d", {b"both": noise(2), b"new": noise(3)}, after=first)
    old = next(entry for entry in store.entries(store.read_commit(first).root) if entry.path == b"old")
    collect(store, tmp_path, given_up=(first,))
    assert read(store, second) == {b"both": noise(2), b"new": noise(3)}
    assert store.given_up() == {first}
    assert store.read_commit(second).parents == (first,)
    assert store.read_commit(first).meta == {"name": "d"}
    assert not store.contains(old.digest)
    assert store.verify().sound


def test_what_the_ledger_names_stays_be_it_a_file_or_a_tree(store: Repository, tmp_path: Path) -> None:
    file = store.put_bytes(noise(1))
    inner = store.put_bytes(noise(2, 5_000))
    tree = store.put_tree([TreeEntry(path=b"%d" % place, mode="file", size=5_000, digest=inner) for place in range(300)])
    like_a_node = store.put_bytes(b"LT\x01\x00 but a text")
    collect(store, tmp_path, kept=(file, tree, like_a_node))
    assert [store.read(file), store.read(inner), store.read(like_a_node)] == [noise(1), noise(2, 5_000), b"LT\x01\x00 but a text"]
    assert len(list(store.entries(tree))) == 300


def test_another_project_of_the_same_store_loses_nothing(store: Repository, other: Repository, path: Path, tmp_path: Path) -> None:
    theirs = commit(other, "d", {b"x": noise(1)})
    output = other.put_bytes(noise(2))
    keeping.register(FolderBackend(path), OTHER, "the other")
    with pytest.raises(InvalidState, match="the other") as caught:
        collect(store, tmp_path)
    assert caught.value.kind == "shared-store"
    collect(other, tmp_path, kept=(output,))
    dropped = store.put_bytes(noise(3))
    found = collect(store, tmp_path)
    assert (found.condemned_packs, found.freed_packs) == (1, 0)
    assert "project p has not said since" in found.waiting[0].reasons[0]
    late = other.put_bytes(noise(3))  # the other project needs what was condemned here, and stores it again
    assert collect(other, tmp_path, kept=(output, late)).freed_packs == 1
    collect(store, tmp_path)
    assert read(other, theirs) == {b"x": noise(1)}
    assert [other.read(output), other.read(late)] == [noise(2), noise(3)]
    assert late == dropped


def test_two_collections_do_not_run_at_once(store: Repository, path: Path, tmp_path: Path) -> None:
    backend = FolderBackend(path)
    note = json.dumps({"what": COLLECTING, "process": 7}).encode()
    with backend.hold(lambda: note), pytest.raises(Conflict, match="process 7") as caught:
        collect(store, tmp_path)
    assert caught.value.kind == "gc-running"


def test_nothing_is_collected_where_what_is_needed_cannot_be_followed(store: Repository, path: Path, tmp_path: Path) -> None:
    commit(store, "d", {b"x": noise(1)})
    (path / "index" / "head").unlink()
    with pytest.raises(Integrity) as caught:
        collect(Repository.open(path, project_id=PROJECT), tmp_path)
    assert caught.value.kind == "damaged-store"
    assert packed(path) > 300_000


@pytest.mark.parametrize("shift", [-3650, 3650])
def test_a_clock_that_was_off_when_something_was_condemned_shortens_no_grace_and_stops_nothing(
    store: Repository, path: Path, tmp_path: Path, shift: int
) -> None:
    store.put_bytes(noise(1))
    with store.session():
        for pack in path.rglob("*.pack"):
            os.utime(pack, (time.time() - 2 * DAY,) * 2)
        collect(Repository.open(path, project_id=PROJECT), tmp_path)
        [marker] = path.glob("gc/out/*")
        os.utime(marker, (time.time() + shift * DAY,) * 2)
        assert collect(Repository.open(path, project_id=PROJECT), tmp_path).freed_packs == 0  # a writer's lease needs no clock
    assert collect(store, tmp_path, grace=DAY).freed_packs == (1 if shift < 0 else 0)
    assert collect(store, tmp_path, grace=0.0).freed_packs == (0 if shift < 0 else 1)


def test_no_list_of_chunks_outlives_its_chunks_in_a_pack_that_is_mostly_needed(store: Repository, tmp_path: Path) -> None:
    needed, gone = noise(1, 900_000), noise(2, 100_000)
    with store.session(), store.batch():
        shared = store.put_bytes(needed)
        for place in range(3):  # the list of this one lies beside what is needed, its last chunks do not
            store.put_bytes(needed[place:] + b"tail")
    with store.session(), store.batch():
        store.put_bytes(gone)
    with store.session(), store.batch():
        store.put_bytes(needed[:300_000] + gone)
        kept = store.put_bytes(noise(3, 900_000))
    collect(store, tmp_path, kept=(shared, kept))
    for data in (needed[:300_000] + gone, needed + b"tail", gone):
        with store.session():
            again = store.put_bytes(data)
        assert Repository.open(tmp_path / "store", project_id=PROJECT).read(again) == data


def test_a_packs_needed_part_is_brought_back_without_the_lists_that_nobody_needs(store: Repository, tmp_path: Path) -> None:
    big = noise(1, 500_000)
    with store.session(), store.batch():
        listed, small = store.put_bytes(big), store.put_bytes(b"needed again")
    collect(store, tmp_path, grace=DAY)
    found = collect(store, tmp_path, kept=(small,))
    assert (found.restored_packs, found.freed_packs) == (1, 1)
    assert store.read(small) == b"needed again"
    assert not store.contains(listed)
    assert store.read(store.put_bytes(big)) == big
