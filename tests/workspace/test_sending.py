"""What was recorded here comes to a real server, once, whatever happens on the way."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.faulty_proxy import DEAD, PASS, FaultyProxy
from tests.lineal_server import RunningServer

from lineal.bootstrap.connection import http_client
from lineal.errors import Unavailable
from lineal.records.remote import Remote
from lineal.records.sending import Sent
from lineal.store.backends.address import parse_address
from lineal.store.backends.door import Door
from lineal.store.repository import Repository
from lineal.workspace.exchange import Exchange
from lineal.workspace.interface import RunRequest
from lineal.workspace.remote.client import Client
from lineal.workspace.remote.sending import BUSY, NOTE, BackgroundSending, Sender, next_pause
from lineal.workspace.site import Site
from lineal.workspace.tracking import LocalRuns
from lineal.workspace.versioning import LocalDatasets


@dataclass
class Laptop:
    """A project folder whose runs go to a server's project."""

    site: Site
    url: str
    runs: LocalRuns
    clients: list[httpx.Client] = field(default_factory=list)

    def sender(self) -> Sender:
        self.clients.append(http_client(self.url, token=""))
        return Sender(self.site, Client(self.clients[-1]), self.far)

    def far(self) -> Repository:
        identifier = httpx.get(f"{self.url}/api/v1/project").json()["id"]
        return Repository.at(parse_address(self.url, base=Path.cwd()), project_id=identifier, pages=self.site.pages)

    def record(self, points: int = 100, *, finish: bool = True, **tags: str) -> str:
        recorder = self.runs.start(RunRequest(name="train", command=("python", "train.py"), folder=self.site.layout.root, tags=tags))
        for step in range(points):
            recorder.log({"loss": 1.0 / (step + 1)}, step)
        made = self.site.layout.root / f"out-{recorder.run_id[:6]}.txt"
        made.write_text(f"what the run wrote {recorder.run_id}")
        recorder.output(str(made), "")
        if finish:
            recorder.finish(0)
            self.collected(recorder.run_id)
        else:
            recorder.journal.flush()  # type: ignore[attr-defined]
        return recorder.run_id

    def collected(self, run: str) -> None:
        mark = self.site.layout.journals / run / "uncollected"
        deadline = time.monotonic() + 20
        while mark.exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    def there(self, run: str) -> dict[str, Any]:
        """The run as the server tells it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            answer = httpx.get(f"{self.url}/api/v1/runs/{run}")
            if answer.is_success and answer.json()["status"] != "running":
                return dict(answer.json())
            time.sleep(0.05)
        raise AssertionError(answer.text)


@pytest.fixture(scope="module", autouse=True)
def _door() -> Iterator[None]:
    made: list[httpx.Client] = []

    def connect(place: str) -> httpx.Client:
        made.append(http_client(place, token=""))
        return made[-1]

    before, Door.connect = Door.connect, connect
    yield
    Door.connect = before
    for client in made:
        client.close()


@pytest.fixture
def laptop(site: Site, open_server: RunningServer) -> Iterator[Laptop]:
    name = f"p{os.urandom(4).hex()}"
    httpx.post(f"{open_server.url}/api/v1/server/projects", json={"name": name}).raise_for_status()
    made = Laptop(site, f"{open_server.url}/projects/{name}", LocalRuns(site, lambda: LocalDatasets(site)))
    yield made
    for client in made.clients:
        client.close()


def test_a_run_arrives_with_its_figures_files_and_is_gone_here(laptop: Laptop) -> None:
    run = laptop.record(team="vision")
    sent = laptop.sender().send()
    assert (sent.runs, sent.left, sent.reason) == (1, (), "")
    found = laptop.there(run)
    assert (found["name"], found["tags"], found["metric_details"]["loss"]["points"]) == ("train", {"team": "vision"}, 100)
    artifact = httpx.get(f"{laptop.url}/api/v1/runs/{run}/artifact", params={"path": f"out-{run[:6]}.txt"})
    assert artifact.text == f"what the run wrote {run}"
    assert not (laptop.site.layout.journals / run).exists()
    assert laptop.sender().send().runs == 0


def test_a_run_that_goes_on_is_seen_there(laptop: Laptop) -> None:
    run = laptop.record(finish=False)
    assert laptop.sender().send(only=run).runs == 1
    found = httpx.get(f"{laptop.url}/api/v1/runs/{run}").json()
    assert (found["status"], found["metric_details"]["loss"]["points"]) == ("running", 100)
    assert (laptop.site.layout.journals / run).exists()


def test_a_lost_note_sends_nothing_twice(laptop: Laptop) -> None:
    run = laptop.record(finish=False)
    laptop.sender().send()
    (laptop.site.layout.journals / run / NOTE).unlink()
    assert laptop.sender().send().bytes == 0
    (laptop.site.layout.journals / run / NOTE).write_text(json.dumps({}))
    laptop.sender().send()
    assert httpx.get(f"{laptop.url}/api/v1/runs/{run}").json()["metric_details"]["loss"]["points"] == 100


def test_without_a_network_nothing_fails_and_what_waits_is_told(site: Site) -> None:
    laptop = Laptop(site, "http://127.0.0.1:9/projects/default", LocalRuns(site, lambda: LocalDatasets(site)))
    run = laptop.record()

    def nowhere() -> Repository:
        raise Unavailable("the server cannot be reached", kind="server-unavailable")

    before = time.monotonic()
    with http_client(laptop.url, token="") as client:
        sent = Sender(site, Client(client), nowhere).send()
    assert time.monotonic() - before < 20
    assert "cannot be reached" in sent.reason
    assert [(left.run, left.bytes > 0, left.problem) for left in sent.left] == [(run, True, "")]


def test_what_the_server_refuses_holds_up_that_run_only(laptop: Laptop) -> None:
    bad = laptop.record()
    path = next((laptop.site.layout.journals / bad).glob("*.journal"))
    path.rename(path.with_name("no-journal.journal"))
    good = laptop.record()
    sender = laptop.sender()
    sent = sender.send()
    assert laptop.there(good)["name"] == "train"
    (left,) = sent.left
    assert left.run == bad
    assert "no journal" in left.problem


def test_two_senders_take_turns(laptop: Laptop) -> None:
    run = laptop.record()
    first, second = laptop.sender(), laptop.sender()
    with first._alone() as alone:
        assert alone
        assert second.send().reason == "another process is sending"
    assert second.send().runs == 1
    assert laptop.there(run)


def test_a_run_is_sent_while_it_goes_on_and_at_its_end(laptop: Laptop) -> None:
    recorder = laptop.runs.start(RunRequest(name="long", command=("python",), folder=laptop.site.layout.root))
    sending = BackgroundSending(laptop.sender, recorder.run_id, seconds=0.1)
    recorder.log({"loss": 0.5}, 1)
    deadline = time.monotonic() + 10
    while httpx.get(f"{laptop.url}/api/v1/runs/{recorder.run_id}").status_code == 404 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert httpx.get(f"{laptop.url}/api/v1/runs/{recorder.run_id}").json()["status"] == "running"
    recorder.finish(0)
    laptop.collected(recorder.run_id)
    assert sending.finish(10).left == ()
    assert laptop.there(recorder.run_id)["status"] == "finished"


def test_a_run_travels_by_itself_soon_after_the_network_is_back(laptop: Laptop, open_server: RunningServer) -> None:
    proxy = FaultyProxy(open_server.url)
    proxy.choose = lambda _method, _path: DEAD
    straight, laptop.url = laptop.url, laptop.url.replace(open_server.url, proxy.endpoint)
    run = laptop.record(finish=False)
    sending = BackgroundSending(laptop.sender, run, seconds=0.05)
    try:
        assert awaited(lambda: len(proxy.asked) > 4)
        assert httpx.get(f"{straight}/api/v1/runs/{run}").status_code == 404
        proxy.choose = lambda _method, _path: PASS
        assert awaited(lambda: httpx.get(f"{straight}/api/v1/runs/{run}").is_success)
    finally:
        sending.stop()
        proxy.close()


def test_pauses_between_tries_stay_short_and_a_busy_sender_is_no_failure() -> None:
    pauses = [1.5]
    for _again in range(6):
        pauses.append(next_pause(pauses[-1], Sent(reason="no route"), usual=1.5))
    assert max(pauses) + 1.5 <= 5
    assert next_pause(3.0, Sent(reason=BUSY), usual=1.5) == next_pause(3.0, Sent(), usual=1.5) == 1.5


def awaited(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_a_killed_server_has_what_it_acknowledged(site: Site, new_server: Callable[..., RunningServer]) -> None:
    server = new_server("--no-auth")
    laptop = Laptop(site, f"{server.url}/projects/default", LocalRuns(site, lambda: LocalDatasets(site)))
    runs = [laptop.record(50) for _number in range(3)]
    assert laptop.sender().send(only=runs[0]).runs == 1
    server.kill()
    assert laptop.sender().send().reason != ""
    again = new_server("--no-auth", folder=server.folder, port=int(server.url.rpartition(":")[2]))
    assert again.url == server.url
    assert laptop.sender().send().left == ()
    for run in runs:
        assert laptop.there(run)["metric_details"]["loss"]["points"] == 50
    for client in laptop.clients:
        client.close()


def test_datasets_are_pushed_to_and_pulled_from_a_server(laptop: Laptop) -> None:
    data = laptop.site.layout.root / "data"
    data.mkdir()
    for number in range(20):
        (data / f"{number}.txt").write_text(f"file {number}" * 100)
    datasets = LocalDatasets(laptop.site)
    version = datasets.add(data, name="d")
    far = laptop.far()
    moved = Exchange(laptop.site, Remote(name="origin", url=laptop.url), far).push(["d"])
    assert moved.objects > 0
    listed = httpx.get(f"{laptop.url}/api/v1/datasets").json()["datasets"]
    assert [(found["name"], found["files"]) for found in listed] == [("d", 20)]
    assert far.ref("datasets/d") == version.commit
