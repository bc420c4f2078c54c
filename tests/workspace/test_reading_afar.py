"""Versions in a bucket, read without a copy: by address and through a mount, with every request that reaches the server counted."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.object_stores import ObjectServer

from lineal.bootstrap.compose import create_workspace, open_workspace

FILES = 2_000
READER = """
import sys
from lineal.interfaces.fsspec import LinealFileSystem
print(LinealFileSystem().cat_file(sys.argv[1], 0, 1))
"""
_REQUEST = re.compile(rb"^(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1", re.MULTILINE)


class Counted:
    """Passes bytes on to a server and back, and counts the requests in them: by verb, and listings as ``list``."""

    def __init__(self, target: int) -> None:
        self.requests: Counter[str] = Counter()
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    @contextmanager
    def watched(self) -> Iterator[Counter[str]]:
        """What was asked for during the block."""
        before, found = self.requests.copy(), Counter[str]()
        yield found
        found.update(self.requests - before)

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._pass_on, args=(client, server, self._count), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, lambda _data: None), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket, seen: object) -> None:
        assert callable(seen)
        with source, target:
            try:
                while data := source.recv(1 << 16):
                    seen(data)
                    target.sendall(data)
            except OSError:
                return

    def _count(self, data: bytes) -> None:
        for verb, path in _REQUEST.findall(data):
            self.requests["list" if b"list-type" in path else verb.decode().lower()] += 1


@pytest.fixture(scope="module")
def counted(seaweed_server: ObjectServer) -> Iterator[Counted]:
    proxy = Counted(int(seaweed_server.endpoint.rpartition(":")[2]))
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def made(seaweed_server: ObjectServer, counted: Counted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project over a bucket with a dataset of many small files and a large one."""
    with pytest.MonkeyPatch.context() as patch:
        seaweed_server.enter(patch)
        patch.setenv("LINEAL_STORE_URL", seaweed_server.through(f"http://127.0.0.1:{counted.port}").url())
        project = tmp_path_factory.mktemp("afar")
        for number in range(FILES):
            path = project / f"data/{number // 500}/{number % 500:04}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{number}\n")
        (project / "data/large.bin").write_bytes(os.urandom(5_000_000))
        with closing(create_workspace(project, name="afar")) as workspace:
            workspace.datasets.add(project / "data", name="many")
        yield project


@pytest.fixture
def project(made: Path) -> Path:
    """The same as on a machine that has read nothing yet."""
    shutil.rmtree(made / ".lineal/cache", ignore_errors=True)
    return made


def test_the_first_byte_by_address_takes_few_requests_and_the_next_time_one(project: Path, counted: Counted) -> None:
    def read(address: str) -> Counter[str]:
        with counted.watched() as asked:
            done = subprocess.run([sys.executable, "-c", READER, address], cwd=project, capture_output=True, text=True, check=True)
        assert done.stdout.startswith("b'"), done.stdout
        return asked

    cold, warm = read("lineal://many@1/3/0123.txt"), read("lineal://many@1/3/0123.txt")
    assert cold.total() <= 10, cold
    assert warm.total() <= 1, warm
    assert not cold["list"] + warm["list"]


def test_the_first_byte_through_a_mount_takes_few_requests_and_the_next_time_one(project: Path, counted: Counted, tmp_path: Path) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or not (shutil.which("fusermount3") or shutil.which("fusermount")):
        pytest.skip("NO FUSE: /dev/fuse or fusermount is missing, so no version is mounted")
    with closing(open_workspace(project)) as workspace:

        def read(path: str) -> Counter[str]:
            with counted.watched() as asked:
                mount = workspace.datasets.mount("many@1", tmp_path / "place")
                with (Path(mount.folder) / path).open("rb", buffering=0) as file:
                    assert file.read(1)
            workspace.datasets.unmount(tmp_path / "place", force=True)
            return asked

        cold, warm = read("3/0123.txt"), read("3/0123.txt")
        assert cold.total() <= 10, cold
        assert warm.total() <= 1, warm
        assert not cold["list"] + warm["list"]


def test_a_range_of_a_large_file_fetches_no_more_than_it_lies_in(project: Path, counted: Counted) -> None:
    whole = (project / "data/large.bin").read_bytes()
    with closing(open_workspace(project)) as workspace:
        view = workspace.datasets.view("many@1")
        entry = view.entry(b"large.bin")
        assert entry is not None
        assert view.read(entry, 3_000_000, 3_000_010) == whole[3_000_000:3_000_010]
        with counted.watched() as asked:
            assert view.read(entry, 1_000_000, 1_500_000) == whole[1_000_000:1_500_000]
        assert asked.total() <= 8, asked
