"""What machines record on its way to the server: from `run.log` to the server's ledger, and many jobs that end at once.

Client and server share the machine. The first rows are a program of its own that records to a server's project, from its first call of `log` until the
server tells all of its points, the program's end and the server's reading in among them. The jobs are 200 folders whose runs have just ended; each sends
in a thread of its own, all at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.table import Row
from lineal.capture.journal import JournalWriter
from lineal.records import journal
from lineal.store.backends.address import parse_address
from lineal.store.backends.door import Door
from lineal.store.repository import Repository
from lineal.workspace.remote.client import Client
from lineal.workspace.remote.sending import Sender
from lineal.workspace.site import Layout, Site, system_clock

CALLS = 1_000_000
JOBS = 200
JOB_POINTS = 1000
GOAL = 300_000
LARGEST_POINT = 12.0

PROGRAM = """
import random, sys, time
import lineal
calls, width, noise = int(sys.argv[1]), int(sys.argv[2]), random.Random(7)
names = [f"metric/{number}" for number in range(width)]
with lineal.run("bench") as run:
    print(run.id, time.time(), flush=True)
    for step in range(calls):
        run.log({name: 1 / (step + 1) + 0.01 * noise.random() for name in names}, step=step)
    print(time.time(), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Team:
    """A server and one project of it."""

    url: str
    project: str
    folder: Path

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=120, verify=False)

    def bytes_on_disk(self) -> int:
        with contextlib.closing(sqlite3.connect(self.folder / "ledger.db")) as ledger:
            ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))


def measure() -> list[Row]:
    rows = []
    for width in (1, 4):
        with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as team:
            rows += _end_to_end(team, Path(folder) / "laptop", width)
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as team:
        rows.append(_at_once(team, Path(folder)))
    return rows


def _end_to_end(team: Team, folder: Path, width: int) -> list[Row]:
    folder.mkdir()
    before, calls = team.bytes_on_disk(), CALLS // width
    environment = {**os.environ, "LINEAL_WORKSPACE": team.url}
    words = [sys.executable, "-c", PROGRAM, str(calls), str(width)]
    said = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout.split()
    run, started, logged = said[0], float(said[1]), float(said[2])
    with team.client() as client:
        while (arrived := _points(client, run)) < calls * width and time.time() < started + 300:
            time.sleep(0.02)
        took = time.time() - started
        if arrived != calls * width:
            raise AssertionError(f"{arrived} of {calls * width} points arrived")
        _settled(client)
    size = (team.bytes_on_disk() - before) / (calls * width)
    figures = "figure" if width == 1 else "figures"
    note = f"{calls * width:,} points; {calls * width / (logged - started):,.0f} points/s into the journal"
    return [
        Row(
            work=f"from run.log to the server, {width} {figures} a call",
            unit="points/s",
            ours=calls * width / took,
            goal=f"≥ {GOAL:,}",
            met=calls * width / took >= GOAL,
            note=note,
        ),
        Row(
            work=f"disk per point at the server, {width} {figures} a call",
            unit="bytes",
            ours=size,
            goal=f"≤ {LARGEST_POINT:g}",
            met=size <= LARGEST_POINT,
            note="everything under --data",
        ),
    ]


def _points(client: httpx.Client, run: str) -> int:
    client.post("/api/v1/ingest", json={}).raise_for_status()
    found = client.get(f"/api/v1/runs/{run}")
    return sum(metric["points"] for metric in found.json()["metric_details"].values()) if found.is_success else 0


def _settled(client: httpx.Client) -> None:
    """Waits until the server has read in and cleared away what came."""
    for _time in range(3):
        client.post("/api/v1/ingest", json={}).raise_for_status()
        time.sleep(1.5)


def _at_once(team: Team, folder: Path) -> Row:
    """Many jobs of an array that end in the same second."""
    jobs = [_job(team, folder / f"job{number}") for number in range(JOBS)]
    start, troubles = threading.Barrier(JOBS + 1), []

    def send(site: Site) -> None:
        with team.client() as http:
            sender = Sender(site, Client(http), lambda: Repository.at(parse_address(team.url, base=folder), project_id=team.project))
            start.wait()
            while (sent := sender.send()).left:
                troubles.append(sent.reason or sent.left[0].problem)
                time.sleep(0.5)

    Door.connect = lambda _place: team.client()
    with ThreadPoolExecutor(JOBS) as threads:
        going = [threads.submit(send, site) for site, _run in jobs]
        start.wait()
        started = time.perf_counter()
        for one in going:
            one.result()
        sent = time.perf_counter() - started
    with team.client() as client:
        client.post("/api/v1/ingest", json={}).raise_for_status()
        found = [client.get(f"/api/v1/runs/{run}").json() for _site, run in jobs]
    took = time.perf_counter() - started
    whole = sum(run.get("status") == "finished" and run["metric_details"]["loss"]["points"] == JOB_POINTS for run in found)
    return Row(
        work=f"{JOBS} array jobs that end at once",
        unit="s",
        ours=took,
        goal="no error, none lost",
        met=whole == JOBS and not troubles,
        note=f"{whole} whole, {len(troubles)} had to try again; all were sent after {sent:.1f} s",
    )


def _job(team: Team, folder: Path) -> tuple[Site, str]:
    """A folder with a run that has just ended: its figures, and a file that it wrote."""
    layout, run = Layout(root=folder), os.urandom(16).hex()
    layout.state.mkdir(parents=True)
    site = Site(layout=layout, project_id=team.project, project="p", ledger_url=f"sqlite:///{layout.ledger}", actor="ada", settings={})
    begin = {"name": "job", "command": [], "folder": "", "author": "ada", "attempt": 1, "parent": "", "experiment": "", "started": system_clock()}
    words: dict[str, Any] = {"run": run, "project": team.project, "clock": system_clock, "entropy": os.urandom}
    writer = JournalWriter(layout.journals / run, role="owner", begin=begin, **words)
    for step in range(JOB_POINTS):
        writer.point({"loss": 1 / (step + 1)}, step)
    content = os.urandom(20_000)
    made = {"kind": "file", "role": "output", "role_origin": "guessed", "declared": True, "restorable": True, "note": ""}
    digest = site.store.put_bytes(content)
    writer.append(journal.FILE, direction="output", root="", path=b"model.bin", digest=digest, size=len(content), **made)
    writer.append(journal.END, status="finished", exit_code=0, ended=system_clock())
    writer.close()
    return site, run


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[Team]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [
        sys.executable,
        "-c",
        "from lineal.main import main; main()",
        "server",
        "--data",
        str(folder / "server"),
        "--port",
        str(port),
        "--no-auth",
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while not _is_ready(url) and time.monotonic() < deadline:
            time.sleep(0.05)
        project = f"{url}/projects/default"
        yield Team(project, httpx.get(f"{project}/api/v1/project").json()["id"], folder / "server")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", verify=False).is_success
    except httpx.HTTPError:
        return False
