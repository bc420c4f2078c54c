"""Trees into folders: only what differs, and nothing lost."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lineal.errors import Conflict, LinealError
from lineal.records.dataset import TreeEntry
from lineal.records.digest import EMPTY, Digest
from lineal.store.checkout import check_out, check_out_file
from lineal.store.repository import Repository
from lineal.store.snapshot import look_up, scan, store_found
from lineal.store.statindex import StatIndex
from lineal.store.workingcopy import AsRecorded, paths_of, survey

Made = tuple[Repository, StatIndex]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    store, index = Repository.open(tmp_path / "store", project_id="a" * 32), StatIndex.open(tmp_path / "stat.db")
    yield store, index
    store.close()
    index.close()


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def version(made: Made, folder: Path) -> Digest:
    store, index = made
    return store.put_tree([store_found(store, index, found) for found in scan(os.fsencode(folder))])


def state(folder: Path, index: StatIndex) -> list[TreeEntry]:
    return sorted((look_up(index, found) for found in scan(os.fsencode(folder))), key=lambda entry: entry.path)


def put(made: Made, root: Digest, folder: Path, *versions: Digest) -> int:
    store, index = made

    def recorded(entry: TreeEntry) -> bool:
        return any((found := store.entry(other, entry.path)) is not None and found.digest == entry.digest for other in versions)

    return check_out(store, root, os.fsencode(folder), index=index, recorded=recorded, step=lambda _done, _total: None)


def check_known(made: Made, root: Digest, folder: Path, *extra: bytes) -> None:
    """What is noted of a working copy is of the tree that was checked out, and leads to what is there."""
    known = made[1].copy_of(os.fsencode(folder))
    assert known is not None
    assert (known.root, sorted(paths_of(known))) == (root, [entry.path for entry in made[0].entries(root)])
    look = survey(os.fsencode(folder), known, partial(look_up, made[1]), AsRecorded())
    assert sorted(look.changes) == sorted(extra)


def test_a_version_comes_back_as_it_was(made: Made, tmp_path: Path) -> None:
    folder = fill(tmp_path / "data", {"a/b/c.csv": "1", "a/d": "2", "run.sh": "#!/bin/sh", "new\nline": "3"})
    (folder / "run.sh").chmod(0o755)
    (folder / "empty").mkdir()
    (folder / "loop").symlink_to("loop")
    (folder.joinpath("large")).write_bytes(os.urandom(700_000))
    with open(os.path.join(os.fsencode(folder), b"\xff"), "wb") as file:
        file.write(b"4")
    root = version(made, folder)
    put(made, root, tmp_path / "out")
    assert state(tmp_path / "out", made[1]) == list(made[0].entries(root))
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)
    assert put(made, root, tmp_path / "out") == 0


def test_only_what_differs_is_written_and_what_is_recorded_may_go(made: Made, tmp_path: Path) -> None:
    folder = fill(tmp_path / "data", {"same": "1", "changed": "old", "gone": "x", "sub/gone": "y"})
    first = version(made, folder)
    (folder / "gone").unlink()
    (folder / "sub" / "gone").unlink()
    (folder / "sub").rmdir()
    fill(folder, {"changed": "new", "added": "z"})
    second = version(made, folder)
    inode = (folder / "same").stat().st_ino
    assert put(made, first, folder, first, second) == 4
    assert state(folder, made[1]) == list(made[0].entries(first))
    put(made, second, folder, first, second)
    assert state(folder, made[1]) == list(made[0].entries(second))
    assert (folder / "same").stat().st_ino == inode
    assert not (folder / "sub").exists()


def test_what_no_version_has_is_named_and_nothing_is_changed(made: Made, tmp_path: Path) -> None:
    folder = fill(tmp_path / "data", {"a": "1", "b": "2"})
    root = version(made, folder)
    fill(folder, {"a": "precious", "b": "2"})
    (folder / "b").unlink()
    with pytest.raises(Conflict, match="a") as caught:
        put(made, root, folder, root)
    assert caught.value.kind == "would-overwrite"
    assert (folder / "a").read_text() == "precious"
    assert not (folder / "b").exists()


def test_a_file_of_the_users_own_that_is_not_in_the_way_stays(made: Made, tmp_path: Path) -> None:
    folder = fill(tmp_path / "data", {"a": "1"})
    root = version(made, folder)
    fill(folder, {"notes.txt": "mine"})
    assert put(made, root, folder, root) == 0
    assert (folder / "notes.txt").read_text() == "mine"
    check_known(made, root, folder, b"notes.txt")


def test_what_is_noted_after_each_of_many_checkouts_is_true(made: Made, tmp_path: Path) -> None:
    store, draw = made[0], random.Random(3)
    names = [b"a", b"b", b"d/a", b"d/b", b"d/e/a", b"f/a", b"f/.linealignore"]
    roots = []
    for number in range(12):
        chosen = draw.sample(names, draw.randrange(len(names)))
        entries = [TreeEntry(path=name, mode="file", size=3, digest=store.put_bytes(b"%03d" % draw.randrange(3))) for name in chosen]
        entries += (
            [TreeEntry(path=b"f", mode="folder", size=0, digest=EMPTY)] if not any(name.startswith(b"f/") for name in chosen) and number % 2 else []
        )
        roots.append(store.put_tree(entries))
    for root in (*roots, *draw.choices(roots, k=12)):
        put(made, root, tmp_path / "data", *roots)
        check_known(made, root, tmp_path / "data")


@pytest.mark.parametrize("ignored", ["", "a\n"])
def test_an_ignored_file_in_the_way_is_not_overwritten_either(made: Made, tmp_path: Path, ignored: str) -> None:
    root = version(made, fill(tmp_path / "data", {"a": "1"}))
    other = fill(tmp_path / "other", {"a": "precious", ".linealignore": ignored})
    with pytest.raises(Conflict):
        put(made, root, other, root)
    assert (other / "a").read_text() == "precious"


def test_files_folders_and_links_take_each_others_places(made: Made, tmp_path: Path) -> None:
    folder = fill(tmp_path / "data", {"x": "a file", "y/inner": "in a folder"})
    (folder / "z").symlink_to("x")
    first = version(made, folder)
    (folder / "x").unlink()
    (folder / "y" / "inner").unlink()
    (folder / "y").rmdir()
    (folder / "z").unlink()
    fill(folder, {"x/inner": "now a folder", "y": "now a file", "z": "now a file"})
    second = version(made, folder)
    for root in (first, second, first):
        put(made, root, folder, first, second)
        assert state(folder, made[1]) == list(made[0].entries(root))
        check_known(made, root, folder)


def test_nothing_is_written_through_a_link_that_leads_out(made: Made, tmp_path: Path) -> None:
    root = version(made, fill(tmp_path / "data", {"sub/secret": "x"}))
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    target.mkdir()
    (target / "sub").symlink_to(outside)
    with pytest.raises(Conflict, match="sub"):
        put(made, root, target, root)
    assert list(outside.iterdir()) == []


def test_a_single_file_is_put_where_it_is_wanted(made: Made, tmp_path: Path) -> None:
    store, index = made
    entry = TreeEntry(path=b"t.csv", mode="file", size=3, digest=store.put_bytes(b"a,b"))
    target = tmp_path / "deep" / "t.csv"

    def put_file(recorded: bool) -> int:  # noqa: FBT001 - what the recorder answers
        return check_out_file(store, entry, os.fsencode(target), index=index, recorded=lambda _entry: recorded)

    assert put_file(False) == 1
    assert target.read_bytes() == b"a,b"
    assert put_file(False) == 0
    target.write_bytes(b"mine")
    with pytest.raises(Conflict):
        put_file(False)
    assert put_file(True) == 1


def test_what_cannot_be_written_whole_is_not_begun(made: Made, tmp_path: Path) -> None:
    store, _index = made
    folder = fill(tmp_path / "data", {"a": "old", "gone": "old"})
    old = version(made, folder)
    sound = store.put_bytes(b"new")
    missing = Digest("blake3:" + "0" * 64)
    root = store.put_tree([TreeEntry(path=b"a", mode="file", size=3, digest=sound), TreeEntry(path=b"b", mode="file", size=1, digest=missing)])
    with pytest.raises(LinealError):
        put(made, root, folder, old)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": "old", "gone": "old"}
    with pytest.raises(LinealError):
        put(made, root, tmp_path / "new" / "place")
    assert not (tmp_path / "new").exists()


def test_what_a_killed_checkout_left_is_no_data_and_goes_in_the_end(made: Made, tmp_path: Path) -> None:
    root = version(made, fill(tmp_path / "data", {"a": "x"}))
    left = tmp_path / "data/.lineal-checkout/left"
    left.mkdir(parents=True)
    (left / "0").write_text("half")
    assert version(made, tmp_path / "data") == root
    os.utime(left, (0, 0))
    (tmp_path / "data/a").unlink()
    put(made, root, tmp_path / "data", root)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["a"]


def test_a_missing_content_leaves_the_old_file_and_no_leftovers(made: Made, tmp_path: Path) -> None:
    store, _index = made
    folder = fill(tmp_path / "data", {"a": "old"})
    old = version(made, folder)
    root = store.put_tree([TreeEntry(path=b"a", mode="file", size=1, digest=Digest("blake3:" + "0" * 64))])
    with pytest.raises(LinealError):
        put(made, root, folder, old)
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert (folder / "a").read_text() == "old"


def test_many_files_in_many_folders_come_back_and_are_known_afterwards(made: Made, tmp_path: Path) -> None:
    folder = fill(tmp_path / "data", {f"{number % 7}/{number % 3}/{number}": str(number) for number in range(900)})
    (folder / "0" / "link").symlink_to("../1")
    (folder / "empty" / "inner").mkdir(parents=True)
    root = version(made, folder)
    steps: list[tuple[int, int]] = []
    out = os.fsencode(tmp_path / "out")
    check_out(made[0], root, out, index=made[1], recorded=lambda _entry: False, step=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (902, 902)
    assert state(tmp_path / "out", made[1]) == list(made[0].entries(root))
    known = made[1].copy_of(out)
    assert known is not None
    assert sorted(paths_of(known)) == [entry.path for entry in made[0].entries(root)]
    read: list[bytes] = []
    look = survey(out, known, lambda found: read.append(found.path) or look_up(made[1], found), AsRecorded())  # type: ignore[func-returns-value]
    assert look.changes == {}
    assert len(read) < 902, "what was written a while ago need not be read"


def test_a_checkout_that_is_stopped_leaves_everything_as_it_was(made: Made, tmp_path: Path) -> None:
    folder = fill(tmp_path / "data", {f"{number % 5}/{number}": str(number) for number in range(1000)})
    root = version(made, folder)

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_out(made[0], root, os.fsencode(tmp_path / "out"), index=made[1], recorded=lambda _entry: True, step=stop)
    assert not (tmp_path / "out").exists()
    assert made[1].copy_of(os.fsencode(tmp_path / "out")) is None


def test_a_link_that_rules_hide_is_not_written_through_either(made: Made, tmp_path: Path) -> None:
    root = version(made, fill(tmp_path / "data", {"sub/secret": "x"}))
    outside, target = tmp_path / "outside", fill(tmp_path / "target", {".linealignore": "sub\n"})
    outside.mkdir()
    (target / "sub").symlink_to(outside)
    with pytest.raises(Conflict, match="sub"):
        put(made, root, target, root)
    assert list(outside.iterdir()) == []
