"""Recording metrics: what a call costs, whether every point arrives, what a point takes, and how fast runs are found.

One scalar a call. The peer logs to its SQLite store, fewer points and runs, and figures are per call, per point or per search.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from benchmarks.table import Row, peer_environment
from lineal.capture.journal import JournalWriter
from lineal.capture.recorder import JournalRecorder
from lineal.ledger.runs import search_runs
from lineal.ledger.schema import metric_blocks, metrics, params, runs
from lineal.ledger.series import read_series
from lineal.workspace.ingest import ingest
from lineal.workspace.site import Layout, Site, system_clock

PROCESSES, THREADS, POINTS = 8, 4, 100_000
RUNS = 10_000
PROJECT = "0" * 32

WORKER = """
import os, random, sys, threading, time
from pathlib import Path
from lineal.capture.journal import JournalWriter
from lineal.capture.recorder import JournalRecorder
folder, role, threads, points = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
writer = JournalWriter(folder, run="b" * 32, project="0" * 32, clock=lambda: time.time_ns() // 1000, entropy=os.urandom, role=role)
recorder = JournalRecorder(writer, folder=folder, overrides={}, models=folder, save_model=None, locate=None, finish=lambda code: None)
def work(thread):
    name, noise = f"loss/{thread}", random.Random()
    for step in range(points):
        recorder.log({name: 1 / (step + 1) + 0.01 * noise.random()}, step)
all_threads = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
[thread.start() for thread in all_threads]
[thread.join() for thread in all_threads]
writer.close()
"""

PEER = """
import json, sys, time
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric
mlflow.set_tracking_uri("sqlite:///" + sys.argv[1] + "/mlflow.db")
client, found = MlflowClient(), {}
experiment = client.create_experiment("bench")
run = client.create_run(experiment).info.run_id
for step in range(20):
    client.log_metric(run, "warm", 1.0, step=step)
started = time.perf_counter()
for step in range(300):
    client.log_metric(run, "loss", 1.0 / (step + 1), step=step)
found["call_us"] = (time.perf_counter() - started) / 300 * 1e6
now = int(time.time() * 1000)
started = time.perf_counter()
for batch in range(10):
    client.log_batch(run, [Metric("batched", float(step), now, batch * 1000 + step) for step in range(1000)])
found["points_per_second"] = 10_000 / (time.perf_counter() - started)
for number in range(int(sys.argv[2])):
    other = client.create_run(experiment)
    client.log_batch(other.info.run_id, [Metric("auc", number / 7 % 1, now, 0)])
client.search_runs([experiment], order_by=["metrics.auc DESC"], max_results=100)
started = time.perf_counter()
for _ in range(5):
    client.search_runs([experiment], order_by=["metrics.auc DESC"], max_results=100)
found["search_ms"] = (time.perf_counter() - started) / 5 * 1000
print(json.dumps(found))
"""
PEER_RUNS = 1000


def site_in(folder: Path) -> Site:
    layout = Layout(root=folder)
    layout.state.mkdir(parents=True)
    return Site(layout=layout, project_id=PROJECT, project="bench", ledger_url=f"sqlite:///{layout.ledger}", actor="bench", settings={})


def call_cost(folder: Path) -> tuple[float, float]:
    """Microseconds of wall and of the calling thread's CPU per ``log``, medians of rounds with the background flushing."""
    writer = JournalWriter(folder / "calls", run="a" * 32, project=PROJECT, clock=system_clock, entropy=os.urandom)
    nothing: Any = None
    recorder = JournalRecorder(writer, folder=folder, overrides={}, models=folder, save_model=nothing, locate=nothing, finish=print)
    wall, cpu = [], []
    for _ in range(15):
        started, before = time.perf_counter(), time.thread_time()
        for step in range(20_000):
            recorder.log({"loss": 0.31}, step)
        wall.append((time.perf_counter() - started) / 20_000 * 1e6)
        cpu.append((time.thread_time() - before) / 20_000 * 1e6)
        writer.flush()
    writer.close()
    return statistics.median(wall), statistics.median(cpu)


def everything(folder: Path) -> dict[str, float]:
    """All processes and threads at once, then one ingestion."""
    site = site_in(folder / "many")
    journals = site.layout.journals / ("b" * 32)
    roles = ["owner"] + ["worker"] * (PROCESSES - 1)
    started = time.perf_counter()
    children = [subprocess.Popen([sys.executable, "-c", WORKER, str(journals), role, str(THREADS), str(POINTS)]) for role in roles]
    if any(child.wait() for child in children):
        raise RuntimeError("a process that logs failed")
    logged = time.perf_counter()
    cpu = time.process_time()
    ingest(site)
    done = time.perf_counter()
    cpu = time.process_time() - cpu
    with site.ledger.read() as connection:
        points, size = connection.execute(select(func.sum(metric_blocks.c.points), func.sum(func.length(metric_blocks.c.body)))).one()
        before = time.perf_counter()
        for _ in range(3):
            read_series(connection, "b" * 32, "loss/0", points=1000)
        chart = (time.perf_counter() - before) / 3
    site.close()
    ledger = site.layout.ledger.stat().st_size
    return {"points": points, "log": logged - started, "ingest": done - logged, "cpu": cpu, "size": size, "ledger": ledger, "chart": chart}


def search_cost(folder: Path) -> tuple[float, float]:
    """Milliseconds of wall and of CPU for one page of 100 of 10,000 runs by a metric, medians."""
    site = site_in(folder / "search")
    with site.ledger.write() as connection:
        ids = [f"{number:032x}" for number in range(RUNS)]
        rows = [
            {"id": key, "project_id": PROJECT, "number": place + 1, "name": "r", "status": "finished", "started_at": place}
            for place, key in enumerate(ids)
        ]
        connection.execute(insert(runs), rows)
        for name in ("auc", "loss", "f1"):
            values = [{"project_id": PROJECT, "run_id": key, "key": name, "last": place / 7 % 1, "points": 1} for place, key in enumerate(ids)]
            connection.execute(insert(metrics), values)
        texts = [
            {"project_id": PROJECT, "run_id": key, "key": "depth", "type": "int", "text": "4", "number": 4.0, "origin": "recorded"} for key in ids
        ]
        connection.execute(insert(params), texts)
    took, cpu = [], []
    for _ in range(15):
        started, before = time.perf_counter(), time.process_time()
        with site.ledger.read() as connection:
            page = search_runs(connection, PROJECT, order="-metrics.auc", limit=100)
        took.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - before) * 1000)
    if (len(page.runs), page.total) != (100, RUNS):
        raise RuntimeError("the search did not find what is there")
    site.close()
    return statistics.median(took), statistics.median(cpu)


def peer_figures(folder: Path) -> dict[str, float]:
    python = peer_environment("mlflow", "mlflow-skinny==3.17.2", "sqlalchemy", "alembic")
    work = folder / "mlflow"
    work.mkdir()
    done = subprocess.run([str(python), "-c", PEER, str(work), str(PEER_RUNS)], check=True, capture_output=True, text=True, cwd=work)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wall, cpu = call_cost(folder)
        many = everything(folder)
        search, search_cpu = search_cost(folder)
        peer = peer_figures(folder)
    expected = PROCESSES * THREADS * POINTS
    call = peer["call_us"]
    return [
        Row(work="run.log, one scalar", unit="µs/call", ours=wall, peers={"mlflow log_metric, SQLite": call}, goal="≤ 2", met=wall <= 2),
        Row(work="of which CPU of the calling thread", unit="µs/call", ours=cpu, goal="≤ 2", met=cpu <= 2),
        Row(
            work=f"points that arrive of {PROCESSES} processes × {THREADS} threads × {POINTS:,}",
            unit="points",
            ours=many["points"],
            goal=f"exactly {expected:,}",
            met=many["points"] == expected,
            note=f"logged in {many['log']:.1f} s",
        ),
        Row(
            work="ingest into the ledger",
            unit="µs/point",
            ours=many["ingest"] / many["points"] * 1e6,
            peers={"mlflow log_batch(1000)": 1e6 / peer["points_per_second"]},
            goal="≤ 1",
            met=many["points"] / many["ingest"] >= 1e6,
            note=f"{many['points'] / many['ingest']:,.0f} points/s, {many['points'] / many['cpu']:,.0f} per CPU second",
        ),
        Row(
            work="disk per point",
            unit="bytes",
            ours=many["ledger"] / many["points"],
            goal="≤ 12",
            met=many["ledger"] / many["points"] <= 12,
            note=f"blocks alone {many['size'] / many['points']:.1f}",
        ),
        Row(work="chart of a series, decimated to 1,000", unit="ms", ours=many["chart"] * 1000, note=f"{PROCESSES * POINTS:,} points stored"),
        Row(
            work=f"search {RUNS:,} runs ordered by a metric, page of 100",
            unit="ms",
            ours=search,
            peers={f"mlflow search_runs, {PEER_RUNS:,} runs": peer["search_ms"]},
            goal="≤ 20",
            met=search <= 20,
            note=f"{search_cpu:.1f} ms CPU; the peer searches {RUNS // PEER_RUNS} times fewer runs",
        ),
    ]
