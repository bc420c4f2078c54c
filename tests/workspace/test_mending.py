"""Bytes that flip anywhere in a store: found, named, and mended from a remote, a working copy, or the ledger."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.workspace.conftest import PROJECT, open_site

from lineal.store.backends.address import parse_address
from lineal.store.index import NEAR_LOOSE_PACKS
from lineal.store.repository import Repository
from lineal.workspace.audit import LocalAudit
from lineal.workspace.remotes import remote_book
from lineal.workspace.versioning import LocalDatasets

FILES = {f"{number:03}.txt": b"line %d\n" % number * (1 + number % 9) for number in range(150)} | {
    "big.bin": random.Random(3).randbytes(400_000),
    "text.csv": "".join(f"{number},{number % 7}\n" for number in range(40_000)).encode(),
}


class Project:
    """A project with a remote that has everything, of which parts can be damaged."""

    def __init__(self, root: Path) -> None:
        self.site = open_site(root)
        self.root = root
        self.data = root / "data"
        self.datasets = LocalDatasets(self.site)

    def fill(self) -> None:
        self.data.mkdir()
        for name, content in FILES.items():
            (self.data / name).write_bytes(content)
        self.datasets.add(self.data, name="d")
        (self.data / "late.txt").write_bytes(b"late")
        for number in range(NEAR_LOOSE_PACKS // 2 + 2):  # so that there are loose packs and a merged segment
            (self.data / f"more{number}").write_bytes(b"%d" % number * 99)
            self.datasets.add(self.data, name="d")

    @property
    def store(self) -> Path:
        return self.site.layout.store

    def backup(self) -> None:
        """Makes another store with all of it, and a remote of that."""
        backup = self.root / "backup"
        remote = self.site.store
        target = Repository.at(parse_address(str(backup), base=self.root), project_id=PROJECT)
        for pack in self.store.glob("packs/*/*.pack"):
            copy = backup / pack.relative_to(self.store)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(pack.read_bytes())
        target.close()
        Repository.mend_index(parse_address(str(backup), base=self.root))
        assert remote.verify().sound

    def check(self) -> list[str]:
        """What fsck finds, as another process would."""
        self.site.close()
        reports = LocalAudit(self.site, self.datasets).check()
        return [line for report in reports for line in report.damaged]

    def repair(self) -> list[str]:
        self.site.close()
        return list(LocalAudit(self.site, self.datasets).repair())

    def newest(self) -> dict[str, bytes]:
        self.site.close()
        return {os.fsdecode(entry.path): self.site.store.read(entry.digest) for entry in self.datasets.entries("d")}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template")
    made = Project(root)
    made.fill()
    made.backup()
    made.site.close()
    return root


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Iterator[Project]:
    shutil.copytree(template, tmp_path / "project")
    made = Project(tmp_path / "project")
    yield made
    made.site.close()


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


def with_remote(project: Project) -> None:
    from lineal.records.remote import Remote

    remote_book(project.site).add(Remote(name="backup", url=str(project.root / "backup")))


def packs(project: Project) -> list[Path]:
    return sorted(project.store.glob("packs/*/*.pack"), key=lambda path: path.stat().st_size)


PLACES: dict[str, Callable[[int], int]] = {
    "head": lambda _size: 2,
    "first block": lambda _size: 40,
    "middle": lambda size: size // 2,
    "footer": lambda size: size - 60,
    "trailer": lambda size: size - 20,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_bit_that_flips_in_a_pack_is_found_named_and_mended_from_a_remote(project: Project, place: str) -> None:
    with_remote(project)
    before = project.newest()
    for name in FILES:
        (project.data / name).unlink()  # so that only the remote can help
    largest = packs(project)[-1]
    flip(largest, PLACES[place](largest.stat().st_size))
    found = project.check()
    assert any(largest.stem in line for line in found)
    if place in {"first block", "middle"}:
        assert any(line.startswith("d@") for line in found), found
    done = project.repair()
    assert any(largest.stem in line for line in done), done
    assert project.check() == []
    assert project.newest() == before
    assert (project.store / "damaged" / largest.name).exists()


def test_every_pack_may_be_damaged_at_once(project: Project) -> None:
    with_remote(project)
    before = project.newest()
    for pack in packs(project):
        flip(pack, pack.stat().st_size - 30)
        flip(pack, 30)
    project.repair()
    assert project.check() == []
    assert project.newest() == before


def test_without_a_remote_files_come_back_from_the_working_copy_and_the_rest_is_named(project: Project) -> None:
    before = project.newest()
    (project.data / "big.bin").write_bytes(b"changed since")
    largest = packs(project)[-1]
    for offset in range(20, largest.stat().st_size - 12_000, 9_000):
        flip(largest, offset)
    assert any("big.bin" in line and line.startswith("d@") for line in project.check())
    done = project.repair()
    assert any("from working copies" in line or "from a working copy" in line for line in done), done
    left = project.check()
    assert left
    assert all("big.bin" in line or "tree node" in line or "commit" in line for line in left), left
    (project.data / "big.bin").write_bytes(before["big.bin"])
    project.repair()
    assert not [line for line in project.check() if "big.bin" in line]


def test_what_is_readable_of_a_damaged_pack_is_saved_without_any_help(project: Project) -> None:
    before = project.newest()
    for path in project.data.iterdir():
        path.unlink()
    for pack in packs(project):
        flip(pack, 2)
    assert len(project.check()) == len(packs(project))
    project.repair()
    assert project.check() == []
    assert project.newest() == before


def test_a_pack_that_is_gone_is_brought_back(project: Project) -> None:
    with_remote(project)
    before = project.newest()
    packs(project)[-1].unlink()
    assert any("missing" in line for line in project.check())
    done = project.repair()
    assert any("brought back from backup" in line for line in done)
    assert project.check() == []
    assert project.newest() == before


@pytest.mark.parametrize("file", ["index/head", "index/*/*.idx"])
def test_a_bit_that_flips_in_the_index_is_found_and_the_index_made_anew(project: Project, file: str) -> None:
    before = project.newest()
    [path] = list(project.store.glob(file))[:1]
    for offset in (1, path.stat().st_size // 2):
        flip(path, offset)
    assert any("index" in line for line in project.check())
    assert any("made anew" in line for line in project.repair())
    assert project.check() == []
    assert project.newest() == before


@pytest.mark.parametrize("offset", [0, 9, 40, 75, 90])
def test_a_bit_that_flips_in_a_ref_is_found_and_the_ref_points_there_again(project: Project, offset: int) -> None:
    before = project.newest()
    ref = project.store / "refs" / PROJECT / "datasets" / "d"
    content = ref.read_bytes()
    flip(ref, offset)
    assert any("ref datasets/d is damaged" in line for line in project.check())
    assert any("datasets/d" in line for line in project.repair())
    assert project.check() == []
    assert ref.read_bytes() == content
    assert project.newest() == before


def test_a_ref_that_is_gone_comes_back_from_the_ledger(project: Project) -> None:
    ref = project.store / "refs" / PROJECT / "datasets" / "d"
    content = ref.read_bytes()
    ref.unlink()
    assert any("datasets/d was damaged or gone" in line for line in project.repair())
    assert ref.read_bytes() == content


def test_a_sound_store_is_left_as_it_is(project: Project) -> None:
    before = {path: path.read_bytes() for path in project.store.rglob("*") if path.is_file()}
    assert project.repair() == []
    assert {path: path.read_bytes() for path in project.store.rglob("*") if path.is_file()} == before
