"""Kills a sender around each of its requests and before each of its durable steps, as a program of its own: it forks once for every death.

`python -m tests.dying_sender URL FOLDER` prints one JSON document: how often it was killed, and everything that was wrong afterwards. What a run is
must be at the server once, whole, however often and wherever its sender died.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from tests.dying import KILLED, MOST_STEPS, forked

from lineal.capture.journal import JournalWriter
from lineal.records import journal
from lineal.records.digest import Digest
from lineal.store import durable
from lineal.store.backends.address import parse_address
from lineal.store.backends.door import Door
from lineal.store.repository import Repository
from lineal.workspace.remote.client import Client
from lineal.workspace.remote.sending import Sender
from lineal.workspace.site import Layout, Site, system_clock

POINTS = 50


def site_of(root: Path, url: str) -> Site:
    """A folder that works in the server's project."""
    layout = Layout(root=root)
    layout.state.mkdir(parents=True, exist_ok=True)
    project = httpx.get(f"{url}/api/v1/project", verify=False).json()["id"]
    return Site(layout=layout, project_id=project, project="p", ledger_url=f"sqlite:///{layout.ledger}", actor="ada", settings={})


def record(site: Site, number: int) -> tuple[str, bytes]:
    """A run of two journals, its owner's and that of whoever digested its files, with a content that nobody else has; its id and the content."""
    run = os.urandom(16).hex()
    content = os.urandom(50_000) + b"%d" % number
    begin = {"name": "train", "command": [], "folder": "", "author": "ada", "attempt": 1, "parent": "", "experiment": "", "started": system_clock()}
    folder = site.layout.journals / run
    words: Any = {"run": run, "project": site.project_id, "clock": system_clock, "entropy": os.urandom}
    owner = JournalWriter(folder, role="owner", begin=begin, **words)
    for step in range(POINTS):
        owner.point({"loss": 1 / (step + 1)}, step)
    owner.append(journal.END, status="finished", exit_code=0, ended=system_clock())
    owner.close()
    collector = JournalWriter(folder, **words)
    digest = site.store.put_bytes(content)
    made = {"kind": "file", "role": "output", "role_origin": "guessed", "declared": True, "restorable": True, "note": ""}
    collector.append(journal.FILE, direction="output", root="", path=b"model.bin", digest=digest, size=len(content), **made)
    collector.close()
    (folder / journal.OUTPUT_LOG).write_bytes(b"what it said\n" * 100)
    return run, content


def send(root: Path, url: str, hook: Callable[[str], object] = lambda _what: None) -> None:
    """Sends everything, as a new process would; ``hook`` is told of each step before it is done."""
    site = site_of(root, url)
    hooks: dict[str, list[Callable[[Any], object]]] = {"request": [lambda _request: hook("ask")], "response": [lambda _answer: hook("answered")]}
    Door.connect = lambda place: httpx.Client(base_url=place, event_hooks=hooks, timeout=30, verify=False)
    durable.watch(lambda what, _path, _to: hook(what))
    sender = Sender(site, Client(Door.connect(url)), lambda: Repository.at(parse_address(url, base=root), project_id=site.project_id))
    sent = sender.send()
    if sent.left or sent.reason:
        raise AssertionError(sent)


def die_at(step: int) -> Callable[[str], None]:
    """Ends this process before its ``step``-th step."""
    count = 0

    def count_one(_what: str) -> None:
        nonlocal count
        count += 1
        if count == step:
            os._exit(KILLED)

    return count_one


def check(url: str, run: str, content: bytes, root: Path) -> None:
    """Raises unless the run is at the server once and whole, and gone here."""
    assert not (root / ".lineal" / "journals" / run).exists()
    with httpx.Client(base_url=f"{url}/api/v1", timeout=30, verify=False) as client:
        deadline = time.monotonic() + 20
        while True:
            client.post("/ingest", json={}).raise_for_status()
            found = client.get(f"/runs/{run}").json()
            artifact = client.get(f"/runs/{run}/artifact", params={"path": "model.bin"})
            if (artifact.is_success and found["status"] == "finished") or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        assert artifact.content == content, artifact.text[:300]
        assert found["metric_details"]["loss"]["points"] == POINTS, found["metric_details"]
        (series,) = client.get(f"/runs/{run}/series", params={"key": "loss"}).json()["series"]
        assert series["steps"] == list(range(POINTS)), series
        assert not found["warnings"], found["warnings"]


def walk(url: str, root: Path) -> dict[str, Any]:
    """Kills the sending of a new run before every step; says how many there were, and what went wrong."""
    wrong: list[str] = []
    first = root / "first.json"
    _record_into(root, url, 0, first)  # what is imported here, no child need import
    _send_again_and_check(root, url, *json.loads(first.read_text()))
    for step in range(1, MOST_STEPS):
        found = root / f"run{step}.json"
        forked(partial(_record_into, root, url, step, found))
        run, digest = json.loads(found.read_text())
        status = forked(partial(send, root, url, die_at(step)))
        if status not in {0, KILLED}:
            wrong.append(f"step {step}: the sending itself failed with {status}")
        if forked(partial(_send_again_and_check, root, url, run, digest)):
            wrong.append(f"step {step}: the run is not there once and whole")
        if status != KILLED:
            return {"steps": step - 1, "wrong": wrong}
    return {"steps": MOST_STEPS, "wrong": ["it never ends"]}


def _record_into(root: Path, url: str, number: int, found: Path) -> None:
    site = site_of(root, url)
    run, content = record(site, number)
    site.close()
    found.write_text(json.dumps([run, Digest(site.store.put_bytes(content))]))


def _send_again_and_check(root: Path, url: str, run: str, digest: str) -> None:
    send(root, url)
    site = site_of(root, url)
    check(url, run, site.store.read(Digest(digest)), root)
    site.close()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(walk(sys.argv[1], Path(sys.argv[2]))))
