"""Thirty-two of MLflow's clients that write at once, for minutes: no error, nothing lost, nothing doubled, and memory that stays.

Four programs with eight of MLflow's clients each; every client has a run of its own and goes on logging batches, single metrics, parameters and tags. In the end the server is
asked for every point. Memory is the server's resident set, looked at every few seconds: how much it grew from the end of the first fifth, when caches are full, to the
last fifth. `LINEAL_BENCH_MINUTES` says how long (10).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.mlflow_server import API, VERSION, Server, our_server
from benchmarks.table import Row, peer_environment

MINUTES = float(os.environ.get("LINEAL_BENCH_MINUTES", "10"))
PROGRAMS, CLIENTS = 4, 8
LARGEST_GROWTH = 10.0
PROGRAM = """
import json, sys, threading, time
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag
until, clients = float(sys.argv[1]), int(sys.argv[2])
said, troubles = [], []
def write(client, run):
    steps = singles = params = 0
    try:
        while time.time() < until:
            at = int(time.time() * 1000)
            client.log_batch(run, [Metric(f"m{key}", steps + step + key / 10, at, steps + step) for key in range(4) for step in range(50)], tags=[RunTag("at", str(steps))])
            steps += 50
            for _single in range(5):
                client.log_metric(run, "single", singles * 0.5, step=singles)
                singles += 1
            if params < 50:
                client.log_param(run, f"p{params}", params)
                params += 1
        client.set_terminated(run)
    except Exception as error:
        troubles.append(f"{type(error).__name__}: {error}"[:300])
    said.append([run, steps, singles, params])
threads = []
for _client in range(clients):
    client = MlflowClient()
    threads.append(threading.Thread(target=write, args=(client, client.create_run("0").info.run_id)))
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps({"said": said, "troubles": troubles}))
"""


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, our_server(Path(folder) / "ours") as server:
        memory, told = _load(server)
        said = [one for each in told for one in each["said"]]
        troubles = [trouble for each in told for trouble in each["troubles"]]
        wrong = _wrong(server, said)
    points = sum(4 * steps + singles for _run, steps, singles, _params in said)
    for trouble in (*troubles, *wrong)[:10]:
        print(f"  {trouble}", flush=True)
    return [
        Row(
            work=f"{PROGRAMS * CLIENTS} clients at once for {MINUTES:g} minutes",
            unit="points/s",
            ours=points / (MINUTES * 60),
            goal="no error, none lost, none doubled",
            met=not troubles and not wrong and len(said) == PROGRAMS * CLIENTS,
            note=f"{points:,} points; {len(troubles)} errors, {len(wrong)} runs with other points than were logged",
        ),
        _growth(memory),
    ]


def _load(server: Server) -> tuple[list[float], list[dict[str, Any]]]:
    """Megabytes over time, and what the programs did."""
    python = peer_environment("mlflow", f"mlflow=={VERSION}", "lightgbm")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHON"))}
    until = time.time() + 60 * MINUTES
    words = [str(python), "-c", PROGRAM, str(until), str(CLIENTS)]
    environment = {**kept, "MLFLOW_TRACKING_URI": server.url, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    programs = [subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) for _program in range(PROGRAMS)]
    memory, pause = [], max(1.0, 60 * MINUTES / 120)
    while any(program.poll() is None for program in programs) and time.time() < until + 120:
        memory.append(server.memory()[0])
        if len(memory) % 10 == 1:
            print(f"  {until - time.time():,.0f} s to go: {memory[-1]:,.0f} MB", flush=True)
        time.sleep(pause)
    return memory, [json.loads(program.communicate(timeout=120)[0].splitlines()[-1]) for program in programs]


def _wrong(server: Server, said: Sequence[Sequence[Any]]) -> list[str]:
    """The runs in which the server has other points or parameters than were logged."""
    found = []
    with httpx.Client(base_url=f"{server.url}{API}", timeout=120) as client:
        for run, steps, singles, params in said:
            data = client.get("/runs/get", params={"run_id": run}).raise_for_status().json()["run"]["data"]
            right = len(data.get("params", ())) == params and _points(client, run, "single") == [step * 0.5 for step in range(singles)]
            for key in range(4):
                right = right and _points(client, run, f"m{key}") == [step + key / 10 for step in range(steps)]
            if not right:
                found.append(f"run {run} has other points than the {steps:,} and {singles:,} that were logged")
    return found


def _points(client: httpx.Client, run: str, key: str) -> list[float]:
    """The values of a metric by step; one that is there twice is there twice."""
    points = client.get("/metrics/get-history", params={"run_id": run, "metric_key": key}).raise_for_status().json().get("metrics", [])
    return [point["value"] for point in sorted(points, key=lambda point: point["step"])]


def _growth(memory: Sequence[float]) -> Row:
    fifth = max(1, len(memory) // 5)
    early, late = statistics.median(memory[fifth : 2 * fifth] or memory), statistics.median(memory[-fifth:])
    growth = 100 * (late - early) / early
    return Row(
        work="memory of the server meanwhile, growth",
        unit="%",
        ours=growth,
        goal=f"≤ {LARGEST_GROWTH:g}",
        met=growth <= LARGEST_GROWTH,
        note=f"{memory[0]:,.0f} MB at first, {early:,.0f} MB after a fifth of the time, {late:,.0f} MB in the end, {max(memory):,.0f} MB at most",
    )
