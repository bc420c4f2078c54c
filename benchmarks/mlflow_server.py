"""The server beside MLflow's on the same machine: the same raw HTTP bodies to both, one client, one after the other.

MLflow's server runs over SQLite with one worker, as ``mlflow server --workers 1`` starts it. Memory is that of all its processes.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.table import Row, peer_environment
from lineal.ledger import schema
from lineal.ledger.database import Ledger

VERSION = "3.17.2"
API = "/api/2.0/mlflow"
SECONDS = 6.0
"""How long each rate is measured."""
BATCH = 1000
SEARCHED = int(os.environ.get("LINEAL_BENCH_RUNS", "10000"))
HISTORY = int(os.environ.get("LINEAL_BENCH_POINTS", "1000000"))
KEPT = 100_000
"""Points that are sent for what one takes on disk."""
CHART = 1000


@dataclass
class Server:
    """One that answers."""

    url: str
    process: subprocess.Popen[bytes]
    folder: Path
    ready: float

    def memory(self) -> tuple[float, int]:
        """Megabytes and processes."""
        processes = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / 1e6, len(processes)

    def post(self, client: httpx.Client, path: str, **body: Any) -> Any:
        return client.post(f"{self.url}{API}{path}", json=body).raise_for_status().json()


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, our_server(Path(folder) / "ours") as ours, their_server(Path(folder) / "theirs") as theirs:
        pair = (ours, theirs)
        rows = [*_weight(pair), *_rates(pair), *_reading(pair)]
        rows.append(_disk(pair))
    return rows


def _weight(pair: tuple[Server, Server]) -> list[Row]:
    time.sleep(3)
    (mine, one), (other, several) = pair[0].memory(), pair[1].memory()
    return [
        _row("server: start to ready", "s", (pair[0].ready, pair[1].ready), "≤ 1.5", most=1.5),
        _row("server: memory idle", "MB", (mine, other), "≤ 150", most=150),
        _row("server: processes", "", (one, several), "1", most=1),
    ]


def _rates(pair: tuple[Server, Server]) -> list[Row]:
    def life(server: Server, client: httpx.Client) -> int:
        run = server.post(client, "/runs/create", experiment_id="0", start_time=1_700_000_000_000)["run"]["info"]["run_id"]
        server.post(client, "/runs/update", run_id=run, status="FINISHED", end_time=1_700_000_001_000)
        return 1

    def metric(server: Server, client: httpx.Client) -> int:
        server.post(client, "/runs/log-metric", run_id=_RUN[server.url], key="loss", value=0.5, timestamp=_next(), step=_next())
        return 1

    def batch(server: Server, client: httpx.Client) -> int:
        metrics = [{"key": f"m{number % 10}", "value": 0.5, "timestamp": _next(), "step": number // 10} for number in range(BATCH)]
        server.post(client, "/runs/log-batch", run_id=_RUN[server.url], metrics=metrics)
        return BATCH

    rows = []
    for words, unit, work, times in (
        ("start and end of a run over HTTP", "runs/s", life, 3),
        ("one metric over HTTP, synchronous", "points/s", metric, 4),
        ("batches of 1,000 over HTTP", "points/s", batch, 20),
    ):
        rates = [_rate(server, work) for server in pair]
        rows.append(_rate_row(words, unit, rates, times))
    return rows


def _reading(pair: tuple[Server, Server]) -> list[Row]:
    _fill_ours(pair[0])
    _fill_theirs(pair[1])
    search = [_search(server) for server in pair]
    runs = [_fill_history_ours(pair[0]), _fill_history_theirs(pair[1])]
    history = [_history(server, run, page, rounds) for server, run, page, rounds in zip(pair, runs, (HISTORY, 25_000), (3, 1), strict=True)]
    charts = [_chart_ours(pair[0], runs[0]), _chart_theirs(pair[1], runs[1])]
    return [
        _row(f"search of {SEARCHED:,} runs ordered by a metric", "ms", [took * 1e3 for took in search], "≥ 100 ×", times=100),
        _row(f"history of {HISTORY:,} points, to its last byte", "s", history, "≥ 50 ×", times=50),
        _row(f"a chart of about {CHART:,} of {HISTORY:,} points", "ms", [took * 1e3 for took in charts], "≤ 50", most=50),
    ]


def _fill_ours(server: Server) -> None:
    """Runs with a metric each, straight into the ledger."""
    ledger = Ledger.open(f"sqlite:///{server.folder}/ledger.db")
    project = httpx.get(f"{server.url}/api/v1/project").json()["id"]
    names = [f"{number:032x}" for number in range(SEARCHED)]
    rows = [
        {
            "id": name,
            "project_id": project,
            "number": number + 1_000_000,
            "name": "r",
            "status": "finished",
            "started_at": number + 1,
            "experiment": "",
        }
        for number, name in enumerate(names)
    ]
    figures = [
        {"project_id": project, "run_id": name, "key": "auc", "rank": 0, "last": number / SEARCHED, "points": 1, "last_step": 0}
        for number, name in enumerate(names)
    ]
    with ledger.write() as connection:
        connection.execute(schema.runs.insert(), rows)
        connection.execute(schema.metrics.insert(), figures)
    ledger.close()


def _fill_theirs(server: Server) -> None:
    """The same, straight into MLflow's database."""
    with contextlib.closing(sqlite3.connect(server.folder / "mlflow.db")) as connection, connection:
        names = [(f"{number:032x}", number) for number in range(SEARCHED)]
        connection.executemany(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version,"
            " lifecycle_stage, artifact_uri, experiment_id) VALUES (?, 'r', 'UNKNOWN', '', '', 'u', 'FINISHED', ?, ?, '', 'active', 'mlflow-artifacts:/0', 0)",
            [(name, number, number) for name, number in names],
        )
        for table in ("metrics", "latest_metrics"):
            connection.executemany(
                f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES ('auc', ?, 1, 0, 0, ?)",
                [(number / SEARCHED, name) for name, number in names],
            )


def _search(server: Server) -> float:
    wanted = {"experiment_ids": ["0"], "order_by": ["metrics.auc DESC"], "max_results": 100}
    with httpx.Client(timeout=600) as client:
        return min(_took(lambda: server.post(client, "/runs/search", **wanted)) for _time in range(3))


def _fill_history_ours(server: Server) -> str:
    """A run with a long series, sent in batches."""
    with httpx.Client(timeout=600) as client:
        run: str = server.post(client, "/runs/create", experiment_id="0", start_time=1)["run"]["info"]["run_id"]
        for start in range(0, HISTORY, BATCH):
            points = [{"key": "long", "value": value, "timestamp": step, "step": step} for step, value in _points(start, start + BATCH)]
            server.post(client, "/runs/log-batch", run_id=run, metrics=points)
    return run


def _fill_history_theirs(server: Server) -> str:
    """The same, straight into MLflow's database: in batches it takes minutes."""
    with httpx.Client(timeout=600) as client:
        run: str = server.post(client, "/runs/create", experiment_id="0", start_time=1)["run"]["info"]["run_id"]
    with contextlib.closing(sqlite3.connect(server.folder / "mlflow.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES ('long', ?, ?, ?, 0, ?)",
            ((value, step, step, run) for step, value in _points(0, HISTORY)),
        )
        connection.execute(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES ('long', ?, ?, ?, 0, ?)",
            ((HISTORY - 1) ** 0.5, HISTORY - 1, HISTORY - 1, run),
        )
    return run


def _points(start: int, stop: int) -> Iterator[tuple[int, float]]:
    return ((step, step**0.5) for step in range(start, stop))


def _history(server: Server, run: str, page: int, rounds: int) -> float:
    words = {"run_id": run, "metric_key": "long", "max_results": page}
    with httpx.Client(timeout=600) as client:
        return min(_took(lambda: _whole_history(server, client, words)) for _time in range(rounds))


def _whole_history(server: Server, client: httpx.Client, words: dict[str, Any]) -> None:
    """Every page. They are not parsed: that would measure the client, and it is the same for both."""
    token, seen = "", 0
    while True:
        answer = client.get(f"{server.url}{API}/metrics/get-history", params={**words, **({"page_token": token} if token else {})}).raise_for_status()
        seen += answer.content.count(b'"step"')
        found = re.search(rb'"next_page_token": ?"([^"]+)"', answer.content[-300:]) or re.search(
            rb'"next_page_token": ?"([^"]+)"', answer.content[:300]
        )
        if found is None:
            break
        token = found[1].decode()
    if seen != HISTORY:
        raise AssertionError(seen)


def _chart_ours(server: Server, run: str) -> float:
    with httpx.Client(timeout=600) as client:
        words = {"key": "long", "points": CHART}
        return min(_took(lambda: client.get(f"{server.url}/api/v1/runs/{run}/series", params=words).raise_for_status()) for _time in range(5))


def _chart_theirs(server: Server, run: str) -> float:
    with httpx.Client(timeout=600) as client:
        words: dict[str, Any] = {"run_ids": [run], "metric_key": "long", "max_results": CHART}
        url = f"{server.url}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
        return min(_took(lambda: client.get(url, params=words).raise_for_status()) for _time in range(2))


def _disk(pair: tuple[Server, Server]) -> Row:
    sizes = []
    for server in pair:
        with httpx.Client(timeout=600) as client:
            _settle(server)
            before = _size(server)
            run = server.post(client, "/runs/create", experiment_id="0", start_time=1)["run"]["info"]["run_id"]
            for start in range(0, KEPT, BATCH):
                points = [
                    {"key": "disk", "value": (start + place) ** 0.5, "timestamp": 1_700_000_000_000 + start + place, "step": start + place}
                    for place in range(BATCH)
                ]
                server.post(client, "/runs/log-batch", run_id=run, metrics=points)
            server.post(client, "/runs/update", run_id=run, status="FINISHED", end_time=1_700_000_000_000)
            client.get(f"{server.url}{API}/runs/get", params={"run_id": run})
            time.sleep(3)
            _settle(server)
            sizes.append((_size(server) - before) / KEPT)
    return _row("disk per point", "B", sizes, "≤ 12", most=12)


def _settle(server: Server) -> None:
    """What SQLite's log has goes into the database itself."""
    for path in server.folder.glob("*.db"):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _size(server: Server) -> int:
    return sum(path.stat().st_size for path in server.folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))


_RUN: dict[str, str] = {}
_counter = [1_700_000_000_000]


def _next() -> int:
    _counter[0] += 1
    return _counter[0]


def _rate(server: Server, work: Callable[[Server, httpx.Client], int]) -> float:
    with httpx.Client(timeout=120) as client:
        _RUN[server.url] = server.post(client, "/runs/create", experiment_id="0", start_time=1_700_000_000_000)["run"]["info"]["run_id"]
        work(server, client)
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < SECONDS:
            done += work(server, client)
        return done / (time.perf_counter() - started)


def _took(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _row(words: str, unit: str, figures: Sequence[float], goal: str, *, most: float = 0, times: float = 0) -> Row:
    """A cost: at most so much, or so many times less than the peer's."""
    mine, other = figures
    met = mine <= most if most else mine * times <= other
    return Row(work=words, unit=unit, ours=mine, peers={"MLflow": other}, goal=goal, met=met)


def _rate_row(words: str, unit: str, rates: Sequence[float], times: int) -> Row:
    mine, other = rates
    note = f"{mine / other:.1f} × MLflow's"
    return Row(work=words, unit=unit, ours=mine, peers={"MLflow": other}, goal=f"≥ {times} ×", met=mine >= times * other, note=note)


@contextlib.contextmanager
def our_server(folder: Path) -> Iterator[Server]:
    """Ours, on which nothing was recorded."""
    command = [sys.executable, "-c", "from lineal.main import main; main()", "server", "--data", str(folder), "--no-auth", "--port"]
    with _running(command, folder, "/ready") as server:
        yield server


@contextlib.contextmanager
def their_server(folder: Path) -> Iterator[Server]:
    """MLflow's, on which nothing was recorded."""
    python = peer_environment("mlflow", f"mlflow=={VERSION}", "lightgbm")
    folder.mkdir()
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", *store, "--port"]
    with _running(command, folder, "/health") as server:
        yield server


@contextlib.contextmanager
def _running(command: list[str], folder: Path, path: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {key: value for key, value in os.environ.items() if key not in {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH"} or command[0] == sys.executable}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=kept, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        while time.perf_counter() - started < 120:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url + path, timeout=1).is_success:
                    break
            time.sleep(0.02)
        yield Server(url, process, folder, time.perf_counter() - started)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
