from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression, LogisticRegression

from lineal.errors import Conflict, InvalidInput, InvalidState, NotFound, Unavailable
from lineal.ledger.events import list_events
from lineal.ledger.graph import FileFact, add_output
from lineal.ledger.nodes import load_nodes
from lineal.monitoring.truths import Truth, TruthLog
from lineal.records.deployment import DeploymentStatus
from lineal.workspace.registry import LocalModels
from lineal.workspace.shipping import LocalDeployments
from lineal.workspace.site import Site
from lineal.workspace.versioning import LocalDatasets

DRAW = np.random.default_rng(5)
TABLE = pd.DataFrame({"hour": DRAW.integers(5, 23, 200).astype(float), "distance": DRAW.normal(900, 100, 200)})
LATE = LogisticRegression(max_iter=500).fit(TABLE, (TABLE["hour"] > 12).astype(int))
DELAY = LinearRegression().fit(TABLE, TABLE["hour"] * 2)


@pytest.fixture
def models(site: Site) -> LocalModels:
    return LocalModels(site, LocalDatasets(site))


@pytest.fixture
def deployments(site: Site, models: LocalModels) -> Iterator[LocalDeployments]:
    opened = LocalDeployments(site, models)
    yield opened
    for deployment in opened.list():
        opened.undeploy(deployment.id)


@pytest.fixture
def run_with(site: Site, facts: Any) -> Callable[[Any], str]:
    """A run that wrote the estimator."""

    def make(estimator: Any) -> str:
        run: str = facts.run()
        data = bytes(skops.io.dumps(estimator))
        fact = FileFact(root="project", path=b"model.skops", digest=site.store.put_bytes(data), size=len(data), role="model")
        with site.ledger.write() as connection:
            add_output(connection, project_id=site.project_id, activity=run, file=fact, at=1, new_id=lambda: site.entropy(16).hex())
        return run

    return make


def ask(url: str, *rows: dict[str, float]) -> dict[str, Any]:
    response = httpx.post(f"{url}/predict", json={"instances": list(rows)}, timeout=30)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_from_model_to_predictions_to_truth_and_end(site: Site, models: LocalModels, deployments: LocalDeployments, run_with: Any) -> None:
    models.register(run_with(LATE), name="delay")
    made = deployments.deploy("delay@1", skip_drift=("hour",))
    assert (made.name, made.model, made.status, made.trial, made.skip_drift) == ("delay", "delay@1", DeploymentStatus.SERVING, False, ("hour",))
    assert models.get("delay").ever_deployed
    ids = ask(made.url, *({"hour": float(hour), "distance": 900.0} for hour in (6, 20, 7)))["prediction_ids"]
    until(lambda: deployments.get("delay").predictions == 3)
    newest = deployments.predictions("delay", limit=2)
    assert [item.id for item in newest] == ids[:0:-1]
    assert [item.id for item in deployments.predictions("delay", before=newest[-1].id)] == ids[:1]
    truths = TruthLog(deployments.folder(made) / "truths")
    truths.add([Truth(id=ids[0], label=0, known_at=5), Truth(id=ids[1], label=0, known_at=6)], now=7)
    (wrong,) = deployments.predictions("delay", wrong=True)
    assert (wrong.id, wrong.output, wrong.truth, wrong.truth_at, wrong.model) == (ids[1], 1, 0, 6, "delay@1")
    one = deployments.prediction(f"prediction:{ids[2]}")
    assert (one.inputs, one.truth, one.deployment) == ({"hour": 7.0, "distance": 900.0}, None, "delay")
    with pytest.raises(NotFound):
        deployments.prediction("018bcfe5-6800-7000-8000-000000000000")
    assert "answers at" in deployments.log("delay")
    with site.ledger.read() as connection:
        node = load_nodes(connection, site.project_id, [made.id])[made.id]
        assert {"deployed", "protected"} <= node.marks
    stopped = deployments.undeploy("delay")
    assert (stopped.status, stopped.predictions) == (DeploymentStatus.STOPPED, 3)
    assert deployments.list() == []
    assert [item.id for item in deployments.list(stopped=True)] == [made.id]
    assert len(deployments.predictions("delay")) == 3
    with pytest.raises(InvalidState) as caught:
        deployments.undeploy("delay")
    assert caught.value.kind == "not-running"
    with site.ledger.read() as connection:
        actions = [event["action"] for event in list_events(connection, project_id=site.project_id, subject="deployment:delay")]
    assert actions == ["deployment.stopped", "deployment.started"]


def test_a_successor_takes_over_the_address(models: LocalModels, deployments: LocalDeployments, run_with: Any) -> None:
    models.register(run_with(LATE), name="delay")
    first = deployments.deploy("delay")
    early = ask(first.url, {"hour": 20.0, "distance": 900.0})
    models.register(run_with(DELAY), name="delay")
    second = deployments.deploy("delay")
    assert second.url == first.url
    later = ask(second.url, {"hour": 20.0, "distance": 900.0})
    assert (early["model"], later["model"]) == ("delay@1", "delay@2")
    assert [item.id for item in deployments.list()] == [second.id]
    until(lambda: deployments.get("delay").predictions == 1)
    assert [item.model for item in deployments.predictions("delay")] == ["delay@2", "delay@1"]
    assert len(deployments.history("delay")) == 2


def test_a_service_that_died_is_down_and_its_log_says_how(models: LocalModels, deployments: LocalDeployments, run_with: Any) -> None:
    models.register(run_with(LATE), name="delay")
    made = deployments.deploy("delay")
    os.kill(made.handle["pid"], signal.SIGKILL)
    until(lambda: deployments.get("delay").status is DeploymentStatus.DOWN)
    assert "the process is gone" in deployments.get("delay").detail
    assert "answers at" in deployments.get("delay").detail
    again = deployments.deploy("delay")
    assert again.status is DeploymentStatus.SERVING
    assert again.url == made.url


def test_a_trial_protects_nothing_and_stays_apart(site: Site, models: LocalModels, deployments: LocalDeployments, run_with: Any) -> None:
    run = run_with(LATE)
    with pytest.raises(InvalidInput) as caught:
        deployments.deploy(run)
    assert caught.value.kind == "not-registered"
    made = deployments.deploy(run, trial=True)
    assert (made.trial, made.model, made.name) == (True, f"run:{run[:12]}", f"run-{run[:8]}-trial")
    assert httpx.get(made.url).json()["trial"]
    ask(made.url, {"hour": 1.0, "distance": 1.0})
    until(lambda: deployments.get(made.name).predictions == 1)
    (prediction,) = deployments.predictions(made.name)
    assert prediction.deployment == made.name
    with site.ledger.read() as connection:
        marks = load_nodes(connection, site.project_id, [made.id])[made.id].marks
    assert "trial" in marks
    assert "protected" not in marks
    models.register(run, name="delay")
    deployments.deploy("delay", trial=True, name="t")
    assert not models.get("delay").ever_deployed


def test_a_trial_does_not_replace_production(models: LocalModels, deployments: LocalDeployments, run_with: Any) -> None:
    models.register(run_with(LATE), name="delay")
    deployments.deploy("delay")
    with pytest.raises(Conflict) as caught:
        deployments.deploy("delay", trial=True, name="delay")
    assert caught.value.kind == "in-production"


def test_what_cannot_be_deployed_leaves_nothing_behind(site: Site, models: LocalModels, deployments: LocalDeployments, run_with: Any) -> None:
    models.register(run_with(LATE), name="delay")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(Conflict) as caught:
            deployments.deploy("delay", port=other.getsockname()[1])
    assert caught.value.kind == "port-in-use"
    with pytest.raises(InvalidInput) as bad:
        deployments.deploy("delay", name="a b")
    assert bad.value.kind == "bad-name"
    with pytest.raises(InvalidInput) as unknown:
        deployments.deploy("delay", skip_drift=("month",))
    assert unknown.value.kind == "unknown-feature"
    with pytest.raises(NotFound):
        deployments.deploy("nothing")
    assert deployments.list(stopped=True) == []
    assert not models.get("delay").ever_deployed
    assert list(site.layout.deployments.iterdir()) == []


def test_a_service_that_does_not_come_up_is_told_with_its_log(
    site: Site, models: LocalModels, deployments: LocalDeployments, run_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.register(run_with(LATE), name="delay")
    monkeypatch.setattr(site, "settings", {"serving.start_seconds": 0.01})
    with pytest.raises(Unavailable) as caught:
        deployments.deploy("delay")
    assert caught.value.kind == "service-silent"
    assert list(site.layout.deployments.iterdir()) == []


def test_a_deployment_is_found_by_another_process(site: Site, models: LocalModels, deployments: LocalDeployments, run_with: Any, reopen: Any) -> None:
    models.register(run_with(LATE), name="delay")
    made = deployments.deploy("delay")
    other_site: Site = reopen()
    other = LocalDeployments(other_site, LocalModels(other_site, LocalDatasets(other_site)))
    (found,) = other.list()
    assert (found.id, found.status) == (made.id, DeploymentStatus.SERVING)
    other.undeploy("deployment:delay")
    assert deployments.list() == []
    assert site.layout == other_site.layout
