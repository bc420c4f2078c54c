"""A remote that dies in the middle, answers 500 and 503, loses answers, or is slow: real answers, with faults made by a proxy before the server."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faulty_proxy import BROKEN, BUSY, CUT, DEAD, LOST, PASS, SLOW, FaultyProxy
from tests.object_stores import ObjectServer

from lineal.errors import Conflict, Unavailable
from lineal.records.dataset import TreeEntry
from lineal.store.backends.address import parse_address
from lineal.store.backends.object_store import ObjectStoreBackend, Patience
from lineal.store.backends.pages import PageCache
from lineal.store.format import check_format
from lineal.store.repository import Repository

PROJECT = "a" * 32
HASTY = Patience(connect=1.0, answer=1.0, upload=5.0, retries=4, total=20.0)
REF = "datasets/d"


class Faulty:
    """A project's store, and its remote behind the proxy."""

    def __init__(self, proxy: FaultyProxy, server: ObjectServer, folder: Path) -> None:
        self.proxy = proxy
        self.prefix = f"faulty-{os.getpid()}-{random.randrange(1 << 40)}"
        self.server = server
        self.folder = folder
        self.near = Repository.open(folder / "near", project_id=PROJECT)
        self.files = {b"%d" % number: random.Random(number).randbytes(300_000) for number in range(6)}
        entries = [TreeEntry(path=path, mode="file", size=len(data), digest=self.near.put_bytes(data)) for path, data in self.files.items()]
        self.tip = self.near.commit(self.near.put_tree(entries), meta={})

    def backend(self, endpoint: str, patience: Patience | None = HASTY) -> ObjectStoreBackend:
        address = parse_address(self.server.through(endpoint).url(self.prefix), base=self.folder)
        return ObjectStoreBackend(address, pages=PageCache(self.folder / f"pages-{random.randrange(1 << 40)}", 1 << 30), patience=patience)

    def far(self) -> Repository:
        """The remote as the project sees it."""
        backend = self.backend(self.proxy.endpoint)
        check_format(backend)
        return Repository(backend, PROJECT)

    def truth(self) -> Repository:
        """The remote as it is."""
        return Repository(self.backend(self.server.endpoint, None), PROJECT)

    def push(self) -> None:
        far = self.far()
        here = far.ref(REF)
        self.near.send(self.near.commits_since([self.tip], lambda identity: identity == here), far)
        far.move_ref(REF, self.tip, expected=here)

    def check(self) -> None:
        truth = self.truth()
        assert truth.ref(REF) == self.tip
        assert {entry.path: truth.read(entry.digest) for entry in truth.entries(truth.read_commit(self.tip).root)} == self.files
        assert truth.verify().sound


@pytest.fixture
def remote(faulty: FaultyProxy, seaweed: ObjectServer, tmp_path: Path) -> Iterator[Faulty]:
    made = Faulty(faulty, seaweed, tmp_path)
    yield made
    made.near.close()


def every(number: int, fault: str) -> Callable[[str, str], str]:
    counted = itertools.count(1)
    return lambda _method, _path: fault if next(counted) % number == 0 else PASS


@pytest.mark.parametrize("fault", [BROKEN, BUSY, LOST])
def test_a_push_goes_through_when_every_third_request_fails(remote: Faulty, fault: str) -> None:
    remote.proxy.choose = every(3, fault)
    remote.push()
    assert len(remote.proxy.asked) > 8
    remote.check()


@pytest.mark.parametrize("fault", [CUT, DEAD])
def test_a_pull_goes_through_when_every_third_request_fails(remote: Faulty, fault: str) -> None:
    remote.push()
    remote.proxy.choose = every(3, fault)
    far, back = remote.far(), Repository.open(remote.folder / "back", project_id=PROJECT)
    far.send(far.commits_since([remote.tip], lambda _identity: False), back)
    assert {entry.path: back.read(entry.digest) for entry in back.entries(back.read_commit(remote.tip).root)} == remote.files


def test_a_move_whose_answer_is_lost_has_happened_once(remote: Faulty) -> None:
    remote.push()
    commits = [remote.near.commit(remote.near.read_commit(remote.tip).root, parents=[remote.tip], meta={"n": number}) for number in range(2)]
    far = remote.far()
    assert far.ref(REF) == remote.tip
    remote.proxy.choose = lambda method, path: LOST if method == "PUT" and path.endswith("/d") and not remote.proxy.faults else PASS
    asked = len(remote.proxy.asked)
    far.move_ref(REF, commits[0], expected=remote.tip)
    remote.proxy.choose = lambda _method, _path: PASS
    assert [method for method, path in remote.proxy.asked[asked:] if path.endswith("/d")] == ["GET", "PUT", "GET"]
    assert remote.truth().ref(REF) == commits[0]
    with pytest.raises(Conflict):
        remote.far().move_ref(REF, commits[1], expected=remote.tip)


@pytest.mark.parametrize("after", [1, 7, 11])
def test_a_remote_that_dies_in_the_middle_is_whole_and_the_push_goes_on(remote: Faulty, after: int) -> None:
    remote.proxy.choose = lambda _method, _path: PASS if len(remote.proxy.asked) <= after else DEAD
    with pytest.raises(Unavailable) as caught:
        remote.push()
    assert caught.value.kind == "store-unavailable"
    assert "s3://lineal/" in caught.value.message
    truth = remote.truth()
    assert truth.ref(REF) is None
    assert truth.verify().sound
    remote.proxy.choose = lambda _method, _path: PASS
    remote.push()
    remote.check()


def test_a_remote_that_is_too_slow_is_said_to_be(remote: Faulty) -> None:
    remote.proxy.choose = lambda _method, _path: SLOW
    began = time.monotonic()
    backend = remote.backend(remote.proxy.endpoint, Patience(connect=1.0, answer=0.3, upload=1.0, retries=1, total=2.0))
    with pytest.raises(Unavailable) as caught:
        backend.fetch("refs/x")
    assert "too slow" in caught.value.message
    assert time.monotonic() - began < 30


def test_a_clock_that_is_off_is_said_to_be(seaweed: ObjectServer, tmp_path: Path) -> None:
    library = compiled(tmp_path)
    script = f"""
from pathlib import Path
from lineal.store.backends.address import parse_address
from lineal.store.backends.object_store import ObjectStoreBackend
from lineal.errors import LinealError
try:
    ObjectStoreBackend(parse_address({seaweed.url()!r}, base=Path("/"))).fetch("refs/x")
except LinealError as error:
    print(error.kind, error.message)
"""
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("clock-off"), done.stdout


def compiled(folder: Path) -> Path:
    """A library that makes a program's clock two hours late."""
    source, library = folder / "late.c", folder / "late.so"
    source.write_text(
        """
#define _GNU_SOURCE
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>
int clock_gettime(clockid_t which, struct timespec *at) {
    int result = syscall(SYS_clock_gettime, which, at);
    if (which == CLOCK_REALTIME) at->tv_sec -= 7200;
    return result;
}
"""
    )
    try:
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("NO COMPILER: gcc cannot make a library here, so a clock that is off is not tested")
    return library


PUSHER = """
import sys
from pathlib import Path
from lineal.records.digest import Digest
from lineal.store.backends.address import parse_address
from lineal.store.repository import Repository
folder, url, tip = Path(sys.argv[1]), sys.argv[2], Digest(sys.argv[3])
near = Repository.open(folder / "near", project_id="a" * 32)
far = Repository.at(parse_address(url, base=folder), project_id="a" * 32)
print("ready", flush=True)
here = far.ref("datasets/d")
near.send(near.commits_since([tip], lambda identity: identity == here), far)
far.move_ref("datasets/d", tip, expected=here)
print("done", flush=True)
"""


@pytest.mark.parametrize("after", [7, 11])
def test_a_push_that_is_killed_leaves_nothing_half_done_and_is_gone_on_with(remote: Faulty, after: int) -> None:
    url = remote.server.through(remote.proxy.endpoint).url(remote.prefix)
    pusher: list[subprocess.Popen[bytes]] = []

    def kill(_method: str, _path: str) -> str:
        if len(remote.proxy.asked) == after:
            pusher[0].send_signal(signal.SIGKILL)
        return PASS

    remote.proxy.choose = kill
    pusher.append(subprocess.Popen([sys.executable, "-c", PUSHER, str(remote.folder), url, remote.tip], stdout=subprocess.PIPE))
    finished = b"done" in pusher[0].communicate(timeout=100)[0]
    assert not finished
    truth = remote.truth()
    assert truth.ref(REF) in {None, remote.tip}
    assert truth.verify().sound
    remote.proxy.choose = lambda _method, _path: PASS
    remote.push()
    remote.check()
