"""A ledger with many runs, filled by inserts: what a team has recorded in a year, the same at every run."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, insert

from lineal.ledger.database import Ledger
from lineal.ledger.schema import activities, edges, environments, metrics, occurrences, params, runs, tags

RUNS = 100_000
AT_ONCE = 5_000
"""Runs in one transaction."""
MINUTE = 60_000_000
START = 1_750_000_000_000_000
DATASETS = 6
_CODE = {
    "branch": "main",
    "remote": "https://git.example.org/team/models.git",
    "dirty": False,
    "files": {f"src/part{n}.py": f"blake3:{n:064x}" for n in range(8)},
}
_CAPTURE = {"tracers": ["python", "preload"], "grade": "complete", "unseen": [], "undeclared": [], "changed": [], "lost_points": 0, "pending": 0}


def fill(ledger: Ledger, project: str, *, count: int = RUNS) -> None:
    """Puts so many runs into a project: 6 parameters, 6 metrics, 2 tags and a dataset each; every thousandth is a mistake, the last ten go on."""
    with ledger.write() as connection:
        _surroundings(connection, project)
    for first in range(0, count, AT_ONCE):
        rows = _rows(project, range(first, min(first + AT_ONCE, count)), count)
        with ledger.write() as connection:
            for table in (runs, activities, params, metrics, tags, edges):
                connection.execute(insert(table), rows[table.name])
    if ledger.engine.dialect.name == "postgresql":  # which does so by itself, only a little later
        with ledger.write() as connection:
            connection.exec_driver_sql("ANALYZE")


def _surroundings(connection: Connection, project: str) -> None:
    body = json.dumps({"python": "3.12.4", "packages": {f"package{number}": f"{number}.1" for number in range(60)}})
    connection.execute(insert(environments), [{"digest": f"blake3:{number:064x}", "body": body} for number in range(8)])
    used = [
        {
            "id": f"d{number}",
            "project_id": project,
            "kind": "dataset",
            "label": f"flights@{number + 1}",
            "at": START,
            "digest": f"blake3:{number:064x}",
        }
        for number in range(DATASETS)
    ]
    connection.execute(insert(occurrences), used)


def _rows(project: str, numbers: range, count: int) -> Mapping[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {table.name: [] for table in (runs, activities, params, metrics, tags, edges)}
    for number in numbers:
        chance = random.Random(number)
        run = f"{chance.getrandbits(128):032x}"
        row = _run(run, number, chance, going_on=number >= count - 10)
        of_project = {"project_id": project}
        found["runs"].append(row | of_project)
        found["activities"].append({"id": run, "kind": "run", "label": row["name"], "at": row["started_at"], **of_project})
        found["params"] += [{"run_id": run, **each, **of_project} for each in _params(chance)]
        found["metrics"] += [{"run_id": run, **each, **of_project} for each in _metrics(chance)]
        values = {"team": chance.choice(("prices", "delays", "routes")), "stage": chance.choice(("try", "try", "candidate"))}
        found["tags"] += [{"run_id": run, "key": key, "value": value, **of_project} for key, value in values.items()]
        found["edges"].append({"source": run, "target": f"d{number % DATASETS}", "relation": "used", **of_project})
    return found


def _run(run: str, number: int, chance: random.Random, *, going_on: bool) -> dict[str, Any]:
    started = START + number * MINUTE
    status = "running" if going_on else chance.choices(("finished", "failed", "stopped", "crashed"), (90, 6, 2, 2))[0]
    return {
        "id": run,
        "number": number + 1,
        "name": chance.choice(("train", "train", "tune", "evaluate")),
        "experiment": chance.choice(("baseline", "boosted trees", "transformer", "")),
        "status": status,
        "command": json.dumps(["python", "train.py", "--seed", str(number)]),
        "author": chance.choice(("ada", "bob", "cleo", "dan", "eve")),
        "host": f"node-{number % 12}",
        "started_at": started,
        "ended_at": None if going_on else started + chance.randrange(2, 5000) * 1_000_000,
        "exit_code": None if going_on else int(status != "finished"),
        "mistake": "" if going_on or number % 1000 else "trained on the test rows",
        "note": "" if number % 50 else "with the new features",
        "code": json.dumps(_CODE | {"commit": f"{number // 200:040x}"}),
        "commit": f"{number // 200:040x}",
        "environment": f"blake3:{number % 8:064x}",
        "capture": json.dumps(_CAPTURE),
    }


def _params(chance: random.Random) -> Iterator[dict[str, Any]]:
    values = {
        "depth": chance.choice((2, 4, 6, 8, 10, 12, 14, 16)),
        "learning_rate": round(10 ** chance.uniform(-5, -1), 6),
        "seed": chance.randrange(1_000_000),
        "batch": 2 ** chance.randrange(4, 10),
    }
    for key, value in values.items():
        yield {"key": key, "type": type(value).__name__, "text": str(value), "number": float(value), "origin": "recorded"}
    for key, value in {"optimizer": chance.choice(("adam", "sgd", "lion")), "loss": chance.choice(("huber", "squared"))}.items():
        yield {"key": key, "type": "str", "text": value, "number": None, "origin": "recorded"}


def _metrics(chance: random.Random) -> Iterator[dict[str, Any]]:
    auc = round(chance.betavariate(8, 3), 6)
    loss = round(1 - auc + chance.uniform(0, 0.1), 6)
    values = {"auc": auc, "loss": loss, "accuracy": round(auc * 0.97, 3), "val/loss": loss * 1.05, "epoch_seconds": chance.uniform(1, 90)}
    if chance.random() < 0.1:
        values["bleu"] = round(chance.random(), 4)
    for key, value in values.items():
        yield {"key": key, "last": value, "minimum": value / 2, "maximum": value * 2, "points": 50, "last_step": 49, "best_step": 40}
