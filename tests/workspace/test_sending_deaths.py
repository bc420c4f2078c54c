"""A sender is killed anywhere, a server is killed under load, the way between them fails: every run is there once and whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.faulty_proxy import BROKEN, BUSY, CUT, DEAD, LOST, PASS, FaultyProxy
from tests.lineal_server import RunningServer, admin_token
from tests.workspace.test_sending import Laptop

from lineal.bootstrap.connection import http_client
from lineal.store.backends.address import parse_address
from lineal.store.backends.door import Door
from lineal.store.repository import Repository
from lineal.workspace.remote import sending
from lineal.workspace.remote.client import Client
from lineal.workspace.remote.sending import Sender
from lineal.workspace.site import Site
from lineal.workspace.tracking import LocalRuns
from lineal.workspace.versioning import LocalDatasets

FEWEST_STEPS = 25
ROOT = Path(__file__).parents[2]


class Team:
    """Laptops of one server's project, by tokens; closes what they opened."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._clients: list[httpx.Client] = []

    def connect(self, url: str, token: str = "") -> httpx.Client:
        self._clients.append(http_client(url, token=token))
        return self._clients[-1]

    def laptop(self, url: str, *, token: str = "") -> Laptop:
        """A project folder whose sender goes to ``url``, whose project is asked for now: later the server may be away."""
        with http_client(url, token=token) as asking:
            project = asking.get("/api/v1/project").raise_for_status().json()["id"]
        Door.connect = lambda place: self.connect(place, token)
        team = self

        class Known(Laptop):
            def sender(self) -> Sender:
                return Sender(self.site, Client(team.connect(url, token)), self.far)

            def far(self) -> Repository:
                return Repository.at(parse_address(url, base=self.site.layout.root), project_id=project)

        return Known(self._site, url, LocalRuns(self._site, lambda: LocalDatasets(self._site)))

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def team(site: Site) -> Iterator[Team]:
    before, made = Door.connect, Team(site)
    yield made
    made.close()
    Door.connect = before


def send_until_all_is_there(laptop: Laptop) -> list[str]:
    """As a process that goes on does; gives what kept it from that."""
    reasons = []
    sender, deadline = laptop.sender(), time.monotonic() + 60
    while (sent := sender.send()).left and time.monotonic() < deadline:
        assert not any(run.problem for run in sent.left), sent
        reasons.append(sent.reason)
        time.sleep(0.02)
    assert sent.left == ()
    return reasons


def test_wherever_a_sender_dies_the_run_is_there_once_and_whole(open_server: RunningServer, in_memory: Path) -> None:
    command = [sys.executable, "-m", "tests.dying_sender", f"{open_server.url}/projects/default", str(in_memory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not found["wrong"], "\n".join([*found["wrong"], done.stderr])
    assert found["steps"] >= FEWEST_STEPS


def test_a_server_that_is_killed_while_it_takes_runs_in_has_each_of_them_once(
    team: Team, new_server: Callable[..., RunningServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PIECE", 4000)  # so that the kills come in the middle of journals
    server = new_server("--no-auth")
    port = int(server.url.rpartition(":")[2])
    laptop = team.laptop(f"{server.url}/projects/default")
    runs = [laptop.record(400) for _number in range(6)]
    uploads, due = count(), threading.Semaphore(0)
    upload = Client.upload

    def upload_and_count(self: Client, path: str, content: bytes, /, **words: Any) -> Any:
        if next(uploads) in {8, 20}:
            due.release()  # it is killed while this request and others are under way
        return upload(self, path, content, **words)

    monkeypatch.setattr(Client, "upload", upload_and_count)
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(send_until_all_is_there(laptop)))
    thread.start()
    for _kill in range(2):
        assert due.acquire(timeout=30)
        server.kill()
        server = new_server("--no-auth", folder=server.folder, port=port)
    thread.join(60)
    assert any("cannot be reached" in reason or "in time" in reason for reason in found[0])
    for run in runs:
        assert laptop.there(run)["metric_details"]["loss"]["points"] == 400
        series = httpx.get(f"{laptop.url}/api/v1/runs/{run}/series", params={"key": "loss"}).json()["series"]
        assert [one["steps"] for one in series] == [list(range(400))]


def test_whatever_fails_on_the_way_each_byte_is_there_once(team: Team, open_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PIECE", 4000)
    name = f"p{os.urandom(4).hex()}"
    httpx.post(f"{open_server.url}/api/v1/server/projects", json={"name": name}).raise_for_status()
    proxy = FaultyProxy(open_server.url)
    try:
        laptop = team.laptop(f"{proxy.endpoint}/projects/{name}")
        runs = [laptop.record(200) for _number in range(3)]
        dice = random.Random(5)
        proxy.choose = lambda _method, _path: dice.choice([BUSY, BROKEN, LOST, CUT, DEAD, *[PASS] * 15])
        assert send_until_all_is_there(laptop)
        proxy.choose = lambda _method, _path: PASS
        for run in runs:
            assert laptop.there(run)["metric_details"]["loss"]["points"] == 200
            series = httpx.get(f"{laptop.url}/api/v1/runs/{run}/series", params={"key": "loss"}).json()["series"]
            assert [one["steps"] for one in series] == [list(range(200))]
    finally:
        proxy.close()


def test_a_token_that_expires_in_the_middle_is_told_and_what_waits_goes_with_the_next(team: Team, new_server: Callable[..., RunningServer]) -> None:
    server = new_server()
    admin = admin_token(server)
    url = f"{server.url}/projects/default"
    with http_client(server.url, token=admin) as client:
        short = client.post("/api/v1/server/tokens", json={"note": "short"}).raise_for_status().json()
        laptop = team.laptop(url, token=short["secret"])
        laptop.record()
        sender = laptop.sender()
        assert sender.send().left == ()
        client.request("DELETE", f"/api/v1/server/tokens/{short['token']['id']}", json={}).raise_for_status()
    run = laptop.record()
    sent = sender.send()
    assert sent.reason == "this server must know who asks"
    assert [(left.run, left.problem) for left in sent.left] == [(run, "")]
    assert team.laptop(url, token=admin).sender().send().left == ()
