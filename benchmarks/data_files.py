"""Versioning many small files: 50,000 of 4 KB added, looked at, changed and brought back.

Every tool through its command line (Oxen through its Python library, which is what it installs), in folders beside each other on one disk and in turn:
DVC 3.67.1 without git, restic 0.14, Oxen 0.65.1, git-lfs 3.3. CPU seconds count every thread and child. Stored is what a tool keeps on disk, in whole
blocks of the file system; beside it DVC and Oxen keep the working copy, as we do. Of work that takes a few seconds at most, the best of three.
Before files are brought back it waits for a minute: ext4 looks at each inode that was freed in the last one before it takes one, and what one tool
has deleted would count against the next.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.table import Goal, Row
from benchmarks.tools import DVC, Cost, Tool, compared, in_turn, tools_in, workplace
from benchmarks.workloads import FILE_SIZE, MB, scaled, write_small_files

FILES = scaled(50_000, least=100)
CHANGED = 10
ROUNDS = 3
_FORGOTTEN_SECONDS = scaled(65, least=0)


def measure() -> list[Row]:
    with workplace() as folder:
        tools = tools_in(folder)
        for tool in tools:
            write_small_files(tool.data, range(FILES))
        work = f"{FILES:,} files of {FILE_SIZE // 1024} KB"
        return [*_adding(tools, work), *_unchanged(tools, work), *_changing(tools, work), *_bringing_back(tools, work)]


def _adding(tools: Sequence[Tool], work: str) -> list[Row]:
    added = in_turn(tools, "add")
    return [
        compared(f"add {work}", "s", added, wall, goal=Goal(words="≤ 1/6 of DVC's", limit=1 / 6, of=DVC)),
        compared(f"add {work}", "CPU s", added, cpu),
        compared(f"add {work}: memory", "MB", added, peak, note="of the largest process"),
        compared(
            f"add {work}: stored",
            "MB",
            added,
            grown,
            goal=Goal(words="≤ 1/2 of DVC's", limit=0.5, of=DVC),
            note=f"{FILES * FILE_SIZE / MB:,.0f} MB of JSON lines",
        ),
    ]


def _unchanged(tools: Sequence[Tool], work: str) -> list[Row]:
    idle = in_turn(tools, "status", rounds=ROUNDS)
    return [
        compared(f"status of {work}, nothing changed", "s", idle, wall, goal=Goal(words="≤ 0.35", limit=0.35), note="restic: backup --dry-run"),
        compared(f"status of {work}, nothing changed", "CPU s", idle, cpu),
    ]


def _changing(tools: Sequence[Tool], work: str) -> list[Row]:
    changed = in_turn(tools, "add", rounds=ROUNDS, before=_change)
    return [
        compared(f"change {CHANGED} of {work}: add", "s", changed, wall, goal=Goal(words="≤ 0.8", limit=0.8)),
        compared(f"change {CHANGED} of {work}: add", "CPU s", changed, cpu),
        compared(f"change {CHANGED} of {work}: grown", "KB", changed, grown_kb, goal=Goal(words="≤ 250", limit=250)),
    ]


def _change(tool: Tool, number: int) -> None:
    if "keep" in tool.works:
        tool.run("keep")
    write_small_files(tool.data, range(0, FILES, FILES // CHANGED), seed=number + 2)


def _bringing_back(tools: Sequence[Tool], work: str) -> list[Row]:
    for tool in tools:
        tool.data.rename(tool.data.with_name("aside"))
    time.sleep(_FORGOTTEN_SECONDS)
    brought = in_turn(tools, "checkout")
    back, forth = in_turn(tools, "back"), in_turn(tools, "forth")
    again = {name: min(back[name], forth[name], key=wall) for name in back if name in forth}
    third = Goal(words="≤ 1/3 of DVC's", limit=1 / 3, of=DVC)
    return [
        compared(f"checkout of {work}, none of them there", "s", brought, wall, goal=third, note="restic: restore; git-lfs: git checkout"),
        compared(f"checkout of {work}, none of them there", "CPU s", brought, cpu),
        compared(
            f"checkout of a version in which {CHANGED} of them differ",
            "s",
            again,
            wall,
            goal=Goal(words="≤ 0.5", limit=0.5),
            note="better of there and back",
        ),
    ]


def wall(cost: Cost) -> float:
    return cost.wall


def cpu(cost: Cost) -> float:
    return cost.cpu


def peak(cost: Cost) -> float:
    return cost.peak / MB


def grown(cost: Cost) -> float:
    return cost.grown / MB


def grown_kb(cost: Cost) -> float:
    return cost.grown / 1000
