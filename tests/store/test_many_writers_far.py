"""Eight processes that write at once into one store in a bucket."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.object_stores import ObjectServer

from lineal.records.digest import Digest
from lineal.store.backends.address import parse_address
from lineal.store.repository import Repository

PROJECT = "a" * 32
WRITERS, ROUNDS = 8, 2

WRITER = """
import random, sys
from pathlib import Path
from lineal.errors import Conflict
from lineal.store.backends.address import parse_address
from lineal.store.backends.pages import PageCache
from lineal.store.repository import Repository
from lineal.records.dataset import TreeEntry
url, folder, seed, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
store = Repository.at(parse_address(url, base=folder), project_id="a" * 32, pages=PageCache(folder / "cache", 1 << 28))
draw = random.Random(seed)
for number in range(rounds):
    with store.session():
        with store.batch():
            entries = []
            for place in range(80):
                data = draw.randbytes(draw.choice([10, 300]))
                entries.append(TreeEntry(path=b"%d-%d" % (seed, place), mode="file", size=len(data), digest=store.put_bytes(data)))
            root = store.put_tree(entries)
        while True:
            head = store.ref("datasets/shared")
            commit = store.commit(root, parents=() if head is None else (head,), meta={"seed": seed, "number": number})
            try:
                store.move_ref("datasets/shared", commit, expected=head)
            except Conflict:
                continue
            break
    print(commit, flush=True)
"""


@pytest.mark.parametrize("brand", ["seaweed", "moto"])
def test_eight_writers_at_once_lose_nothing(brand: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: ObjectServer = request.getfixturevalue(brand)
    url = server.url()
    command = [sys.executable, "-c", WRITER, url, str(tmp_path)]
    writers = [subprocess.Popen([*command, str(seed), str(ROUNDS)], stdout=subprocess.PIPE, text=True) for seed in range(WRITERS)]
    printed = [writer.communicate(timeout=200)[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    store = Repository.at(parse_address(url, base=tmp_path), project_id=PROJECT)
    tip = store.ref("datasets/shared")
    assert tip is not None
    line = store.ancestors([tip])
    assert line == {Digest(commit) for commits in printed for commit in commits}
    assert len(line) == WRITERS * ROUNDS
    assert store.verify().sound
