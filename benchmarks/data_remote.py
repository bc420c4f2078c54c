"""Remotes: 50,000 files pushed to S3, then ten that changed, and cloned.

The S3 server is SeaweedFS on loopback, so rates are those of the tools and of the server beside them on the same cores; it counts the requests itself,
those of starting and of looking included. DVC 3.67.1 pushes from its cache; restic 0.14 has its repository in the bucket, so what it pushes is a backup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.object_store import BUCKET, LISTINGS, ObjectStore, described, object_store
from benchmarks.table import Goal, Row
from benchmarks.tools import (
    DVC_S3_REQUIREMENTS,
    LINEAL,
    OURS,
    CommandFailed,
    Cost,
    Tool,
    Works,
    compared,
    dvc_in,
    in_turn,
    lineal_in,
    restic_in,
    started,
    workplace,
)
from benchmarks.workloads import FILE_SIZE, MB, scaled, write_small_files

FILES = scaled(50_000, least=100)
CHANGED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What a push or clone took, and which requests the server saw meanwhile."""

    cost: Cost
    requests: Counter[str]


def measure() -> list[Row]:
    with workplace() as folder, object_store(folder / "seaweed") as server:
        tools = _tools(folder, server)
        for tool in tools:
            write_small_files(tool.data, range(FILES))
        in_turn(tools, "commit")
        pushed = _transfers(server, tools, "push")
        for tool in tools:
            write_small_files(tool.data, range(0, FILES, FILES // CHANGED), seed=2)
        in_turn(tools, "commit")
        changed = _transfers(server, tools, "push")
        idle = _transfers(server, tools, "push")
        cloned = _transfers(server, tools, "clone")
        return _rows(pushed, changed, idle, cloned)


def _rows(pushed: Mapping[str, Transfer], changed: Mapping[str, Transfer], idle: Mapping[str, Transfer], cloned: Mapping[str, Transfer]) -> list[Row]:
    work = f"{FILES:,} files of {FILE_SIZE // 1024} KB"
    megabytes = FILES * FILE_SIZE / MB
    full, back = _costs(pushed), _costs(cloned)
    note = f"{megabytes / full[OURS].wall:,.0f} MB of files a second; {_of(pushed)}" if OURS in full else ""
    return [
        compared(f"push {work}", "s", full, lambda cost: cost.wall, note=note),
        compared(f"push {work}", "CPU s", full, lambda cost: cost.cpu, note="of the tool, not of the server"),
        _requests(f"push {work}", pushed),
        compared(f"push {CHANGED} that changed", "s", _costs(changed), lambda cost: cost.wall),
        _requests(f"push {CHANGED} that changed", changed, goal=Goal(words="≤ 12", limit=12)),
        _requests("push where nothing changed", idle),
        compared(f"clone {work}", "s", back, lambda cost: cost.wall, note="with the working copy; " + _of(cloned)),
        compared(f"clone {work}", "CPU s", back, lambda cost: cost.cpu),
        _requests(f"clone {work}", cloned),
    ]


def _costs(transfers: Mapping[str, Transfer]) -> dict[str, Cost]:
    return {name: transfer.cost for name, transfer in transfers.items()}


def _of(transfers: Mapping[str, Transfer]) -> str:
    return described(transfers[OURS].requests) if OURS in transfers else ""


def _requests(work: str, transfers: Mapping[str, Transfer], *, goal: Goal | None = None) -> Row:
    figures = {name: float(transfer.requests.total()) for name, transfer in transfers.items()}
    ours = figures.pop(OURS, None)
    listed = sum(transfers[OURS].requests[kind] for kind in LISTINGS) if OURS in transfers else 0
    note = f"{_of(transfers)}; {listed} listings" if ours is not None else "did not run"
    words, met = ("", None) if goal is None else (goal.words, goal.met(ours, figures))
    return Row(work=work, unit="requests", ours=ours, peers=figures, goal=words, met=met, note=note)


def _transfers(server: ObjectStore, tools: Sequence[Tool], work: str) -> dict[str, Transfer]:
    found = {}
    for tool in tools:
        before = server.requests()
        costs = in_turn([tool], work)
        if tool.name in costs:
            found[tool.name] = Transfer(cost=costs[tool.name], requests=server.requests() - before)
    return found


def _tools(folder: Path, server: ObjectStore) -> list[Tool]:
    """Those that are there; one that cannot have a remote is left out, and it is said why."""
    found = []
    for make in (_lineal, _dvc, _restic):
        tool = make(folder, server)
        if tool is None:
            continue
        try:
            found.append(started(tool))
        except CommandFailed as error:
            print(f"   {tool.name} has no remote: {error}", flush=True)
    return found


def _lineal(folder: Path, server: ObjectStore) -> Tool:
    tool = lineal_in(folder, server.environment)
    url = server.url("lineal")
    elsewhere = folder / "lineal-clone"
    works: Works = {
        **tool.works,
        "init": [*tool.works["init"], (*LINEAL, "remote", "add", "origin", url)],
        "commit": tool.works["add"],
        "clone": [
            (*LINEAL, "clone", url, str(elsewhere)),
            ("sh", "-c", f"cd '{elsewhere}' && exec {' '.join(LINEAL)} data checkout data"),
        ],
    }
    return replace(tool, works=works)


def _dvc(folder: Path, server: ObjectStore) -> Tool | None:
    tool = dvc_in(folder, name="dvc-s3", requirements=DVC_S3_REQUIREMENTS)
    if tool is None:
        return None
    dvc = tool.works["push"][0][:-1]
    elsewhere = folder / "dvc-clone"
    works: Works = {
        **tool.works,
        "init": [
            *tool.works["init"],
            (*dvc, "remote", "add", "--default", "origin", f"s3://{BUCKET}/dvc"),
            (*dvc, "remote", "modify", "origin", "endpointurl", server.endpoint),
        ],
        "commit": tool.works["add"],
        "clone": [
            ("mkdir", "-p", str(elsewhere / ".dvc")),
            ("cp", ".dvc/config", str(elsewhere / ".dvc")),
            ("cp", "data.dvc", str(elsewhere)),
            (*dvc, "--cd", str(elsewhere), "pull"),
        ],
    }
    return replace(tool, works=works, environment={**tool.environment, **server.environment})


def _restic(folder: Path, server: ObjectStore) -> Tool | None:
    """Its repository is in the bucket, so every backup is a push."""
    tool = restic_in(folder, repository=f"s3:{server.endpoint}/{BUCKET}/restic", environment=server.environment)
    if tool is None:
        return None
    return replace(tool, works={"init": tool.works["init"], "push": tool.works["add"], "clone": tool.works["checkout"]})
