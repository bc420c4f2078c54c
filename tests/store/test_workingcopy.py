"""A working copy is compared with a tree: whatever happens to it is seen, and what did not change is not read."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineal.records.dataset import TreeEntry
from lineal.records.digest import EMPTY
from lineal.store.copyindex import CopyIndex, index_path, load_index, save_index
from lineal.store.repository import Repository
from lineal.store.snapshot import look_up, scan, store_found
from lineal.store.statindex import StatIndex
from lineal.store.workingcopy import AsFound, AsRecorded, Found, Survey, index_of, paths_of, survey


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Repository]:
    opened = Repository.open(tmp_path / "store", project_id="a" * 32)
    yield opened
    opened.close()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[StatIndex]:
    opened = StatIndex.open(tmp_path / "stat.db")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


class Reader:
    """Gives entries, and remembers what it was asked about."""

    def __init__(self, index: StatIndex) -> None:
        self._index = index
        self.read: list[bytes] = []

    def __call__(self, found: Found) -> TreeEntry:
        self.read.append(found.path)
        return look_up(self._index, found)


def age(folder: Path) -> None:
    """Makes everything look as if it had been written long ago, so that its time proves something."""
    for path in folder.rglob("*"):
        os.utime(path, (10**9, 10**9), follow_symlinks=False)
    time.sleep(0.06)  # the system's own time of a change cannot be set


def state(folder: Path, index: StatIndex) -> dict[bytes, TreeEntry]:
    return {found.path: look_up(index, found) for found in scan(os.fsencode(folder))}


def added(folder: Path, base: CopyIndex | None, store: Repository, index: StatIndex) -> tuple[CopyIndex, list[bytes]]:
    """What adding a folder makes of its index, and what was read for that."""
    read: list[bytes] = []

    def take(found: Found) -> TreeEntry:
        read.append(found.path)
        return store_found(store, index, found)

    look = survey(os.fsencode(folder), base, take, AsFound())
    changes = look.changes
    root = store.put_tree(entry for entry in changes.values() if entry) if base is None else store.edit_tree(base.root, changes)
    return CopyIndex(root, look.records), read


def looked(folder: Path, base: CopyIndex, index: StatIndex) -> tuple[Survey, list[bytes]]:
    reader = Reader(index)
    return survey(os.fsencode(folder), base, reader, AsRecorded()), reader.read


def test_what_did_not_change_is_not_read(store: Repository, index: StatIndex, folder: Path) -> None:
    for name in ("a", "sub/b", "sub/deep/c"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "empty").mkdir()
    age(folder)
    base, read = added(folder, None, store, index)
    assert sorted(read) == [b"a", b"empty", b"sub/b", b"sub/deep/c"]
    assert sorted(paths_of(base)) == sorted(read)
    look, read = looked(folder, base, index)
    assert (look.changes, look.fresh, read) == ({}, False, [])
    (folder / "sub" / "b").write_text("new")
    look, read = looked(folder, base, index)
    assert (list(look.changes), read) == ([b"sub/b"], [b"sub/b"])


def test_a_file_that_changed_as_it_was_read_is_read_again(store: Repository, index: StatIndex, folder: Path) -> None:
    (folder / "a").write_text("old")
    base, _read = added(folder, None, store, index)
    times = (folder / "a").stat()
    (folder / "a").write_text("new")
    os.utime(folder / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    look, read = looked(folder, base, index)
    assert read == [b"a"]
    assert list(look.changes) == [b"a"]


def test_what_was_only_touched_is_no_change_and_not_read_the_next_time(store: Repository, index: StatIndex, folder: Path) -> None:
    (folder / "a").write_text("same")
    age(folder)
    base, _read = added(folder, None, store, index)
    os.utime(folder / "a", (10**9 + 5, 10**9 + 5))
    time.sleep(0.06)
    look, read = looked(folder, base, index)
    assert (look.changes, read, look.fresh) == ({}, [b"a"], True)
    look, read = looked(folder, CopyIndex(base.root, look.records), index)
    assert (look.changes, read, look.fresh) == ({}, [], False)


def test_a_lost_index_is_made_up_for_by_reading(store: Repository, index: StatIndex, folder: Path, tmp_path: Path) -> None:
    for name in ("a", "sub/b", "gone"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    base, _read = added(folder, None, store, index)
    (folder / "gone").unlink()
    (folder / "sub" / "b").write_text("other")
    made_up = index_of(base.root, store.entries(base.root))
    look, _read = looked(folder, made_up, index)
    assert {path: entry is None for path, entry in look.changes.items()} == {b"gone": True, b"sub/b": False}
    where, full = tmp_path / "copies", os.fsencode(folder)
    save_index(where, full, CopyIndex(base.root, look.records))
    kept = load_index(where, full)
    assert kept == CopyIndex(base.root, look.records)
    again, _read = looked(folder, CopyIndex(base.root, look.records), index)
    assert again.changes == look.changes


def test_a_damaged_index_is_not_believed(store: Repository, index: StatIndex, folder: Path, tmp_path: Path) -> None:
    (folder / "a").write_text("x" * 100)
    base, _read = added(folder, None, store, index)
    where, full = tmp_path / "copies", os.fsencode(folder)
    save_index(where, full, base)
    path = index_path(where, full)
    sound = path.read_bytes()
    for place in range(0, len(sound), 3):
        damaged = bytearray(sound)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        assert load_index(where, full) is None, f"byte {place}"
    path.write_bytes(sound[:-1])
    assert load_index(where, full) is None


def test_indexes_of_folders_that_are_gone_go_too(tmp_path: Path) -> None:
    where = tmp_path / "copies"
    for number in range(12):
        there = tmp_path / f"copy{number}"
        there.mkdir()
        save_index(where, os.fsencode(there), index_of(EMPTY, ()))
        there.rmdir()
    assert len(list(where.glob("*.copy"))) <= 9


def write_rules(folder: Path, rules: dict[str, str]) -> None:
    for name in ("keep.csv", "a.tmp", "sub/b.tmp", "sub/c.log", "sub/deep/d.tmp", "sub/deep/cache/e", "other/cache/f", "other/b.tmp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name, text in rules.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ({".linealignore": "*.tmp\n.linealignore\n"}, "keep.csv sub/c.log sub/deep/cache/e other/cache/f"),
        ({".linealignore": "*.tmp\n!sub/b.tmp\n.linealignore\n"}, "keep.csv sub/b.tmp sub/c.log sub/deep/cache/e other/cache/f"),
        ({".linealignore": "/b.tmp\ncache/\n.linealignore\n"}, "keep.csv a.tmp sub/b.tmp sub/c.log sub/deep/d.tmp other/b.tmp"),
        (
            {".linealignore": ".linealignore\n*.tmp\n", "sub/.linealignore": "!*.tmp\n/c.log\n"},
            "keep.csv sub/b.tmp sub/deep/d.tmp sub/deep/cache/e other/cache/f",
        ),
        ({".linealignore": ".linealignore\nsub/\n", "sub/.linealignore": "!*\n"}, "keep.csv a.tmp other/cache/f other/b.tmp"),
        ({"sub/.linealignore": "/deep/\n.linealignore\n"}, "keep.csv a.tmp sub/b.tmp sub/c.log other/cache/f other/b.tmp"),
        ({".linealignore": ".linealignore\n**/cache\n# a word\n\n"}, "keep.csv a.tmp sub/b.tmp sub/c.log sub/deep/d.tmp other/b.tmp"),
    ],
)
def test_rules_are_read_as_git_reads_them(index: StatIndex, folder: Path, rules: dict[str, str], left: str) -> None:
    write_rules(folder, rules)
    assert sorted(state(folder, index)) == sorted(map(os.fsencode, left.split()))


def test_rules_that_change_count_for_everything_below_although_no_file_did(store: Repository, index: StatIndex, folder: Path) -> None:
    write_rules(folder, {".linealignore": "*.log\n"})
    age(folder)
    base, _read = added(folder, None, store, index)
    (folder / ".linealignore").write_text("*.tmp\n")
    look, _read = looked(folder, base, index)
    changed = {path: entry is not None for path, entry in look.changes.items()}
    gone = dict.fromkeys((b"a.tmp", b"sub/b.tmp", b"sub/deep/d.tmp", b"other/b.tmp"), False)
    assert changed == {b".linealignore": True, b"sub/c.log": True, **gone}
    again, _read = looked(folder, CopyIndex(base.root, look.records), index)
    assert again.changes == look.changes


DEEDS = ("write", "touch", "delete", "folder", "link", "executable", "swap", "rules", "status", "add", "lose")
NAMES = ("a", "b", "sub/a", "sub/b", "sub/deep/a", "other/a", "other/c.tmp")


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def do(deed: str, name: str, folder: Path, draw: random.Random) -> None:
    """Changes something; what cannot be done is not."""
    path, rules = folder / name, folder / draw.choice(("", "sub")) / ".linealignore"
    deeds: dict[str, Callable[[], object]] = {
        "write": lambda: write_text(path, draw.choice(("one", "two", "three"))),
        "touch": lambda: os.utime(path, ns=(10**18, draw.randrange(10**18))),
        "delete": path.unlink,
        "folder": lambda: path.mkdir(parents=True),
        "link": lambda: path.symlink_to(draw.choice(("x", "y"))),
        "executable": lambda: path.chmod(path.stat().st_mode ^ 0o111),
        "swap": lambda: path.rename(folder / draw.choice(NAMES)),
        "rules": lambda: rules.write_text(draw.choice(("*.tmp\n", "deep/\n", "!*.tmp\na\n", ""))),
    }
    with suppress(OSError):
        deeds[deed]()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.sampled_from(NAMES)), max_size=20), st.integers(0, 10**6))
def test_whatever_happens_what_is_seen_is_what_reading_everything_would_see(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, str]], seed: int
) -> None:
    place = tmp_path_factory.mktemp("walk")
    folder, draw = place / "data", random.Random(seed)
    folder.mkdir()
    store, index = Repository.open(place / "store", project_id="a" * 32), StatIndex.open(place / "stat.db")
    base: CopyIndex = index_of(root := store.put_tree(()), store.entries(root))
    for deed, name in (*deeds, ("status", ""), ("add", "")):
        if deed == "lose":
            base = index_of(base.root, store.entries(base.root))
        elif deed not in {"status", "add"}:
            do(deed, name, folder, draw)
            continue
        wanted = state(folder, index)
        known = {entry.path: entry for entry in store.entries(base.root)}
        look, _read = looked(folder, base, index)
        seen = {path: entry for path, entry in (known | look.changes).items() if entry is not None}
        assert seen == wanted
        base = CopyIndex(base.root, look.records)
        assert sorted(paths_of(base)) == sorted(known)
        if deed == "add":
            base, _read = added(folder, base, store, index)
            assert list(store.entries(base.root)) == sorted(wanted.values(), key=lambda entry: entry.path)
            assert sorted(paths_of(base)) == sorted(wanted)
    store.close()
    index.close()
