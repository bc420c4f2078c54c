"""What MLflow's server says to every exchange, kept in golden.json: ``python -m tests.interfaces.mlflow.golden URL`` asks a fresh one anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from tests.interfaces.mlflow.exchanges import Ask, Exchange, answers
from tests.interfaces.mlflow.exchanges_models import LOGGED, REGISTRY, TRACES
from tests.interfaces.mlflow.exchanges_search import EXPERIMENT_SEARCHES, RUN_SEARCHES
from tests.interfaces.mlflow.exchanges_tracking import ARTIFACTS, BATCHES, EXPERIMENTS, RUNS, WRITING

KEPT = Path(__file__).parent / "golden.json"
SECTIONS: Mapping[str, tuple[Exchange, ...]] = {
    "experiments": EXPERIMENTS,
    "runs": RUNS,
    "writing": WRITING,
    "batches": BATCHES,
    "artifacts": ARTIFACTS,
    "run searches": RUN_SEARCHES,
    "experiment searches": EXPERIMENT_SEARCHES,
    "logged models": LOGGED,
    "registry": REGISTRY,
    "traces": TRACES,
}
"""In this order, to a server on which nothing was recorded."""


def everything(ask: Ask) -> dict[str, Any]:
    """What a server says to every exchange."""
    found: dict[str, Any] = {}
    for section in SECTIONS.values():
        found.update(answers(section, ask))
    return found


def said_at(url: str) -> dict[str, Any]:
    """What the server at an address says to every exchange."""
    with httpx.Client(base_url=url, timeout=60) as client:
        return everything(client.request)


def kept() -> dict[str, Any]:
    """What MLflow's server said."""
    found: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def write(found: Mapping[str, Any], path: Path = KEPT) -> None:
    """One exchange a line."""
    lines = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(answer, ensure_ascii=False, sort_keys=True)}" for name, answer in found.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    write(said_at(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else KEPT)
