"""Versioning many small tables: what a version says of their columns and rows.

Of CSV files a version also keeps the columns, their types and how many rows there are; this is what that costs when ten of them change. The facts are in the
store and in the ledger, whose growth stands on a line of its own.
"""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.table import Goal, Row
from benchmarks.tools import Tool, compared, in_turn, lineal_in, started, workplace
from benchmarks.workloads import A_FOLDER, scaled

TABLES = scaled(20_000, least=100)
ROWS = 30
CHANGED = 10
ROUNDS = 3


def measure() -> list[Row]:
    with workplace() as folder:
        tool = started(lineal_in(folder))
        for number in range(TABLES):
            _write(tool.data, number, seed=0)
        added = in_turn([tool], "add")
        ledger = _ledger(tool)
        changed = in_turn([tool], "add", rounds=ROUNDS, before=_change)
        grown = (_ledger(tool) - ledger) / ROUNDS / 1000
        work = f"{TABLES:,} CSV files of {ROWS} rows"
        few = Goal(words="≤ 250", limit=250)
        return [
            compared(f"add {work}", "s", added, lambda cost: cost.wall),
            compared(f"change {CHANGED} of {work}: add", "s", changed, lambda cost: cost.wall, goal=Goal(words="≤ 0.8", limit=0.8)),
            compared(f"change {CHANGED} of {work}: grown", "KB", changed, lambda cost: cost.grown / 1000, goal=few),
            Row(
                work=f"change {CHANGED} of {work}: ledger grown",
                unit="KB",
                ours=grown,
                goal=few.words,
                met=few.met(grown, {}),
                note="a version, on average",
            ),
        ]


def _change(tool: Tool, number: int) -> None:
    for place in range(0, TABLES, TABLES // CHANGED):
        _write(tool.data, place, seed=number + 1)


def _write(folder: Path, number: int, *, seed: int) -> None:
    path = folder / f"{number // A_FOLDER:03d}" / f"{number % A_FOLDER:04d}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = random.Random(number * 10 + seed)
    lines = [f"2013-01-{day:02d},k{draw.randrange(9)},{draw.random():.4f},{draw.getrandbits(20)}\n" for day in range(1, ROWS + 1)]
    path.write_text("time,kind,value,score\n" + "".join(lines))


def _ledger(tool: Tool) -> int:
    """Bytes of the ledger's files."""
    return sum(path.stat().st_size for path in (tool.folder / ".lineal").glob("ledger.db*"))
