"""A power loss at any moment: only what was fsynced is certain to be there afterwards, and with that the store is whole.

Every durable step is watched. Before each of them two disks are made up: one that has nothing but what was synced, and one where names that were
not synced have arrived while the bytes behind them have not. Both must be sound, and hold everything that was finished by then.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest, raw_hash
from lineal.store import durable
from lineal.store.repository import Repository
from lineal.store.survey import Roots

PROJECT = "a" * 32
NOISE = random.Random(5).randbytes(80_000)
UNLISTED = {"tmp", "leases", "lock"}

Entries = dict[str, tuple[bool, int]]
"""Whether a name in a folder is a folder, and its inode."""


class Disk:
    """What is certainly on the disk of a folder that is watched."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: dict[Path, Entries] = {}
        self.bytes: dict[int, bytes] = {}
        self.folders: dict[int, Path] = {}

    def see(self, what: str, path: Path) -> None:
        if what == "fsync":
            self.bytes[path.stat().st_ino] = path.read_bytes()
        elif what == "sync-folder":
            self.names[path] = now_in(path)

    def write(self, target: Path, names: Callable[[Path], Entries]) -> None:
        """Makes up a disk after the loss; ``names`` says what has arrived of a folder."""
        target.mkdir()
        self._write(self.root, target, names)

    def synced(self, folder: Path) -> Entries:
        return self.names.get(folder, {})

    def _write(self, folder: Path, target: Path, names: Callable[[Path], Entries]) -> None:
        for name, (is_folder, inode) in names(folder).items():
            if is_folder:
                (target / name).mkdir()
                self._write(folder / name, target / name, names)
            else:
                (target / name).write_bytes(self.bytes.get(inode, b""))


def now_in(folder: Path) -> Entries:
    """What is in a folder at the moment, synced or not."""
    if not folder.is_dir():
        return {}
    return {item.name: (item.is_dir(), item.inode()) for item in os.scandir(folder) if item.name not in UNLISTED}


class Story:
    """A store in which things happen, and what of it is finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Repository.open(path / "store", project_id=PROJECT)
        self.finished: dict[Digest, dict[bytes, bytes]] = {}

    def add(self, number: int) -> Digest:
        held = {b"same": b"the same", b"text": b"version %d" % number, b"big": NOISE + bytes([number]) * 40_000}
        with self.store.session(), self.store.batch():
            entries = [TreeEntry(path=path, mode="file", size=len(data), digest=self.store.put_bytes(data)) for path, data in held.items()]
            root = self.store.put_tree(entries)
        head = self.store.ref("datasets/d")
        made = self.store.commit(root, parents=() if head is None else (head,), meta={"number": number})
        self.store.move_ref("datasets/d", made, expected=head)
        self.finished[made] = held
        return made

    def collect(self, *given_up: Digest) -> None:
        for commit in given_up:
            del self.finished[commit]
        roots = Roots(given_up=frozenset(map(raw_hash, given_up)))
        self.store.collect_garbage(lambda: roots, name="p", grace=0.0, scratch=self.path / "scratch", progress=lambda *_: None)

    def tell(self) -> None:
        first = self.add(1)
        self.add(2)
        with self.store.session(), self.store.batch():
            self.store.put_bytes(os.urandom(100_000))
            self.store.put_bytes(b"version 3")
        self.collect(first)
        self.add(3)


def check(path: Path, finished: dict[Digest, dict[bytes, bytes]], given_up: list[Digest]) -> None:
    """Raises unless everything that was finished is there, and a new writer can go on."""
    store = Repository.open(path, project_id=PROJECT)
    damaged = [line for line in store.verify().damaged if not any(commit in line for commit in given_up)]
    assert not damaged
    for commit, held in finished.items():
        assert {entry.path: store.read(entry.digest) for entry in store.entries(store.read_commit(commit).root)} == held
    head = store.ref("datasets/d")
    store.move_ref("datasets/d", store.commit(store.put_tree([]), meta={}, parents=() if head is None else (head,)), expected=head)
    store.close()


@pytest.fixture
def watching() -> Iterator[None]:
    yield
    durable.watch(None)


@pytest.mark.usefixtures("watching")
def test_whenever_the_power_goes_everything_finished_is_there_and_the_next_writer_goes_on(in_memory: Path) -> None:
    disk = Disk(in_memory / "store")
    losses: list[str] = []

    def lose(what: str, path: durable.PathLike, _to: durable.PathLike | None) -> None:
        durable.watch(None)
        disk.see(what, Path(os.fsdecode(path)))
        for variant, names in (("none", disk.synced), ("all", now_in)):
            target = in_memory / "lost"
            disk.write(target, names)
            try:
                check(target, dict(story.finished), given_up)
            except Exception as error:
                raise AssertionError(f"before step {len(losses)} ({what} {path!r}), where {variant} of what was not synced arrived") from error
            shutil.rmtree(target)
        losses.append(what)
        durable.watch(lose)

    given_up: list[Digest] = []
    durable.watch(lambda what, path, _to: disk.see(what, Path(os.fsdecode(path))))
    story = Story(in_memory)
    given_up.append(story.add(0))
    story.collect(given_up[0])
    for number in range(4, 12):  # so that the packs of what follows are merged
        story.add(number)
    durable.watch(lose)
    story.tell()
    durable.watch(None)
    story.store.close()
    assert len(losses) > 100
    assert {"write", "fsync", "rename", "unlink", "mkdir", "sync-folder"} == set(losses)
