"""A million files: added, looked at, and one of them read where the store is a bucket.

Files of one line each, a thousand in a folder. The bucket is on a SeaweedFS on loopback, which counts the requests itself. Cold is with an empty cache of
pages, as on a machine that has never seen the data; warm is a new process that reads the same file again; near is another file from the same folder. Through
the mount the requests of mounting are counted, too. Seconds are, of `lineal://`, those of a Python that starts and reads, and of a mount those of a read
when it is there. No peer reads one file of a version in a bucket without bringing the others or listing.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mounting import mounted
from benchmarks.object_store import LISTINGS, ObjectStore, described, object_store
from benchmarks.table import Goal, Row
from benchmarks.tools import LINEAL, CommandFailed, Tool, compared, in_turn, lineal_in, run_command, started, workplace
from benchmarks.workloads import A_FOLDER, MB, scaled, write_tiny_files

FILES = scaled(1_000_000, least=2 * A_FOLDER)
CHANGED = 10
ROUNDS = 3
PAGES = ".lineal/cache"
"""Where what was read from a bucket is kept."""

READER = """
import sys
import fsspec
fsspec.register_implementation("lineal", "lineal.interfaces.fsspec.LinealFileSystem", clobber=True)
with fsspec.open(sys.argv[1], "rb") as file:
    assert len(file.read(1)) == 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstByte:
    """What reading one byte took, and which requests the server saw."""

    seconds: float
    requests: Counter[str]


def measure() -> list[Row]:
    with workplace() as folder:
        tool = started(lineal_in(folder))
        write_tiny_files(tool.data, FILES)
        rows = _working_copy([tool])
        with object_store(folder / "seaweed") as server:
            return [*rows, *_in_a_bucket(tool, server, folder)]


def _working_copy(tools: Sequence[Tool]) -> list[Row]:
    work = f"{FILES:,} files"
    added = in_turn(tools, "add")
    idle = in_turn(tools, "status", rounds=ROUNDS)
    changed = in_turn(tools, "add", rounds=ROUNDS, before=_change)
    return [
        compared(f"add {work}", "s", added, lambda cost: cost.wall),
        compared(f"add {work}", "CPU s", added, lambda cost: cost.cpu),
        compared(f"add {work}: memory", "MB", added, lambda cost: cost.peak / MB),
        compared(f"add {work}: stored", "MB", added, lambda cost: cost.grown / MB),
        compared(f"status of {work}, nothing changed", "s", idle, lambda cost: cost.wall, goal=Goal(words="≤ 6", limit=6)),
        compared(f"status of {work}, nothing changed: memory", "MB", idle, lambda cost: cost.peak / MB),
        compared(f"change {CHANGED} of {work}: add", "s", changed, lambda cost: cost.wall),
        compared(f"change {CHANGED} of {work}: grown", "KB", changed, lambda cost: cost.grown / 1000),
    ]


def _change(tool: Tool, number: int) -> None:
    for place in range(0, FILES, FILES // CHANGED):
        path = tool.data / f"{place // A_FOLDER:04d}" / f"{place % A_FOLDER:04d}.txt"
        path.write_bytes(b"changed %d in round %d\n" % (place, number))


def _in_a_bucket(tool: Tool, server: ObjectStore, folder: Path) -> list[Row]:
    url = server.url("million")
    run_command((*LINEAL, "remote", "add", "origin", url), tool.folder, server.environment)
    before = server.requests()
    pushed = run_command((*LINEAL, "push"), tool.folder, server.environment)
    requests = server.requests() - before
    there = {**server.environment, "LINEAL_STORE_URL": url}
    ways: dict[str, Callable[[str], float]] = {
        "lineal://": lambda path: _read_address(tool, there, path),
        "mount": lambda path: _read_mounted(tool, there, path, folder / "mounted"),
    }
    return [
        Row(work=f"push {FILES:,} files", unit="s", ours=pushed.wall, note=described(requests)),
        Row(work=f"push {FILES:,} files: memory", unit="MB", ours=pushed.peak / MB),
        *(row for way, read in ways.items() for row in _tried(way, server, tool, read)),
    ]


def _tried(way: str, server: ObjectStore, tool: Tool, read: Callable[[str], float]) -> list[Row]:
    try:
        return _reads(way, server, tool, read)
    except CommandFailed as error:
        print(f"   {way}: {error}", flush=True)
        work = f"{way}: first byte of one of {FILES:,} files"
        return [Row(work=work, unit="requests", ours=None, goal="≤ 10, no listing", met=False, note="did not run")]


def _reads(way: str, server: ObjectStore, tool: Tool, read: Callable[[str], float]) -> list[Row]:
    """Cold, warm and near, in this order."""
    middle = FILES // A_FOLDER // 2
    shutil.rmtree(tool.folder / PAGES, ignore_errors=True)
    found = []
    for path in (f"{middle:04d}/0500.txt", f"{middle:04d}/0500.txt", f"{middle:04d}/0007.txt"):
        before = server.requests()
        seconds = read(path)
        found.append(FirstByte(seconds=seconds, requests=server.requests() - before))
    cold, warm, near = found
    if not cold.requests:
        raise CommandFailed(f"{way} read from somewhere else than the bucket")
    work = f"{way}: first byte of one of {FILES:,} files"
    return [_row(f"{work}, cold", cold, 10), _row(f"{work}, warm", warm, 1), _row(f"{work}, near a warm one", near, None)]


def _row(work: str, found: FirstByte, limit: int | None) -> Row:
    total = found.requests.total()
    listed = sum(found.requests[kind] for kind in LISTINGS)
    met = None if limit is None else total <= limit and not listed
    goal = "" if limit is None else f"≤ {limit}, no listing"
    return Row(work=work, unit="requests", ours=total, goal=goal, met=met, note=f"{described(found.requests) or 'none'}; {found.seconds:.2f} s")


def _read_address(tool: Tool, names: dict[str, str], path: str) -> float:
    return run_command((sys.executable, "-c", READER, f"lineal://data@1/{path}"), tool.folder, names).wall


def _read_mounted(tool: Tool, names: dict[str, str], path: str, place: Path) -> float:
    with mounted((*LINEAL, "data", "mount", "data@1", str(place), "--foreground"), place, folder=tool.folder, environment=names):
        return run_command(("head", "--bytes=1", str(place / path)), tool.folder, {}).wall
