"""The whole loop on real data, played in a workspace of either kind."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sklearn.datasets import load_breast_cancer

from lineal.records.deployment import Deployment, TruthReceipt
from lineal.records.model import ModelVersion
from lineal.records.run import Run
from lineal.records.verdict import Reproduction
from lineal.workspace.interface import RunRequest, Workspace

PREPARE = """
import pandas as pd
table = pd.read_csv("data/cells.csv")
table.sample(frac=1, random_state=7).head(400).to_csv("train.csv", index=False)
print("prepared", len(table))
"""
TRAIN = """
import pandas as pd, lineal
from sklearn.linear_model import LogisticRegression
with lineal.run() as run:
    strength = run.param("strength", 1.0)
    table = pd.read_csv("train.csv")
    features = table.drop(columns="benign")
    model = LogisticRegression(C=strength, max_iter=3000).fit(features, table["benign"])
    for step in range(20):
        run.log(loss=1 / (step + 1), step=step)
    run.summary(accuracy=model.score(features, table["benign"]))
    run.model("cells", model, example=features)
print("trained with", strength)
"""
FEATURES = 5
LABEL = "benign"


@dataclass(slots=True)
class Loop:
    """What came of the loop, and the workspace to ask about it."""

    workspace: Workspace
    root: Path
    prepared: Run | None = None
    trained: list[Run] = field(default_factory=list)
    failed: Run | None = None
    registered: ModelVersion | None = None
    deployed: Deployment | None = None
    answers: list[str] = field(default_factory=list)
    receipt: TruthReceipt | None = None
    reproduced: Reproduction | None = None

    def execute(self, *command: str, **params: Any) -> Run:
        return self.workspace.runs.execute(RunRequest(command=command, folder=self.root, params=params))


def play(workspace: Workspace, root: Path) -> Loop:
    """Adds data, prepares, trains, registers, deploys, predicts, tells the truth, and reproduces."""
    loop = Loop(workspace, root)
    rows = _write_data(root)
    workspace.datasets.add(root / "data", name="cells", message="as it came")
    loop.prepared = loop.execute(sys.executable, "prepare.py")
    loop.trained = [loop.execute(sys.executable, "train.py", strength=strength) for strength in (1.0, 0.5)]
    loop.failed = loop.execute(sys.executable, "-c", "import sys; sys.exit(3)")
    loop.registered = workspace.models.register(f"run:{loop.trained[0].id}", name="benign", note="the first")
    workspace.models.set_alias("benign@1", "champion")
    loop.deployed = workspace.deployments.deploy("benign@champion", name="live")
    loop.answers = _predict(loop.deployed.url, rows[400:440])
    _await_capture(workspace, len(loop.answers))
    loop.receipt = workspace.monitors.add_truth("live", _truths(root, loop.answers, rows[400:440]))
    (root / "data" / "cells.csv").write_text((root / "data" / "cells.csv").read_text() + ",".join(["1"] * FEATURES) + ",1\n")
    workspace.datasets.add(root / "data", name="cells", message="one more")
    loop.reproduced = workspace.runs.reproduce(f"run:{loop.trained[0].id}")
    return loop


def _write_data(root: Path) -> list[dict[str, Any]]:
    """Measures of real cells, and whether they were benign."""
    found = load_breast_cancer(as_frame=True).frame
    table = found.iloc[:, :FEATURES].rename(columns=lambda name: name.replace(" ", "_")).assign(benign=found["target"])
    (root / "data").mkdir()
    table.to_csv(root / "data" / "cells.csv", index=False)
    (root / "prepare.py").write_text(PREPARE)
    (root / "train.py").write_text(TRAIN)
    rows: list[dict[str, Any]] = table.to_dict(orient="records")
    return rows


def _predict(url: str, rows: list[dict[str, Any]]) -> list[str]:
    """The ids of the answers to these rows."""
    instances = [{key: value for key, value in row.items() if key != LABEL} for row in rows]
    answer = httpx.post(f"{url}/predict", json={"instances": instances, "event_time": "2024-03-01T12:00:00Z"}, timeout=20)
    answer.raise_for_status()
    return list(answer.json()["prediction_ids"])


def _await_capture(workspace: Workspace, wanted: int) -> None:
    """Answers are written down in the background, soon after they were given."""
    deadline = time.monotonic() + 20
    while workspace.deployments.get("live").predictions < wanted and time.monotonic() < deadline:
        time.sleep(0.05)


def _truths(root: Path, answers: list[str], rows: list[dict[str, Any]]) -> Path:
    path = root / "truth.csv"
    lines = [f"{answer},{int(row[LABEL])}" for answer, row in zip(answers, rows, strict=True)]
    path.write_text("\n".join(["prediction_id,label", *lines]) + "\n")
    return path
