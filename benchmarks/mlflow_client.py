"""MLflow's own client against either server: what a program that logs with it gets.

One program with MLflow's client logs to our server, to MLflow's, and to ours once more and MLflow's once more; the better of the two counts. The client's own work is in
both, so the ratio is smaller than over [raw HTTP](bench-mlflow_server).
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.mlflow_server import VERSION, Server, our_server, their_server
from benchmarks.table import Row, peer_environment

SECONDS = float(os.environ.get("LINEAL_BENCH_SECONDS", "6"))
BATCH = 1000
PROGRAM = """
import json, sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric
seconds, size = float(sys.argv[1]), int(sys.argv[2])
client = MlflowClient()
run = client.create_run("0").info.run_id
count = [0]
def metric():
    count[0] += 1
    client.log_metric(run, "loss", 0.5, step=count[0])
    return 1
def batch():
    at = int(time.time() * 1000)
    client.log_batch(run, [Metric(f"m{number % 10}", 0.5, at, count[0] + number // 10) for number in range(size)])
    count[0] += size
    return size
def life():
    client.set_terminated(client.create_run("0").info.run_id)
    return 1
rates = {}
for work in (metric, batch, life):
    work()
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        done += work()
    rates[work.__name__] = done / (time.perf_counter() - started)
print(json.dumps(rates))
"""


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, our_server(Path(folder) / "ours") as ours, their_server(Path(folder) / "theirs") as theirs:
        rates: dict[str, list[dict[str, float]]] = {ours.url: [], theirs.url: []}
        for server in (ours, theirs, ours, theirs):
            rates[server.url].append(_rates(server))
    best = [{name: max(one[name] for one in rates[server.url]) for name in ("metric", "batch", "life")} for server in (ours, theirs)]
    return [
        _row("one metric through the client, synchronous", "points/s", "metric", best, 2),
        _row(f"batches of {BATCH:,} through the client", "points/s", "batch", best, 4),
        _row("start and end of a run through the client", "runs/s", "life", best, 0),
    ]


def _rates(server: Server) -> dict[str, float]:
    """What the client reaches, in things a second by name."""
    python = peer_environment("mlflow", f"mlflow=={VERSION}", "lightgbm")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHON"))}
    words = [str(python), "-c", PROGRAM, str(SECONDS), str(BATCH)]
    done = subprocess.run(words, env={**kept, "MLFLOW_TRACKING_URI": server.url}, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _row(work: str, unit: str, name: str, best: list[dict[str, float]], times: int) -> Row:
    mine, other = (rates[name] for rates in best)
    goal, met = (f"≥ {times} ×", mine >= times * other) if times else ("", None)
    return Row(work=work, unit=unit, ours=mine, peers={"MLflow": other}, goal=goal, met=met, note=f"{mine / other:.1f} × MLflow's")
