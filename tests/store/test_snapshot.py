"""Folders as they are: every kind of name and thing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineal.errors import Conflict, InvalidInput, LinealError, NotFound, PermissionDenied
from lineal.records.dataset import TreeEntry
from lineal.records.digest import EMPTY
from lineal.store.repository import Repository
from lineal.store.snapshot import look_at, look_up, scan, store_found
from lineal.store.statindex import StatIndex


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


def taken(store: Repository, index: StatIndex, folder: Path) -> dict[bytes, TreeEntry]:
    with store.batch():
        return {found.path: store_found(store, index, found) for found in scan(os.fsencode(folder))}


def test_names_with_spaces_newlines_and_bytes_that_are_no_text_are_kept(store: Repository, index: StatIndex, folder: Path) -> None:
    names = [b"with space", b"new\nline", b"\xff\xfe", "größe".encode(), b"-dash", b"'\"$(x)", b"a" * 255]
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(name)
    found = taken(store, index, folder)
    assert sorted(found) == sorted(names)
    assert all(store.read(found[name].digest) == name for name in names)
    root = store.put_tree(found.values())
    assert [entry.path for entry in store.entries(root)] == sorted(names)


def test_links_are_kept_as_links_and_loops_do_no_harm(store: Repository, index: StatIndex, folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "up").symlink_to("..")
    (folder / "gone").symlink_to("/nowhere")
    found = taken(store, index, folder)
    assert {path: (entry.mode, store.read(entry.digest)) for path, entry in found.items()} == {
        b"loop": ("symlink", b"loop"),
        b"up": ("symlink", b".."),
        b"gone": ("symlink", b"/nowhere"),
    }


def test_empty_folders_and_executable_bits_are_kept(store: Repository, index: StatIndex, folder: Path) -> None:
    (folder / "empty" / "inner").mkdir(parents=True)
    (folder / "script.sh").write_text("#!/bin/sh\n")
    (folder / "script.sh").chmod(0o755)
    found = taken(store, index, folder)
    assert {path: entry.mode for path, entry in found.items()} == {b"empty/inner": "folder", b"script.sh": "executable"}
    assert found[b"empty/inner"].digest == EMPTY
    assert store.contains(EMPTY)


def test_ignored_things_are_left_out(store: Repository, index: StatIndex, folder: Path) -> None:
    for name in ("keep.csv", "drop.tmp", "cache/x", "deep/cache/y", ".git/config", ".lineal/ledger.db", "deep/important.tmp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / ".linealignore").write_text("*.tmp\ncache/\n!important.tmp\n")
    assert sorted(taken(store, index, folder)) == [b".linealignore", b"deep/important.tmp", b"keep.csv"]


def test_a_pipe_is_refused_by_name_and_not_waited_for(store: Repository, index: StatIndex, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidInput, match="pipe") as caught:
        taken(store, index, folder)
    assert caught.value.kind == "not-a-file"
    with pytest.raises(InvalidInput):
        look_at(os.fsencode(folder / "pipe"), b"pipe")
    with pytest.raises(InvalidInput):
        store.put_file(folder / "pipe")


def test_a_file_that_vanishes_is_named(store: Repository, index: StatIndex, folder: Path) -> None:
    (folder / "here").write_text("x")
    found = next(iter(scan(os.fsencode(folder))))
    (folder / "here").unlink()
    for read in (lambda: store_found(store, index, found), lambda: look_up(index, found), lambda: store.put_file(folder / "here")):
        with pytest.raises(NotFound, match="here") as caught:
            read()
        assert caught.value.kind == "file-vanished"


def test_a_file_that_changed_between_look_and_read_is_not_taken_for_what_it_was(store: Repository, index: StatIndex, folder: Path) -> None:
    (folder / "table").write_bytes(b"old")
    found = next(iter(scan(os.fsencode(folder))))
    (folder / "table").write_bytes(b"new and longer")
    with pytest.raises(Conflict, match="table") as caught:
        store_found(store, index, found)
    assert caught.value.kind == "file-changed"


@pytest.mark.parametrize("size", [1000, 20_000_000])
def test_a_file_that_grows_while_it_is_read_is_refused(store: Repository, folder: Path, size: int) -> None:
    path = folder / "growing"
    path.write_bytes(bytes(size))
    seen: list[int] = []

    def grow(_data: memoryview) -> None:
        if not seen:
            with path.open("ab") as file:
                file.write(b"more")
        seen.append(1)

    with pytest.raises(Conflict, match="growing") as caught:
        store.put_file(path, observe=grow)
    assert caught.value.kind == "file-changed"
    assert store.put_file(path).size == size + 4


def test_a_file_that_is_written_all_the_time_is_never_stored_torn(store: Repository, folder: Path) -> None:
    path = folder / "busy"
    path.write_bytes(bytes(300_000))
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            path.write_bytes(bytes([number % 256]) * 300_000)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(20):
            try:
                stored = store.put_file(path)
            except Conflict:
                continue
            assert len(set(store.read(stored.digest))) <= 1
    finally:
        stop.set()
        thread.join()


UNREADABLE = """
import os, sys
from lineal.errors import PermissionDenied
from lineal.store.files import digest_file
from lineal.store.snapshot import scan
os.setgid(65534); os.setuid(65534)
folder = os.fsencode(sys.argv[1])
for read in (lambda: digest_file(folder + b"/secret"), lambda: list(scan(folder))):
    try:
        read()
    except PermissionDenied as error:
        print(error.kind, error.exit_code, "secret" in error.message or "locked" in error.message)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a real other user is needed to be refused a file, and only root can become one")
def test_a_file_that_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        (Path(name) / "locked").mkdir(mode=0)
        (Path(name) / "secret").write_text("x")
        (Path(name) / "secret").chmod(0)
        output = subprocess.run([sys.executable, "-c", UNREADABLE, name], capture_output=True, text=True, check=False)
    assert output.stdout.splitlines() == ["file-unreadable 4 True"] * 2, output.stderr


@pytest.mark.parametrize(("size", "call"), [(10, "read"), (300_000, "readv")])
def test_a_disk_that_fails_to_read_is_named(store: Repository, folder: Path, monkeypatch: pytest.MonkeyPatch, size: int, call: str) -> None:
    (folder / "bad").write_bytes(bytes(size))

    def fails(*_arguments: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(LinealError, match="bad") as caught:
        store.put_file(folder / "bad")
    assert (caught.value.kind, caught.value.exit_code) == ("file-unreadable", 6)
    assert not isinstance(caught.value, PermissionDenied)
