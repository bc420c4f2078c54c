"""Monitors over a real ledger, store, captured predictions and, once, a real service."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from lineal.errors import Integrity, InvalidInput, NotFound
from lineal.ledger import deployments as deployment_rows
from lineal.ledger import models as model_rows
from lineal.ledger.events import list_events
from lineal.ledger.graph import add_activity, add_occurrence
from lineal.monitoring.profile import build_profile
from lineal.monitoring.truths import FILE
from lineal.records.deployment import Deployment, DeploymentStatus
from lineal.records.digest import Digest
from lineal.records.model import Column, ModelVersion, Signature
from lineal.records.monitor import MonitorReport, Window
from lineal.serving.capture import PredictionWriter
from lineal.serving.segments import AnsweredRows
from lineal.workspace.interface import RunRequest
from lineal.workspace.observation import LocalMonitors
from lineal.workspace.registry import LocalModels
from lineal.workspace.shipping import LocalDeployments
from lineal.workspace.site import Site
from lineal.workspace.tracking import LocalRuns
from lineal.workspace.versioning import LocalDatasets

HOUR = 3_600_000_000
TRAINED = {"hour": np.tile(np.arange(5, 23), 200), "carrier": np.tile(["AA", "UA", "DL"], 1200), "month": np.tile([1, 2], 1800)}
LATE = Signature(
    inputs=(Column(name="hour", type="float"), Column(name="carrier", type="string"), Column(name="month", type="int")),
    outputs=(Column(name="late", type="int"),),
    task="classification",
    classes=(0, 1),
)
MINUTES = Signature(inputs=LATE.inputs, outputs=(Column(name="minutes", type="float"),), task="regression")


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    ids: Sequence[str]
    scores: np.ndarray


class Bench:
    """Puts models, deployments and what they answered where they belong, without starting a service for each."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.datasets = LocalDatasets(site)
        self.models = LocalModels(site, self.datasets)
        self.deployments = LocalDeployments(site, self.models)
        self.monitors = LocalMonitors(site, self.deployments, self.models)
        self.random = np.random.default_rng(5)

    def model(
        self,
        number: int,
        *,
        signature: Signature = LATE,
        name: str = "delay",
        metrics: Mapping[str, float] | None = None,
        trained: Mapping[str, Any] | None = TRAINED,
    ) -> str:
        shares = self.random.uniform(0.1, 0.4, 3600) if signature is LATE else self.random.normal(10, 5, 3600)
        stored = None if trained is None else self.site.store.put_bytes(build_profile(trained, shares, task=signature.task).encode())
        occurrence = f"model-{name}-{number}"
        with self.site.ledger.write() as connection:
            add_occurrence(connection, id=occurrence, project_id=self.site.project_id, kind="model", label=f"{name}@{number}", digest=None, at=number)
            version = ModelVersion(
                name=name,
                number=number,
                run="a" * 32,
                path="model.skops",
                digest=Digest("blake3:" + "0" * 64),
                size=1,
                format="skops",
                signature=signature,
                metrics=metrics or {},
                profile=stored,
                occurrence=occurrence,
            )
            model_rows.add_version(connection, self.site.project_id, version)
        return f"{name}@{number}"

    def deployment(self, model: str, *, name: str = "delay", started: int = 1, skip: tuple[str, ...] = ("month",), trial: bool = False) -> Deployment:
        identifier = f"{name}-{started}"
        made = Deployment(
            id=identifier,
            name=name,
            model=model,
            model_occurrence=f"model-{model.replace('@', '-')}",
            target="process",
            url="http://127.0.0.1:9",
            status=DeploymentStatus.STOPPED,
            trial=trial,
            started_at=started,
            stopped_at=started + 1,
            skip_drift=skip,
        )
        with self.site.ledger.write() as connection:
            add_activity(connection, id=identifier, project_id=self.site.project_id, kind="deployment", label=name, at=started)
            deployment_rows.add_deployment(connection, self.site.project_id, made)
        return made

    def send(self, deployment: Deployment, start: str, rows: int = 3000, *, rejected: int = 0, **changed: Any) -> Sent:
        """Rows of one month as the service would have captured them."""
        writer = PredictionWriter(self.deployments.folder(deployment) / "predictions", queue_rows=1_000_000)
        event = at(start) + self.random.integers(0, 27 * 24, rows) * HOUR
        features = {
            "hour": self.random.integers(5, 23, rows).astype(float),
            "carrier": self.random.choice(["AA", "UA", "DL"], rows),
            "month": np.full(rows, int(start[5:7])),
            **changed,
        }
        regression = deployment.model.startswith("minutes")
        scores = self.random.normal(10, 5, rows) if regression else self.random.uniform(0.1, 0.4, rows)
        output = scores if regression else np.zeros(rows, dtype=int)
        ids = writer.new_ids(rows)
        for first in range(0, rows, 500):
            part = slice(first, first + 500)
            writer.add(
                AnsweredRows(
                    model=deployment.model,
                    ids=ids[part],
                    recorded=[at("2026-01-01")] * len(ids[part]),
                    event=event[part].tolist(),
                    features={key: np.asarray(values)[part].tolist() for key, values in features.items()},
                    output=output[part].tolist(),
                    score=None if regression else scores[part].tolist(),
                )
            )
        for _ in range(rejected):
            writer.reject("missing-feature")
        writer.close()
        return Sent(ids, scores)

    def truth(self, text: str, name: str = "delay") -> Any:
        path = self.site.layout.root / "truth.csv"
        path.write_text(text)
        return self.monitors.add_truth(name, path)

    def late(self, sent: Sent, *, more: float = 0.0, known: float = 1.0) -> Any:
        """Outcomes as likely as the scores say, or more so."""
        happened = self.random.uniform(size=len(sent.ids)) < sent.scores + more
        kept = self.random.uniform(size=len(sent.ids)) < known
        rows = [f"{identifier},{int(label)}" for identifier, label, keep in zip(sent.ids, happened, kept, strict=True) if keep]
        return self.truth("\n".join(["prediction_id,label", *rows]) + "\n")


@pytest.fixture
def bench(site: Site) -> Bench:
    return Bench(site)


def window(report: MonitorReport, label: str) -> Window:
    return next(window for window in report.windows if window.label == label)


def levels(found: Window) -> dict[str, str]:
    return {drift.feature: drift.level for drift in found.drift}


def test_inputs_look_fine_and_the_late_truth_finds_the_drop(bench: Bench) -> None:
    deployment = bench.deployment(bench.model(1, metrics={"test/log_loss": 0.55, "seconds": 2.0}))
    months = {f"2013-0{month}": bench.send(deployment, f"2013-0{month}-01") for month in (4, 5, 6)}
    for label, sent in months.items():
        bench.late(sent, more=0.12 if label == "2013-06" else 0.0, known=0.9)
    report = bench.monitors.report("delay")
    assert [found.label for found in report.windows] == list(months)
    for found in report.windows:
        assert levels(found) == {"hour": "none", "carrier": "none", "month": "skipped"}
        assert all(drift.psi < 0.06 for drift in found.drift if drift.feature != "month")
        assert found.prediction_drift is not None
        assert found.prediction_drift.level == "none"
        assert found.quality is not None
        assert found.quality.coverage == pytest.approx(0.9, abs=0.02)
        assert set(found.quality.intervals) >= {"auc", "log_loss", "accuracy", "brier"}
    assert window(report, "2013-04").alerts == window(report, "2013-05").alerts == ()
    told = " / ".join(window(report, "2013-06").alerts)
    assert "log_loss is 0.6" in told
    assert "worse than 0.550 of the run behind delay@1" in told
    assert "the model expects 2" in told
    assert "accuracy" in told  # not in the run's metrics: held against the first window
    assert "in 2013-04" in told
    assert report.reference_quality == {"test/log_loss": 0.55, "seconds": 2.0}
    assert "moves by construction" in report.skipped["month"]
    assert (report.total, report.task, report.trial) == (9000, "classification", False)


def test_inputs_that_move_are_found_feature_by_feature(bench: Bench) -> None:
    deployment = bench.deployment(bench.model(1))
    bench.send(deployment, "2013-04-01", hour=np.full(3000, 23.0))
    bench.send(deployment, "2013-05-01", carrier=["XX"] * 3000)
    report = bench.monitors.report("delay")
    assert levels(window(report, "2013-04")) == {"hour": "large", "carrier": "none", "month": "skipped"}
    assert levels(window(report, "2013-05")) == {"hour": "none", "carrier": "large", "month": "skipped"}
    assert window(report, "2013-04").alerts[0].startswith("input hour moved far: PSI")


def test_without_truth_there_is_drift_and_no_quality_and_the_note_says_how_to_add_it(bench: Bench) -> None:
    bench.send(bench.deployment(bench.model(1)), "2013-04-01", 100)
    report = bench.monitors.report("delay")
    assert report.windows[0].quality is None
    assert set(levels(report.windows[0]).values()) == {"too-few", "skipped"}
    assert "lineal truth delay FILE.csv" in report.note


def test_a_deployment_that_was_never_asked_has_an_empty_report(bench: Bench) -> None:
    bench.deployment(bench.model(1))
    report = bench.monitors.report("delay")
    assert (report.windows, report.total) == ((), 0)
    assert "No prediction" in report.note


def test_what_is_deployed_in_its_place_goes_on_with_the_windows(bench: Bench) -> None:
    first, second = bench.deployment(bench.model(1), started=1), bench.deployment(bench.model(2), started=5)
    april, may = bench.send(first, "2013-04-01"), bench.send(first, "2013-05-01", 1000)
    later = bench.send(second, "2013-05-01", 2000)
    receipt = bench.truth("\n".join(["prediction_id,label", *(f"{identifier},1" for sent in (april, may, later) for identifier in sent.ids)]))
    assert receipt.accepted == 6000
    report = bench.monitors.report("delay")
    assert report.model == "delay@2"
    assert report.models == {"delay@1": 4000, "delay@2": 2000}
    assert window(report, "2013-04").models == {"delay@1": 3000}
    assert window(report, "2013-05").predictions == 3000
    assert "answered by delay@1 (33%) and delay@2 (67%)" in window(report, "2013-05").alerts
    quality = window(report, "2013-05").quality
    assert quality is not None
    assert quality.known == 3000
    assert "auc" not in quality.metrics
    assert quality.absent["auc"] == "all known outcomes are of one class"


def test_a_regression_is_judged_by_its_errors(bench: Bench) -> None:
    deployment = bench.deployment(bench.model(1, signature=MINUTES, name="minutes"), name="minutes")
    sent = bench.send(deployment, "2013-04-01")
    rows = [f"{identifier},{score + 2}" for identifier, score in zip(sent.ids, sent.scores, strict=True)]
    bench.truth("\n".join(["prediction_id,label", *rows]), "minutes")
    (found,) = bench.monitors.report("minutes").windows
    assert found.quality is not None
    assert found.quality.metrics["bias"] == pytest.approx(-2)
    assert found.quality.metrics["mae"] == pytest.approx(2)
    assert found.prediction_drift is not None
    assert found.prediction_drift.level == "none"


def test_a_model_without_a_profile_says_why_nothing_is_compared(bench: Bench) -> None:
    bench.send(bench.deployment(bench.model(1, trained=None), skip=()), "2013-04-01")
    report = bench.monitors.report("delay")
    assert report.windows[0].drift == ()
    assert set(report.skipped.values()) == {"the model has no reference profile"}


def test_windows_and_bounds_are_of_event_time(bench: Bench) -> None:
    bench.send(bench.deployment(bench.model(1)), "2013-04-01")
    report = bench.monitors.report("delay", every="week", start=at("2013-04-08"), end=at("2013-04-15"))
    assert [found.label for found in report.windows] == ["2013-W15"]
    with pytest.raises(InvalidInput) as caught:
        bench.monitors.report("delay", every="year")
    assert caught.value.kind == "unknown-window"
    with pytest.raises(InvalidInput) as caught:
        bench.monitors.report("delay", start=5, end=5)
    assert caught.value.kind == "empty-range"


def test_refused_requests_are_shown(bench: Bench) -> None:
    bench.send(bench.deployment(bench.model(1)), "2013-04-01", 300, rejected=3)
    report = bench.monitors.report("delay")
    assert report.rejected == {"missing-feature": 3}
    assert report.alerts == ("3 requests were refused (against 300 answered), most often: missing-feature (3)",)


def test_low_coverage_is_an_alert(bench: Bench) -> None:
    deployment = bench.deployment(bench.model(1))
    bench.late(bench.send(deployment, "2013-04-01"), known=0.1)
    told = window(bench.monitors.report("delay"), "2013-04").alerts
    assert any("predictions is known (1" in sentence for sentence in told)


def test_an_unknown_deployment_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound) as caught:
        bench.monitors.report("nothing")
    assert caught.value.kind == "unknown-reference"


def test_a_file_of_truths_is_counted_kept_and_recorded(bench: Bench) -> None:
    deployment = bench.deployment(bench.model(1))
    sent = bench.send(deployment, "2013-04-01", 5)
    unknown = "018bcfe5-6800-7000-8000-00000000000a"
    table = f"prediction_id,label,known_at\n{sent.ids[0]},1,2013-05-01\n{sent.ids[1]},0,\n{unknown},1,\nabc,1,\n{sent.ids[1]},1,\n"
    receipt = bench.truth(table)
    assert (receipt.accepted, receipt.replaced, receipt.unknown, receipt.duplicates) == (2, 0, 2, 1)
    assert receipt.unknown_examples == (unknown, "abc")
    again = bench.truth(table)
    assert (again.accepted, again.unchanged, again.replaced) == (2, 2, 0)
    assert bench.truth(f"prediction_id,label\n{sent.ids[0]},0\n").replaced == 1
    assert bench.deployments.prediction(sent.ids[1]).truth == 1
    with bench.site.ledger.read() as connection:
        events = list_events(connection, project_id=bench.site.project_id, subject="deployment:delay")
    assert [event["action"] for event in events] == ["truth.added"] * 3


@pytest.mark.parametrize(
    "table",
    [
        "prediction_id,late\n{0},1\n",
        "prediction_id,label\n{0},1\n{1}\n",
        "prediction_id,label\n{0},1\n{1},soon\n",
        "",
        "prediction_id,label\n{0},1\n{1},\n",
    ],
)
def test_of_a_bad_file_nothing_is_taken(bench: Bench, table: str) -> None:
    deployment = bench.deployment(bench.model(1))
    sent = bench.send(deployment, "2013-04-01", 2)
    with pytest.raises(InvalidInput) as caught:
        bench.truth(table.format(*sent.ids))
    assert caught.value.kind == "bad-truth-file"
    assert not (bench.deployments.folder(deployment) / "truths" / FILE).exists()
    with bench.site.ledger.read() as connection:
        assert list_events(connection, project_id=bench.site.project_id) == []


def test_a_file_that_is_not_there_or_no_file_is_said(bench: Bench, tmp_path: Path) -> None:
    bench.deployment(bench.model(1))
    with pytest.raises(NotFound) as missing:
        bench.monitors.add_truth("delay", tmp_path / "none.csv")
    assert missing.value.kind == "no-such-file"
    with pytest.raises(InvalidInput) as folder:
        bench.monitors.add_truth("delay", tmp_path)
    assert folder.value.kind == "bad-truth-file"


def test_damage_is_told_and_costs_only_what_is_damaged(bench: Bench) -> None:
    deployment = bench.deployment(bench.model(1))
    bench.send(deployment, "2013-04-01", 300)
    bench.send(deployment, "2013-05-01", 300)
    segment = min((bench.deployments.folder(deployment) / "predictions").iterdir())
    segment.write_bytes(b"not a segment" * 10)
    report = bench.monitors.report("delay")
    assert report.total == 300
    assert any(segment.name in sentence for sentence in report.alerts)
    truths = bench.deployments.folder(deployment) / "truths" / FILE
    truths.parent.mkdir()
    truths.write_bytes(b"not truths at all")
    with pytest.raises(Integrity) as caught:
        bench.monitors.report("delay")
    assert caught.value.exit_code == 5


def test_a_report_of_a_hundred_thousand_rows_is_quick(bench: Bench) -> None:
    rows = 100_000
    more: dict[str, Any] = {f"f{number}": bench.random.normal(size=rows) for number in range(9)}
    trained = {**TRAINED, **{name: values[:3600] for name, values in more.items()}}
    sent = bench.send(bench.deployment(bench.model(1, trained=trained)), "2013-04-01", rows, **more)
    bench.late(sent, known=0.9)
    before = time.process_time()
    report = bench.monitors.report("delay")
    assert len(report.windows[0].drift) == 12
    assert time.process_time() - before < 3  # about 1 s on a quiet machine


def test_a_real_service_is_watched_from_its_first_answer_to_the_truth(site: Site, tmp_path: Path) -> None:
    bench = Bench(site)
    random = np.random.default_rng(0)
    hour = random.integers(5, 23, 2000).astype(float)
    table = pd.DataFrame({"hour": hour, "distance": random.normal(1000, 300, 2000)})
    estimator = LogisticRegression(max_iter=500).fit(table, (random.uniform(size=2000) < hour / 30).astype(int))
    runs = LocalRuns(site, lambda: bench.datasets)
    recorder = runs.start(RunRequest(name="train", command=("python", "train.py"), folder=tmp_path))
    recorder.model("delay", estimator, table)
    recorder.summary({"accuracy": 0.6}, "test")
    recorder.finish(0)
    bench.models.register(f"run:{recorder.run_id}", name="delay")
    tried = bench.deployments.deploy(f"run:{recorder.run_id}", name="tried", trial=True)
    deployment = bench.deployments.deploy("delay@1")
    try:
        answered: list[str] = []
        for first in range(0, 1000, 250):
            rows = table.iloc[first : first + 250].to_dict("records")
            body = {"instances": rows, "event_time": "2013-04-05T10:00:00Z"}
            answered += httpx.post(f"{deployment.url}/predict", json=body, timeout=30).raise_for_status().json()["prediction_ids"]
            httpx.post(f"{tried.url}/predict", json=body, timeout=30).raise_for_status()
        assert httpx.post(f"{deployment.url}/predict", json={"instances": [{"hour": 5}]}, timeout=30).status_code == 422
    finally:
        bench.deployments.undeploy("delay")
        bench.deployments.undeploy("tried")
    assert bench.truth("\n".join(["prediction_id,label,known_at", *(f"{name},1,2013-04-19T10:00:00Z" for name in answered)])).accepted == 1000
    report = bench.monitors.report("delay", every="day")
    (found,) = report.windows
    assert (found.label, found.predictions) == ("2013-04-05", 1000)
    assert set(levels(found).values()) == {"none"}
    assert found.quality is not None
    assert found.quality.delay_us == 14 * 24 * HOUR
    assert sum(report.rejected.values()) == 1
    assert report.reference_quality == {"accuracy": 0.6}
    trial = bench.monitors.report("tried")
    assert trial.trial
    assert trial.note.startswith("This is a trial")
    assert trial.windows[0].drift
    assert trial.reference_quality == {"accuracy": 0.6}
