"""Command lines that version data, ours and the peers', each in a folder of its own, and what their commands cost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.table import Goal, Row, peer_environment

OURS = "Lineal"
DVC = "DVC"
DVC_REQUIREMENTS = ("dvc==3.67.1",)
DVC_S3_REQUIREMENTS = ("dvc[s3]==3.67.1",)
OXEN_REQUIREMENTS = ("oxenai==0.65.1",)
LINEAL = (sys.executable, "-m", "lineal.main")
Command = Sequence[str]
Works = Mapping[str, Sequence[Command]]

RUNNER = """
import json, os, subprocess, sys, time
result, command = int(sys.argv[1]), sys.argv[2:]
started = time.perf_counter()
process = subprocess.Popen(command)
_pid, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - started
os.write(result, json.dumps([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status)]).encode())
"""
"""Runs a command from a small process: Linux counts the memory of the one that started it as the new one's, until that has more."""

OXEN_PROGRAM = """
import sys
import oxen
work = sys.argv[1]
repository = oxen.Repo(".")
if work == "init":
    from oxen.user import config_user
    config_user("bench", "bench@example.com")
    repository.init()
elif work == "add":
    repository.add("data")
    repository.commit("a version")
elif work == "status":
    str(repository.status())
elif work == "checkout":
    repository.restore("data")
elif work == "keep":
    repository.checkout(f"version-{len(repository.log())}", create=True)
    repository.checkout("main")
elif work == "back":
    repository.checkout(f"version-{len(repository.log()) - 1}")
elif work == "forth":
    repository.checkout("main")
"""


class CommandFailed(Exception):
    """A command ended otherwise than well, or there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a piece of work took: seconds, bytes of memory at most in one process, and by how many bytes it grew the store on disk."""

    wall: float
    cpu: float
    peak: int
    grown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A command line and where it keeps bytes, in a folder of its own.

    Attributes:
        works: the commands that do each piece of work, by its name.
        store: where it keeps bytes, below its folder.
    """

    name: str
    folder: Path
    store: str
    works: Works
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The folder that is versioned."""
        return self.folder / "data"

    def run(self, work: str) -> Cost:
        """Does a piece of work to its end. What earlier ones left for the disk to write is written first.

        Raises:
            CommandFailed: also if there is no such command.
        """
        if work not in self.works:
            raise CommandFailed(f"{self.name} has no way to {work}")
        before = self.stored()
        os.sync()
        costs = [run_command(command, self.folder, self.environment) for command in self.works[work]]
        grown = self.stored() - before
        return Cost(wall=sum(cost.wall for cost in costs), cpu=sum(cost.cpu for cost in costs), peak=max(cost.peak for cost in costs), grown=grown)

    def stored(self) -> int:
        """Bytes on disk of what it keeps, in whole blocks of the file system."""
        found = [path.lstat() for path in (self.folder / self.store).rglob("*")]
        return sum(status.st_blocks * 512 for status in found)


def run_command(command: Command, folder: Path, environment: Mapping[str, str]) -> Cost:
    """Runs a command; CPU counts its threads, and its children that it waited for."""
    names = {**os.environ, **environment}
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as found:
        os.set_inheritable(found.fileno(), True)
        runner = (sys.executable, "-I", "-S", "-c", RUNNER, str(found.fileno()), *command)
        subprocess.run(runner, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=names, check=True, close_fds=False)
        found.seek(0)
        wall, cpu, peak, exit_code = json.loads(found.read())
        if exit_code:
            said.seek(0)
            words = said.read()[-600:].decode(errors="replace").strip()
            raise CommandFailed(f"{' '.join(command[-3:])[-100:]}: exit {exit_code}: {words}")
    return Cost(wall=wall, cpu=cpu, peak=peak * 1024, grown=0)


def in_turn(tools: Sequence[Tool], work: str, *, rounds: int = 1, before: Callable[[Tool, int], object] | None = None) -> dict[str, Cost]:
    """What a piece of work costs each tool, by its name: the least of some rounds in which they take turns.

    Args:
        before: prepares a tool for a round, unmeasured.

    A tool that fails is left out, and it is said why.
    """
    costs: dict[str, list[Cost]] = {}
    failed: set[str] = set()
    for number in range(rounds):
        for tool in tools:
            if tool.name in failed:
                continue
            try:
                if before is not None:
                    before(tool, number)
                costs.setdefault(tool.name, []).append(tool.run(work))
            except CommandFailed as error:
                failed.add(tool.name)
                if work in tool.works:
                    print(f"   {tool.name}, {work}: {error}", flush=True)
    return {name: least(found) for name, found in costs.items() if name not in failed and found}


def least(costs: Sequence[Cost]) -> Cost:
    """The cheapest of each: what is left where nothing disturbs. Of growth it is the middle one."""
    grown = sorted(cost.grown for cost in costs)[len(costs) // 2]
    best = min(costs, key=lambda cost: cost.wall)
    return replace(best, cpu=min(cost.cpu for cost in costs), peak=min(cost.peak for cost in costs), grown=grown)


def compared(work: str, unit: str, costs: Mapping[str, Cost], figure: Callable[[Cost], float], *, goal: Goal | None = None, note: str = "") -> Row:
    """A line of the table from what a piece of work cost each tool."""
    figures = {name: figure(cost) for name, cost in costs.items()}
    ours = figures.pop(OURS, None)
    words, met = ("", None) if goal is None else (goal.words, goal.met(ours, figures))
    if ours is None:
        note = "; ".join(filter(None, ("did not run", note)))
    return Row(work=work, unit=unit, ours=ours, peers=figures, goal=words, met=met, note=note)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder that is gone afterwards; ``TMPDIR`` says on which disk."""
    name = tempfile.mkdtemp(prefix="lineal-bench-")
    try:
        yield Path(name)
    finally:
        subprocess.run(("rm", "--recursive", "--force", name), check=False)  # a million files take Python several times as long


def tools_in(folder: Path) -> list[Tool]:
    """Ours, and the peers that are there, each initialised in a folder of its own."""
    found = []
    for make in (lineal_in, dvc_in, restic_in, oxen_in, git_lfs_in):
        tool = make(folder)
        if tool is None:
            print(f"   {make.__name__.removesuffix('_in')} is not installed here and does not install", flush=True)
            continue
        found.append(started(tool))
    return found


def started(tool: Tool) -> Tool:
    """The tool in its folder, ready to add."""
    tool.folder.mkdir(parents=True)
    tool.run("init")
    return tool


def lineal_in(folder: Path, environment: Mapping[str, str] | None = None) -> Tool:
    data = (*LINEAL, "data")
    works: Works = {
        "init": [(*LINEAL, "init")],
        "add": [(*data, "add", "data")],
        "add with MD5": [(*data, "add", "data", "--md5")],
        "status": [(*data, "status")],
        "checkout": [(*data, "checkout", "data")],
        "back": [(*data, "checkout", "data@3")],
        "forth": [(*data, "checkout", "data@4")],
        "push": [(*LINEAL, "push", "data")],
    }
    return Tool(name=OURS, folder=folder / "lineal", store=".lineal/store", works=works, environment=environment or {})


def dvc_in(folder: Path, *, name: str = "dvc", requirements: Sequence[str] = DVC_REQUIREMENTS) -> Tool | None:
    python = peer_python(name, requirements)
    if python is None:
        return None
    dvc = (python, "-m", "dvc")
    works: Works = {
        "init": [(*dvc, "init", "--no-scm"), (*dvc, "config", "core.check_update", "false")],
        "add": [(*dvc, "add", "data")],
        "status": [(*dvc, "status")],
        "checkout": [(*dvc, "checkout")],
        "keep": [("cp", "data.dvc", "before.kept")],
        "back": [("cp", "data.dvc", "after.kept"), ("cp", "before.kept", "data.dvc"), (*dvc, "checkout", "--force")],
        "forth": [("cp", "after.kept", "data.dvc"), (*dvc, "checkout", "--force")],
        "push": [(*dvc, "push")],
    }
    return Tool(name=DVC, folder=folder / "dvc", store=".dvc/cache", works=works, environment={"DVC_NO_ANALYTICS": "1"})


def restic_in(folder: Path, *, repository: str = "repository", environment: Mapping[str, str] | None = None) -> Tool | None:
    restic = shutil.which("restic")
    if restic is None:
        return None
    place = folder / "restic"
    program = (restic, "--repo", repository, "--cache-dir", str(place / "cache"))
    works: Works = {
        "init": [(*program, "init")],
        "add": [(*program, "backup", "data")],
        "status": [(*program, "backup", "--dry-run", "data")],
        "checkout": [(*program, "restore", "latest", "--target", "restored")],
    }
    return Tool(name="restic", folder=place, store="repository", works=works, environment={"RESTIC_PASSWORD": "bench", **(environment or {})})


def oxen_in(folder: Path) -> Tool | None:
    python = peer_python("oxen", OXEN_REQUIREMENTS)
    if python is None:
        return None
    works: Works = {work: [(python, "-c", OXEN_PROGRAM, work)] for work in ("init", "add", "status", "checkout", "keep", "back", "forth")}
    place = folder / "oxen"
    return Tool(
        name="Oxen", folder=place, store=".oxen", works=works, environment={"OXEN_CONFIG_DIR": str(folder / "oxen-config"), "HOME": str(folder)}
    )


def git_lfs_in(folder: Path) -> Tool | None:
    git = shutil.which("git")
    if git is None or shutil.which("git-lfs") is None:
        return None
    works: Works = {
        "init": [(git, "init", "--quiet"), (git, "lfs", "install", "--local"), (git, "lfs", "track", "data/**"), (git, "add", ".gitattributes")],
        "add": [(git, "add", "data"), (git, "commit", "--quiet", "--message", "a version")],
        "status": [(git, "status")],
        "checkout": [(git, "checkout", "--quiet", "HEAD", "--", "data")],
        "back": [(git, "checkout", "--quiet", "HEAD~1")],
        "forth": [(git, "checkout", "--quiet", "-")],
    }
    who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in (("NAME", "bench"), ("EMAIL", "bench@example.com"))}
    return Tool(name="git-lfs", folder=folder / "git-lfs", store=".git", works=works, environment={"HOME": str(folder), **who})


def peer_python(name: str, requirements: Sequence[str]) -> str | None:
    """The Python of a peer's own environment, or None where the peer does not install."""
    try:
        return str(peer_environment(name, *requirements))
    except subprocess.CalledProcessError:
        return None
