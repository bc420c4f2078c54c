"""The guard, through each of the three doors: a real model in a real service, refused from Python, from the command line and over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lineal.bootstrap.compose import create_workspace, open_workspace
from lineal.errors import NotFound, PermissionDenied
from lineal.pages import application
from lineal.workspace.interface import RunRequest

PREPARE = "import pandas as pd\npd.read_csv('data/a.csv').to_csv('train.csv', index=False)\n"
TRAIN = """
import pandas as pd, skops.io
from sklearn.linear_model import LogisticRegression
table = pd.read_csv("train.csv")
skops.io.dump(LogisticRegression().fit(table[["x"]], table["y"]), "model.skops")
"""


@dataclass(frozen=True)
class Shipped:
    """A project whose model was in production and is not any more."""

    root: Path
    train: str

    def over_http(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def go(app: Any) -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8400") as client:
                return await client.request(method, f"/api/v1/{path}", **options)

        workspace = open_workspace(self.root)
        try:
            return anyio.run(go, application(workspace))
        finally:
            workspace.close()

    def on_the_command_line(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lineal.main", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    root = tmp_path_factory.mktemp("shipped")
    workspace = create_workspace(root, name="shipped")
    (root / "data").mkdir()
    (root / "data" / "a.csv").write_text("x,y\n" + "".join(f"{n % 13},{(n % 13 > 6) + 0}\n" for n in range(300)))
    (root / "prepare.py").write_text(PREPARE)
    (root / "train.py").write_text(TRAIN)
    workspace.datasets.add(root / "data", name="numbers")
    workspace.runs.execute(RunRequest(command=(sys.executable, "prepare.py"), folder=root))
    train = workspace.runs.execute(RunRequest(command=(sys.executable, "train.py"), folder=root)).id
    workspace.models.register(train, name="above")
    workspace.models.set_alias("above@1", "champion")
    workspace.deployments.deploy("above@champion", name="live")
    workspace.deployments.undeploy("live")
    again = workspace.runs.execute(RunRequest(command=(sys.executable, "train.py"), folder=root)).id
    workspace.models.register(again, name="above")
    workspace.models.set_alias("above@2", "champion")
    workspace.close()
    return Shipped(root, train)


REFERENCES = ("data:numbers@1", "run:{train}", "model:above@1", "deployment:live")


@pytest.mark.parametrize("reference", REFERENCES)
def test_what_was_in_production_is_kept_whichever_door_the_wish_comes_through(shipped: Shipped, reference: str) -> None:
    reference = reference.format(train=shipped.train)
    workspace = open_workspace(shipped.root)
    plan = workspace.lineage.plan_deletion(reference)
    assert plan.refused
    assert plan.path[-1].label == "live"
    with pytest.raises(PermissionDenied) as refused:
        workspace.lineage.delete(reference, plan.hash)
    workspace.close()

    shell = shipped.on_the_command_line("rm", reference, "--plan", plan.hash)
    assert shell.returncode == 4
    assert refused.value.message in " ".join(shell.stderr.split())

    answer = shipped.over_http("POST", "lineage/delete", json={"ref": reference, "plan": plan.hash})
    assert answer.status_code == 403
    assert (answer.json()["kind"], answer.json()["detail"]) == ("protected", refused.value.message)


def test_what_falls_through_one_door_comes_back_through_another(shipped: Shipped) -> None:
    plan = shipped.on_the_command_line("rm", "model:above@2", "--json")
    assert shipped.on_the_command_line("rm", "model:above@2", "--plan", json.loads(plan.stdout)["hash"]).returncode == 0
    workspace = open_workspace(shipped.root)
    with pytest.raises(NotFound) as gone:
        workspace.resolve("model:above@champion")
    assert gone.value.kind == "deleted"
    workspace.close()
    back = shipped.over_http("POST", "lineage/undelete", json={"ref": "model:above@2"})
    assert back.status_code == 200, back.text
    assert "above@2" in {node["label"] for node in back.json()["nodes"]}
    assert shipped.on_the_command_line("show", "model:above@champion").returncode == 0


def test_a_stale_plan_changes_nothing_through_any_door(shipped: Shipped) -> None:
    assert shipped.on_the_command_line("rm", "model:above@2", "--plan", "0" * 16).returncode == 4
    answer = shipped.over_http("POST", "lineage/delete", json={"ref": "model:above@2", "plan": "0" * 16})
    assert (answer.status_code, answer.json()["kind"]) == (409, "stale-plan")
    assert shipped.on_the_command_line("show", "model:above@2").returncode == 0
