"""Checkouts that write no byte twice: clones on a file system that can, files elsewhere."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineal.records.digest import Digest
from lineal.store.checkout import check_out
from lineal.store.cloning import Donors
from lineal.store.repository import Repository
from lineal.store.snapshot import scan, store_found
from lineal.store.statindex import StatIndex

SIZE = 4_000_000


@pytest.fixture(scope="module")
def xfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real XFS with reflinks on a loop device."""
    place = tmp_path_factory.mktemp("xfs")
    image, folder = place / "disk.img", place / "disk"
    folder.mkdir()
    if not shutil.which("mkfs.xfs"):
        pytest.skip("NO XFS: mkfs.xfs is not installed, so clones are not tested")
    with image.open("wb") as file:
        file.truncate(400 << 20)
    for command in (["mkfs.xfs", "-q", "-m", "reflink=1", str(image)], ["mount", "-o", "loop", str(image), str(folder)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"NO XFS: {command[0]} says {done.stderr.strip()!r}, so clones are not tested")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def used(folder: Path) -> int:
    """Bytes that the file system has given away."""
    os.sync()
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def fill(folder: Path) -> None:
    folder.mkdir()
    draw = random.Random(4)
    for number in range(5):
        (folder / f"{number}.bin").write_bytes(draw.randbytes(SIZE))
    (folder / "small").write_text("small")
    for path in folder.iterdir():
        os.utime(path, (10**9, 10**9))
    time.sleep(0.1)  # what has just changed is not believed to be known


def version(store: Repository, index: StatIndex, folder: Path) -> Digest:
    with store.batch():
        return store.put_tree([store_found(store, index, found) for found in scan(os.fsencode(folder))])


def put(store: Repository, index: StatIndex, root: Digest, folder: Path, *beside: Path) -> int:
    names = [os.fsencode(path) for path in beside]
    return check_out(store, root, os.fsencode(folder), index=index, recorded=lambda _entry: True, step=lambda _done, _total: None, beside=names)


def test_what_a_working_copy_beside_it_has_is_cloned_and_not_written(xfs: Path) -> None:
    store, index = Repository.open(xfs / "store", project_id="a" * 32), StatIndex.open(xfs / "stat.db")
    fill(xfs / "data")
    root = version(store, index, xfs / "data")
    put(store, index, root, xfs / "data")  # notes what is there
    before = used(xfs)
    put(store, index, root, xfs / "copy", xfs / "data")
    assert used(xfs) - before < SIZE, "five files of four megabytes took the room of none"
    for path in (xfs / "data").iterdir():
        assert (xfs / "copy" / path.name).read_bytes() == path.read_bytes()
    (xfs / "copy" / "0.bin").write_bytes(b"mine")
    assert (xfs / "data" / "0.bin").stat().st_size == SIZE, "a clone is a file of its own"
    before = used(xfs)
    put(store, index, root, xfs / "copy", xfs / "data")
    assert used(xfs) - before < SIZE
    store.close()
    index.close()


def test_a_file_that_changed_since_it_was_known_is_no_donor(xfs: Path) -> None:
    place = xfs / "second"
    place.mkdir()
    store, index = Repository.open(place / "store", project_id="a" * 32), StatIndex.open(place / "stat.db")
    fill(place / "data")
    root = version(store, index, place / "data")
    put(store, index, root, place / "data")
    times = (place / "data" / "1.bin").stat()
    with (place / "data" / "1.bin").open("r+b") as file:
        file.write(b"changed")
    os.utime(place / "data" / "1.bin", ns=(times.st_atime_ns, times.st_mtime_ns))
    put(store, index, root, place / "copy", place / "data")
    entry = store.entry(root, b"1.bin")
    assert entry is not None
    assert (place / "copy" / "1.bin").read_bytes() == store.read(entry.digest)
    store.close()
    index.close()


def test_where_nothing_can_be_cloned_files_are_written(in_memory: Path) -> None:
    store, index = Repository.open(in_memory / "store", project_id="a" * 32), StatIndex.open(in_memory / "stat.db")
    fill(in_memory / "data")
    root = version(store, index, in_memory / "data")
    put(store, index, root, in_memory / "data")
    put(store, index, root, in_memory / "copy", in_memory / "data")
    assert {path.name: path.read_bytes() for path in (in_memory / "copy").iterdir()} == {
        path.name: path.read_bytes() for path in (in_memory / "data").iterdir()
    }
    assert Donors(()).cloned == 0
    store.close()
    index.close()
