"""What the first release of the formats wrote (``fixtures/v1``, a project's ``.lineal`` as it was) stays readable, whatever the formats become."""

from __future__ import annotations

import lzma
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.store.repository import Repository
from lineal.workspace.project import load_project
from lineal.workspace.site import Layout, Site
from lineal.workspace.versioning import LocalDatasets

WRITTEN = Path(__file__).with_name("fixtures") / "v1"
PROJECT = "6b86b273ff34fce19d6b804eff5a3f57"
VERSIONS = 10
SMALL = 300


def table(version: int) -> bytes:
    """A file of several chunks; each of the first versions has one row more, in its middle."""
    draw = random.Random(20)
    rows = [f"{number},{draw.randrange(100)},{draw.choice(('JFK', 'LGA', 'EWR'))}\n" for number in range(9_000)]
    rows[4500:4500] = [f"-{number},0,NEW\n" for number in range(min(version, 3))]
    return "".join(["id,delay,origin\n", *rows]).encode()


def small(number: int, version: int) -> bytes:
    """One of the many small files; every version changes one of them."""
    return f"label {number} of {version if number == version else 1}\n".encode() * (1 + number % 5)


def version_of_folder(version: int) -> dict[bytes, tuple[str, bytes]]:
    """What the version of the dataset ``photos`` holds: mode and bytes by path."""
    labels = {f"labels/{number % 7}/{number:03}.txt".encode(): ("file", small(number, version)) for number in range(SMALL)}
    return labels | {
        b"table.csv": ("file", table(version)),
        b"empty": ("folder", b""),
        b"run.sh": ("executable", b"#!/bin/sh\n"),
        b"link": ("symlink", b"labels/0/000.txt"),
        b"caf\xe9.txt": ("file", b"not UTF-8"),
        b"nothing.bin": ("file", b""),
    }


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Repository]:
    shutil.copytree(WRITTEN / "store", tmp_path / "store")
    opened = Repository.open(tmp_path / "store", project_id=PROJECT)
    yield opened
    opened.close()


def history(store: Repository, name: str) -> list[Digest]:
    """The roots of a dataset's versions, oldest first."""
    roots: list[Digest] = []
    commit = store.ref(f"datasets/{name}")
    while commit is not None:
        read = store.read_commit(commit)
        roots.insert(0, read.root)
        commit = read.parents[0] if read.parents else None
    return roots


def test_every_version_of_a_folder_comes_out_as_it_went_in(store: Repository) -> None:
    roots = history(store, "photos")
    assert len(roots) == VERSIONS
    for version, root in enumerate(roots, 1):
        held = {entry.path: (entry.mode, store.read(entry.digest)) for entry in store.entries(root)}
        assert held == version_of_folder(version)


def test_a_dataset_of_one_file_comes_out_as_it_went_in(store: Repository) -> None:
    [root] = history(store, "table")
    [entry] = store.entries(root)
    assert (entry.path, store.read(entry.digest)) == (b"table.csv", table(1))


def test_the_old_store_is_sound_and_has_both_merged_and_loose_packs(store: Repository) -> None:
    report = store.verify()
    assert report.sound
    assert report.objects > SMALL
    assert len(list((WRITTEN / "store").glob("index/*/*.idx"))) >= 1
    assert len(list((WRITTEN / "store").glob("packs/*/*.pack"))) > VERSIONS


def test_a_new_version_is_added_to_the_old_store_and_costs_only_what_changed(store: Repository) -> None:
    before = store.written_bytes
    root = history(store, "photos")[-1]
    data = small(5, 5) + b"and more"
    entry = TreeEntry(path=b"labels/5/005.txt", mode="file", size=len(data), digest=store.put_bytes(data))
    edited = store.edit_tree(root, {entry.path: entry})
    assert [after for _before, after in store.diff(root, edited)] == [entry]
    assert store.written_bytes - before < 10_000
    assert store.put_bytes(table(3)) == f"blake3:{blake3(table(3)).hexdigest()}"
    assert store.verify().sound


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(WRITTEN, tmp_path / ".lineal")
    packed = tmp_path / ".lineal" / "ledger.db.xz"
    (tmp_path / ".lineal" / "ledger.db").write_bytes(lzma.decompress(packed.read_bytes()))
    project = load_project(Layout(root=tmp_path))
    opened = Site(
        layout=project.layout,
        project_id=project.id,
        project=project.name,
        ledger_url=f"sqlite:///{project.layout.ledger}",
        actor="ada",
        settings={},
    )
    yield opened
    opened.close()


def test_an_old_project_opens_with_its_ledger_and_checks_out_any_version(site: Site, tmp_path: Path) -> None:
    datasets = LocalDatasets(site)
    assert [version.number for version in datasets.versions("photos")] == list(range(VERSIONS, 0, -1))
    assert all(report.sound for report in datasets.verify())
    for version in (1, VERSIONS):
        datasets.checkout(f"photos@{version}", tmp_path / "out")
        assert (tmp_path / "out" / "table.csv").read_bytes() == table(version)
        assert (tmp_path / "out" / "labels" / "5" / "005.txt").read_bytes() == small(5, version)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "new.txt").write_bytes(b"new")
    assert datasets.add(tmp_path / "photos").number == VERSIONS + 1
