"""Versioning one large file: a table of 1 GB, a row put into its middle, and 1 GB of random bytes.

Every tool as in the section on small files. The least that reading and writing 1 GB takes is `cp --reflink=never` and an fsync of the copy. MD5 beside our own
digest is asked for with `--md5`; what it costs stands on a line of its own. Without it the row added to a table is found by content-defined chunks.
Adding and copying are done three times in turn, each time in folders of their own, and the least counts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.table import Goal, Row
from benchmarks.tools import DVC, Cost, Tool, compared, in_turn, least, lineal_in, run_command, started, tools_in, workplace
from benchmarks.workloads import MB, insert_row, scaled, write_random, write_table

SIZE = scaled(1000 * MB)
COPY = "cp + fsync"
ROUNDS = 3


def measure() -> list[Row]:
    with workplace() as folder:
        return [*_table(folder), *_random(folder)]


def _table(folder: Path) -> list[Row]:
    table = folder / "table.csv"
    write_table(table, SIZE)
    added, tools = _added(folder / "table", table)
    digested = in_turn(_give([started(lineal_in(folder / "md5"))], table), "add with MD5")
    insert_row(table)
    _give(tools, table)
    grown = in_turn(tools, "add")
    shutil.rmtree(folder / "table")
    shutil.rmtree(folder / "md5")
    work = f"add a CSV of {SIZE / MB:,.0f} MB"
    size = SIZE / MB
    return [
        compared(work, "s", added, lambda cost: cost.wall),
        compared(work, "CPU s", added, lambda cost: cost.cpu, goal=Goal(words="≤ DVC's", limit=1.0, of=DVC)),
        compared(f"{work}, with MD5 of it", "CPU s", digested, lambda cost: cost.cpu, note="`--md5`"),
        compared(f"{work}: memory", "MB", added, lambda cost: cost.peak / MB, note="of the largest process"),
        compared(f"{work}: stored", "MB", added, lambda cost: cost.grown / MB, goal=Goal(words="≤ 1/2 of the file", limit=size / 2)),
        compared("insert one row in its middle, add", "s", grown, lambda cost: cost.wall),
        compared("insert one row in its middle, add", "CPU s", grown, lambda cost: cost.cpu, goal=Goal(words="≤ 1/2 of DVC's", limit=0.5, of=DVC)),
        compared("insert one row in its middle, add: grown", "KB", grown, lambda cost: cost.grown / 1000, goal=Goal(words="≤ 150", limit=150)),
    ]


def _random(folder: Path) -> list[Row]:
    noise = folder / "noise.bin"
    write_random(noise, SIZE)
    copies: list[Cost] = []
    added, _tools = _added(folder / "random", noise, beside=lambda: copies.append(_copy(noise, folder / "copy.bin")))
    added[COPY] = least(copies)
    work = f"add {SIZE / MB:,.0f} MB of random bytes"
    thrice = Goal(words="≤ 3 × cp and fsync", limit=3.0, of=COPY)
    figures: list[tuple[str, str, Callable[[Cost], float], Goal | None]] = [
        (work, "s", lambda cost: cost.wall, None),
        (work, "CPU s", lambda cost: cost.cpu, thrice),
    ]
    return [compared(words, unit, added, figure, goal=goal) for words, unit, figure, goal in figures]


def _added(folder: Path, file: Path, *, beside: Callable[[], object] = lambda: None) -> tuple[dict[str, Cost], Sequence[Tool]]:
    """What adding the file costs each tool that is in none of them yet, and the tools of the last round; ``beside`` is done in each."""
    costs: dict[str, list[Cost]] = {}
    tools: Sequence[Tool] = ()
    for number in range(ROUNDS):
        shutil.rmtree(folder, ignore_errors=True)
        tools = _give(tools_in(folder / str(number)), file)
        beside()
        for name, cost in in_turn(tools, "add").items():
            costs.setdefault(name, []).append(cost)
    return {name: least(found) for name, found in costs.items() if len(found) == ROUNDS}, tools


def _copy(source: Path, target: Path) -> Cost:
    """What the system's own copy of the file costs until it is on the disk."""
    command = ("sh", "-c", f"cp --reflink=never '{source}' '{target}' && sync '{target}'")
    cost = run_command(command, source.parent, {})
    target.unlink()
    return cost


def _give(tools: Sequence[Tool], file: Path) -> Sequence[Tool]:
    """Puts a copy of the file where each tool versions it."""
    for tool in tools:
        tool.data.mkdir(exist_ok=True)
        shutil.copyfile(file, tool.data / file.name)
    return tools
