"""Eight writers at once on one folder store, as processes of their own, while garbage is collected beside them again and again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from lineal.records.digest import Digest
from lineal.store.repository import Repository
from lineal.store.survey import Roots

PROJECT = "a" * 32
WRITERS, ROUNDS = 8, 6

WRITER = """
import random, sys
from pathlib import Path
from lineal.store.repository import Repository
from lineal.records.dataset import TreeEntry
path, seed, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
draw, shared = random.Random(seed), random.Random(0)
common = [shared.randbytes(size) for size in (50, 5_000, 90_000, 200_000)]
for number in range(rounds):
    store = Repository.open(path, project_id="a" * 32)
    with store.session():
        with store.batch():
            parts = [draw.choice(common) + draw.randbytes(draw.choice([0, 10, 3_000])) for _ in range(6)]
            root = store.put_tree(
                TreeEntry(path=b"%d" % place, mode="file", size=len(data), digest=store.put_bytes(data)) for place, data in enumerate(parts)
            )
        if number % 3 == 2:
            continue  # gives up: what it stored is garbage, unless others rely on it
        commit = store.commit(root, meta={"seed": seed, "number": number})
        store.move_ref(f"datasets/w{seed}-{number}", commit, expected=None)
    print(f"datasets/w{seed}-{number}", commit, flush=True)
    store.close()
"""


def collect(path: Path, scratch: Path) -> int:
    """Bytes that were freed; what looks young is made old, so that nothing is left alone for its age."""
    for pack in path.glob("packs/*/*.pack"):
        os.utime(pack, (time.time() - 200_000,) * 2)
    store = Repository.open(path, project_id=PROJECT)
    try:
        return store.collect_garbage(Roots, name="p", grace=0.0, scratch=scratch, progress=lambda *_: None).freed_bytes
    finally:
        store.close()


def test_eight_writers_and_a_collector_beside_them_lose_nothing(in_memory: Path) -> None:
    path = in_memory / "store"
    Repository.open(path, project_id=PROJECT).close()
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(seed), str(ROUNDS)], stdout=subprocess.PIPE, text=True) for seed in range(WRITERS)]
    collections = 0
    while any(writer.poll() is None for writer in writers):
        collect(path, in_memory / "scratch")
        collections += 1
    lines = [line.split() for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    assert len(lines) == WRITERS * ROUNDS * 2 // 3
    assert collections > 1
    collect(path, in_memory / "scratch")
    store = Repository.open(path, project_id=PROJECT)
    assert store.refs("datasets/") == {name: Digest(commit) for name, commit in lines}
    assert store.verify().damaged == ()
    for _name, commit in lines:
        root = store.read_commit(Digest(commit)).root
        assert all(len(store.read(entry.digest)) == entry.size for entry in store.entries(root))
    assert not list(path.glob("gc/*/*"))
    assert not list(path.glob("leases/*"))
    store.close()
