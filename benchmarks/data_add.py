"""Versioning data: adding 50,000 small files, and what an inserted row costs in a table of a gigabyte.

Both through their command lines, in folders beside each other on one disk: `lineal data add` and `dvc add` (without git). CPU seconds count every
thread and child. Stored size is what the store and the cache have on disk, in whole blocks of the file system.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table import Row, peer_environment

FILES, FILE_SIZE = 50_000, 4096
TABLE_SIZE = 1 << 30
CHANGED = 10
PEER = "DVC 3.67.1"
REQUIREMENT = "dvc==3.67.1"
MIB = 1 << 20
CLASSES = ("car", "truck", "person", "bicycle", "traffic light")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a command took, and by how many bytes it grew its store on disk."""

    wall: float
    cpu: float
    grown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A command line and where it keeps bytes, in a folder of its own."""

    folder: Path
    init: Sequence[str]
    add: Sequence[str]
    status: Sequence[str]
    store: str

    def run(self, command: Sequence[str]) -> Cost:
        """Runs a command to its end."""
        before = self.stored()
        os.sync()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, env={**os.environ, "DVC_NO_ANALYTICS": "1"})
        wall = time.perf_counter() - started
        done = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = done.ru_utime + done.ru_stime - used.ru_utime - used.ru_stime
        return Cost(wall=wall, cpu=cpu, grown=self.stored() - before)

    def stored(self) -> int:
        """Bytes on disk of what it keeps."""
        found = [path.lstat() for path in (self.folder / self.store).rglob("*")]
        return sum(status.st_blocks * 512 for status in found)


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="lineal-bench-", dir=os.environ.get("TMPDIR")) as name:
        ours, peer = ours_in(Path(name) / "ours"), peer_in(Path(name) / "peer")
        tools = [ours] if peer is None else [ours, peer]
        for tool in tools:
            tool.folder.mkdir()
            tool.run(tool.init)
        rows = small_files(tools)
        for tool in tools:
            shutil.rmtree(tool.folder / "data")
        return rows + long_table(tools)


def ours_in(folder: Path) -> Tool:
    program = (sys.executable, "-m", "lineal.main")
    return Tool(
        folder=folder,
        init=(*program, "init"),
        add=(*program, "data", "add", "data"),
        status=(*program, "data", "status"),
        store=".lineal/store",
    )


def peer_in(folder: Path) -> Tool | None:
    """The peer in an environment of its own, or None where it does not install."""
    try:
        python = peer_environment("dvc", REQUIREMENT)
    except subprocess.CalledProcessError:
        return None
    program = (str(python), "-m", "dvc")
    return Tool(folder=folder, init=(*program, "init", "--no-scm"), add=(*program, "add", "data"), status=(*program, "status"), store=".dvc/cache")


def small_files(tools: Sequence[Tool]) -> list[Row]:
    for tool in tools:
        write_small_files(tool.folder / "data", range(FILES))
    added = [tool.run(tool.add) for tool in tools]
    idle = [tool.run(tool.status) for tool in tools]
    idle = [tool.run(tool.status) for tool in tools]
    for tool in tools:
        write_small_files(tool.folder / "data", range(0, FILES, FILES // CHANGED), seed=2)
    changed = [tool.run(tool.add) for tool in tools]
    work = f"{FILES:,} files of {FILE_SIZE // 1024} KiB"
    return [
        row(f"add {work}", "s", [cost.wall for cost in added], goal="≤ 1/5 of DVC", limit=0.2),
        row(f"add {work}", "CPU s", [cost.cpu for cost in added]),
        row(f"add {work}: stored", "MiB", [cost.grown / MIB for cost in added], goal="≤ 1/2 of DVC", limit=0.5, note="JSON lines"),
        row(f"status of {work}, nothing changed", "s", [cost.wall for cost in idle]),
        row(f"change {CHANGED} of {work}: add", "s", [cost.wall for cost in changed]),
        row(f"change {CHANGED} of {work}: grown", "KiB", [cost.grown / 1024 for cost in changed]),
    ]


def long_table(tools: Sequence[Tool]) -> list[Row]:
    names = [tool.folder / "data" / "table.csv" for tool in tools]
    names[0].parent.mkdir()
    write_table(names[0])
    for other in names[1:]:
        other.parent.mkdir()
        shutil.copyfile(names[0], other)
    added = [tool.run(tool.add) for tool in tools]
    for name in names:
        insert_row(name)
    grown = [tool.run(tool.add) for tool in tools]
    kilobytes = [cost.grown / 1024 for cost in grown]
    return [
        row("add a CSV of 1 GiB", "s", [cost.wall for cost in added]),
        row("add a CSV of 1 GiB", "CPU s", [cost.cpu for cost in added]),
        row("add a CSV of 1 GiB: stored", "MiB", [cost.grown / MIB for cost in added]),
        row("insert one row into it: grown", "KiB", kilobytes, goal="≤ 256 KiB", met=kilobytes[0] <= 256),
    ]


def row(work: str, unit: str, figures: Sequence[float], *, goal: str = "", limit: float = 0.0, met: bool | None = None, note: str = "") -> Row:
    """A line of the table; the goal is a share of the peer's figure where ``limit`` gives one."""
    peer = figures[1] if len(figures) > 1 else None
    reached = figures[0] <= limit * peer if limit and peer is not None else met
    return Row(work=work, unit=unit, ours=figures[0], peer=peer, peer_name=PEER, goal=goal, met=reached, note=note)


def write_small_files(folder: Path, numbers: Sequence[int], *, seed: int = 1) -> None:
    """Labels of images: a box and a class for each thing in it, as JSON lines with numbers that do not repeat; folders of a thousand."""
    for number in numbers:
        path = folder / f"{number // 1000:03d}" / f"{number % 1000:04d}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw = random.Random(number * 10 + seed)
        lines = [
            f'{{"image": {number}, "class": "{draw.choice(CLASSES)}", "box": [{", ".join(f"{draw.random() * 1000:.2f}" for _ in range(4))}], '
            f'"score": {draw.random():.4f}}}\n'
            for _ in range(60)
        ]
        path.write_bytes("".join(lines).encode()[: FILE_SIZE - 1] + b"\n")


def write_table(path: Path) -> None:
    """Rows like those of an event log: a time, a few categories, a few numbers."""
    draw = random.Random(3)
    size = number = 0
    with path.open("wb") as file:
        file.write(b"id,time,kind,place,value,score\n")
        while size < TABLE_SIZE:
            lines = []
            for _ in range(20_000):
                number += 1
                kind, place = draw.choice((b"click", b"view", b"buy")), draw.randrange(1000)
                lines.append(b"%d,2013-01-01T%06d,%s,p%03d,%.4f,%d\n" % (number, number % 86_400, kind, place, draw.random(), draw.getrandbits(32)))
            size += file.write(b"".join(lines))


def insert_row(path: Path) -> None:
    """Puts a row into the middle; everything behind it moves."""
    data = path.read_bytes()
    middle = data.index(b"\n", len(data) // 2) + 1
    with path.open("wb") as file:
        file.write(data[:middle])
        file.write(b"0,2013-01-01T000000,inserted,p000,0.0000,0\n")
        file.write(memoryview(data)[middle:])


if __name__ == "__main__":
    from benchmarks.table import markdown

    sys.stdout.write(markdown(measure()) + "\n")
