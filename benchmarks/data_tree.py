"""Trees of a million entries: what one change writes, and how long two versions are compared.

In process, on a store in a folder. Each time is taken with the store opened anew, so that nothing it has decoded before helps; the files are in the page
cache. A change is durable when it is counted: nodes are written and fsynced as in `lineal data add`. No peer has such a call.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from blake3 import blake3

from benchmarks.table import Goal, Row, cpu_of
from benchmarks.tools import workplace
from benchmarks.workloads import A_FOLDER, scaled
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest, blake3_digest
from lineal.store.repository import Repository

ENTRIES = scaled(1_000_000, least=1000)
DIFFERENT = 10
ROUNDS = 9
PROJECT = "0" * 32


def measure() -> list[Row]:
    with workplace() as folder:
        root, building = _build(folder)
        changes = [_change(folder, root, [ENTRIES * (2 * number + 1) // (2 * ROUNDS)], seed=number) for number in range(ROUNDS)]
        other, _seconds, _grown = _change(folder, root, range(DIFFERENT // 2, ENTRIES, ENTRIES // DIFFERENT), seed=ROUNDS)
        compared = [_diff(folder, root, other) for _ in range(ROUNDS)]
        written = sorted(grown / 1000 for _root, _seconds, grown in changes)
        milliseconds = statistics.median(seconds for _root, seconds, _grown in changes) * 1000
        difference = statistics.median(seconds for _found, seconds in compared) * 1000
        found = {pairs for pairs, _seconds in compared}
        work = f"a tree of {ENTRIES:,} entries"
        return [
            Row(work=f"build {work}", unit="CPU s", ours=building, note=f"{_stored(folder) / ENTRIES:.1f} bytes stored an entry"),
            _row(f"one change in {work}", "ms", milliseconds, 50, note=f"median of {ROUNDS} places"),
            _row(
                f"one change in {work}: written", "KB", statistics.fmean(written), 20, note=f"mean of {ROUNDS} places; the largest {written[-1]:.1f}"
            ),
            _row(f"diff of two versions of {work} that differ in {DIFFERENT}", "ms", difference, 30, note=f"{min(found)} found"),
        ]


def _row(work: str, unit: str, ours: float, limit: float, *, note: str) -> Row:
    goal = Goal(words=f"≤ {limit:g}", limit=limit)
    return Row(work=work, unit=unit, ours=ours, goal=goal.words, met=goal.met(ours, {}), note=note)


def _build(folder: Path) -> tuple[Digest, float]:
    """The root of the tree, and the CPU seconds that it took from entries that are there."""
    entries = [_entry(number, b"first") for number in range(ENTRIES)]
    store = _opened(folder)
    made: list[Digest] = []
    cpu, _wall = cpu_of(lambda: made.append(store.put_tree(entries)))
    store.close()
    return made[0], cpu


def _change(folder: Path, root: Digest, numbers: Iterable[int], *, seed: int) -> tuple[Digest, float, int]:
    """The new root, the seconds that it took, and the bytes that packs grew by."""
    changes = {entry.path: entry for entry in (_entry(number, b"changed %d" % seed) for number in numbers)}
    store = _opened(folder)
    gc.collect()
    started = time.perf_counter()
    new = store.edit_tree(root, changes)
    seconds = time.perf_counter() - started
    written = store.written_bytes
    store.close()
    return new, seconds, written


def _diff(folder: Path, before: Digest, after: Digest) -> tuple[int, float]:
    store = _opened(folder)
    gc.collect()
    started = time.perf_counter()
    found = sum(1 for _pair in store.diff(before, after))
    seconds = time.perf_counter() - started
    store.close()
    return found, seconds


def _opened(folder: Path) -> Repository:
    return Repository.open(folder / "store", project_id=PROJECT)


def _entry(number: int, content: bytes) -> TreeEntry:
    path = b"images/%04d/%08d.jpg" % (number // A_FOLDER, number)
    return TreeEntry(path=path, mode="file", size=40_000 + number % 9973, digest=blake3_digest(blake3(path + content).digest()))


def _stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "store").rglob("*.pack"))
