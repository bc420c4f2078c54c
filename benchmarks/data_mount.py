"""Reading a version without a copy: 1 GB through a mount and through lineal://, beside a checkout that is then read.

From the first command to the last byte, once, with the store in a local folder and its files in the page cache. CPU counts the command, the process that serves
the mount, and the reader. The peers: DVC 3.67.1's checkout and its `dvc.api.open`, and restic 0.14's mount.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.mounting import mounted
from benchmarks.table import Row
from benchmarks.tools import (
    DVC,
    LINEAL,
    OURS,
    Command,
    CommandFailed,
    Cost,
    Tool,
    compared,
    dvc_in,
    in_turn,
    lineal_in,
    restic_in,
    run_command,
    started,
    workplace,
)
from benchmarks.workloads import MB, scaled, write_table

SIZE = scaled(1000 * MB)
BLOCK = 1 << 20
TABLE = "table.csv"
FIRST = 1 << 16

LINEAL_READER = """
import sys
import fsspec
fsspec.register_implementation("lineal", "lineal.interfaces.fsspec.LinealFileSystem", clobber=True)
with fsspec.open("lineal://data@1/table.csv", "rb") as file:
    while sys.argv[1] == "all" and file.read(1 << 20):
        pass
    file.read(1 << 16)
"""
DVC_READER = """
import sys
import dvc.api
with dvc.api.open("data/table.csv", repo=".", mode="rb") as file:
    while sys.argv[1] == "all" and file.read(1 << 20):
        pass
    file.read(1 << 16)
"""

Reading = Callable[[Tool, str], Cost]


def measure() -> list[Row]:
    with workplace() as folder:
        table = folder / TABLE
        write_table(table, SIZE)
        tools = {tool.name: started(tool) for tool in (lineal_in(folder), dvc_in(folder), restic_in(folder)) if tool is not None}
        for tool in tools.values():
            tool.data.mkdir()
            shutil.copyfile(table, tool.data / TABLE)
        in_turn(list(tools.values()), "add")
        for tool in tools.values():
            shutil.rmtree(tool.data)
        return _rows(tools)


def _rows(tools: dict[str, Tool]) -> list[Row]:
    ways: dict[str, dict[str, Reading]] = {
        "lineal://": {OURS: _by_program(LINEAL_READER), DVC: _by_program(DVC_READER)},
        "a mount": {OURS: _through_lineal, "restic": _through_restic},
        "a checkout": {OURS: _from_checkout, DVC: _from_checkout},
    }
    rows = []
    for way, readings in ways.items():
        whole = _costs(tools, readings, "all")
        rate = f"{SIZE / MB / whole[OURS].wall:,.0f} MB/s" if OURS in whole else ""
        work = f"read {SIZE / MB:,.0f} MB through {way}"
        rows += [compared(work, "s", whole, lambda cost: cost.wall, note=rate), compared(work, "CPU s", whole, lambda cost: cost.cpu)]
        first = _costs(tools, readings, "first")
        rows.append(compared(f"read the first {FIRST // 1024} KB through {way}", "s", first, lambda cost: cost.wall))
    return rows


def _costs(tools: dict[str, Tool], readings: dict[str, Reading], amount: str) -> dict[str, Cost]:
    found = {}
    for name, reading in readings.items():
        if name not in tools:
            continue
        try:
            found[name] = reading(tools[name], amount)
        except CommandFailed as error:
            print(f"   {name}: {error}", flush=True)
    return found


def _by_program(program: str) -> Reading:
    """Reads with the Python that the tool's own command line runs in."""

    def reading(tool: Tool, amount: str) -> Cost:
        python = sys.executable if tool.name == OURS else tool.works["add"][0][0]
        return run_command((python, "-c", program, amount), tool.folder, tool.environment)

    return reading


def _from_checkout(tool: Tool, amount: str) -> Cost:
    shutil.rmtree(tool.data, ignore_errors=True)
    cost = _together(tool.run("checkout"), run_command(_reader(tool.data / TABLE, amount), tool.folder, {}))
    shutil.rmtree(tool.data)
    return cost


def _through_lineal(tool: Tool, amount: str) -> Cost:
    place = tool.folder / "mounted"
    return _through_mount(tool, (*LINEAL, "data", "mount", "data@1", str(place), "--foreground"), place, Path(TABLE), amount)


def _through_restic(tool: Tool, amount: str) -> Cost:
    place = tool.folder / "mounted"
    command = (*tool.works["add"][0][:-2], "mount", str(place))
    return _through_mount(tool, command, place, Path("snapshots", "latest", "data", TABLE), amount)


def _through_mount(tool: Tool, command: Command, place: Path, path: Path, amount: str) -> Cost:
    with mounted(command, place, folder=tool.folder, environment=tool.environment) as mount:
        read = run_command(_reader(place / path, amount), tool.folder, {})
    return Cost(wall=mount.ready + read.wall, cpu=mount.cpu + read.cpu, peak=read.peak, grown=0)


def _reader(path: Path, amount: str) -> Sequence[str]:
    size = (f"bs={FIRST}", "count=1") if amount == "first" else (f"bs={BLOCK}",)
    return ("dd", f"if={path}", "of=/dev/null", "status=none", *size)


def _together(one: Cost, other: Cost) -> Cost:
    return Cost(wall=one.wall + other.wall, cpu=one.cpu + other.cpu, peak=max(one.peak, other.peak), grown=one.grown)
