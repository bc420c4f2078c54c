from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from lineal.errors import Conflict, InvalidInput, InvalidState, NotFound, PermissionDenied
from lineal.ledger.events import list_events
from lineal.ledger.graph import FileFact, add_edge, add_output, mark_deleted
from lineal.ledger.nodes import load_nodes
from lineal.monitoring.profile import Profile
from lineal.records.graph import USED
from lineal.serving.bundle import read_manifest
from lineal.serving.formats import save_model
from lineal.workspace import collection
from lineal.workspace.interface import RunRequest
from lineal.workspace.registry import LocalModels
from lineal.workspace.site import Site
from lineal.workspace.tracking import LocalRuns
from lineal.workspace.versioning import LocalDatasets

DRAW = np.random.default_rng(3)
FLIGHTS = pd.DataFrame({"carrier": DRAW.choice(["AA", "UA"], 300), "hour": DRAW.integers(5, 23, 300).astype(float)})
LATE = make_pipeline(
    make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["carrier"]), (StandardScaler(), ["hour"])), LogisticRegression()
).fit(FLIGHTS, (FLIGHTS["hour"] > 15).astype(int))

Write = Callable[..., str]


@pytest.fixture
def models(site: Site) -> LocalModels:
    return LocalModels(site, LocalDatasets(site))


@pytest.fixture
def write(site: Site) -> Write:
    """Ties a file's content to a run, as ingesting its journal would."""

    def add(run: str, path: str, data: bytes, *, role: str = "", kind: str = "file", direction: str = "output", **detail: Any) -> str:
        digest = site.store.put_bytes(data)
        fact = FileFact(root="project", path=path.encode(), digest=digest, size=len(data), role=role, kind=kind, detail=detail)
        with site.ledger.write() as connection:
            maker = run if direction == "output" else "import-" + run
            made = add_output(connection, project_id=site.project_id, activity=maker, file=fact, at=1, new_id=lambda: site.entropy(16).hex())
            if direction == "input":
                add_edge(connection, project_id=site.project_id, source=run, target=made, relation=USED, role=role)
        return made

    return add


def skops_bytes(estimator: Any = LATE) -> bytes:
    return bytes(skops.io.dumps(estimator))


def test_a_registered_model_has_number_signature_and_place_in_the_graph(site: Site, models: LocalModels, facts: Any, write: Write) -> None:
    run = facts.run()
    file = write(run, "out/model.skops", skops_bytes())
    version = models.register(run, name="delay", note="first")
    assert (version.reference, version.run, version.format, version.path) == ("delay@1", run, "skops", "out/model.skops")
    assert [(column.name, column.type) for column in version.signature.inputs] == [("carrier", "string"), ("hour", "float")]
    assert models.get("delay") == models.get("model:delay@1") == models.get("delay@latest") == version
    assert models.register(run, name="delay").number == 2
    assert models.get("delay").number == 2
    (model,) = models.list()
    assert (model.name, [item.number for item in model.versions]) == ("delay", [1, 2])
    with site.ledger.read() as connection:
        node = load_nodes(connection, site.project_id, [version.occurrence])[version.occurrence]
        actions = [event["action"] for event in list_events(connection, project_id=site.project_id)]
    assert (node.kind, node.reference) == ("model", "model:delay@1")
    assert actions.count("model.registered") == 2
    assert file != version.occurrence


def test_the_profile_counts_the_training_table_and_the_answers_to_it(site: Site, models: LocalModels, facts: Any, write: Write) -> None:
    run = facts.run()
    write(run, "data/test.csv", FLIGHTS.head(100).to_csv(index=False).encode(), role="test", direction="input")
    write(run, "data/train.csv", FLIGHTS.to_csv(index=False).encode(), role="train", direction="input")
    write(run, "data/other.csv", b"a,b\n1,2\n", direction="input")
    write(run, "model.skops", skops_bytes())
    version = models.register(run, name="delay")
    assert version.profile is not None
    profile = Profile.decode(site.store.read(version.profile))
    assert (profile.rows, profile.task, set(profile.features)) == (300, "classification", {"carrier", "hour"})
    assert profile.predictions is not None
    assert profile.predictions.total == 300


def test_without_a_table_there_is_no_profile(models: LocalModels, facts: Any, write: Write) -> None:
    run = facts.run()
    write(run, "model.skops", skops_bytes())
    assert models.register(run, name="delay").profile is None


def test_what_the_run_recorded_with_the_model_goes_first(site: Site, models: LocalModels, facts: Any, write: Write, tmp_path: Path) -> None:
    run = facts.run()
    example = FLIGHTS.assign(hour=FLIGHTS["hour"].astype(int)).head(50)
    saved = save_model(LATE, example, tmp_path)
    assert saved.example is not None
    import msgspec

    write(run, "m/model.skops", saved.path.read_bytes(), kind="model", role="model", format="skops", signature=msgspec.to_builtins(saved.signature))
    write(run, "m/model.skops.example", saved.example.read_bytes(), role="example")
    version = models.register(run, name="delay")
    assert version.signature.origin == "example"
    assert [column.type for column in version.signature.inputs] == ["string", "int"]
    assert version.profile is not None
    assert Profile.decode(site.store.read(version.profile)).rows == 50


def test_several_models_need_a_path(models: LocalModels, facts: Any, write: Write) -> None:
    run = facts.run()
    write(run, "a.skops", skops_bytes())
    write(run, "out/b.skops", skops_bytes(LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])))
    with pytest.raises(InvalidInput) as caught:
        models.register(run, name="delay")
    assert caught.value.kind == "several-models"
    assert "a.skops" in caught.value.message
    assert "out/b.skops" in caught.value.message
    assert models.register(run, name="delay", path="out/b.skops").signature.task == "regression"
    assert models.register(run, name="delay", path="b.skops").path == "out/b.skops"
    with pytest.raises(NotFound) as missing:
        models.register(run, name="delay", path="c.skops")
    assert missing.value.kind == "no-model"


def test_a_safe_file_is_taken_where_a_pickle_lies_beside_it(models: LocalModels, facts: Any, write: Write) -> None:
    run = facts.run()
    write(run, "model.pkl", pickle.dumps(LATE))
    write(run, "model.skops", skops_bytes())
    assert models.register(run, name="delay").path == "model.skops"


@pytest.mark.parametrize("path", ["model.pkl", "model.joblib", "model.skops"])
def test_a_pickle_is_refused_with_the_way_out(path: str, models: LocalModels, facts: Any, write: Write) -> None:
    run = facts.run()
    write(run, path, pickle.dumps(LATE))
    with pytest.raises(PermissionDenied) as caught:
        models.register(run, name="delay")
    assert caught.value.kind == "unsafe-model"
    assert "skops.io.dump" in caught.value.hint
    assert list(models.list()) == []


def test_a_foreign_class_is_refused(models: LocalModels, facts: Any, write: Write) -> None:
    run = facts.run()
    write(run, "model.skops", skops_bytes(make_pipeline(FunctionTransformer(func=np.load), LinearRegression())))
    with pytest.raises(PermissionDenied) as caught:
        models.register(run, name="delay")
    assert caught.value.kind == "untrusted-model"


def test_runs_that_cannot_give_a_model_are_told(site: Site, models: LocalModels, facts: Any, write: Write) -> None:
    empty = facts.run("empty")
    with pytest.raises(NotFound) as nothing:
        models.register(empty, name="delay")
    assert nothing.value.kind == "no-model"
    mistaken = facts.run("mistaken", mistake="leaks")
    write(mistaken, "model.skops", skops_bytes())
    with pytest.raises(InvalidState) as caught:
        models.register(mistaken, name="delay")
    assert caught.value.kind == "marked-mistake"
    lost = facts.run("lost")
    facts.file("model.skops", by=lost)
    with pytest.raises(InvalidState) as gone:
        models.register(lost, name="delay")
    assert gone.value.kind == "not-restorable"
    deleted = facts.run("deleted")
    with site.ledger.write() as connection:
        mark_deleted(connection, [deleted], 1)
    with pytest.raises(NotFound):
        models.register("nonsense", name="delay")


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "a@1", "run:x", "-x", "ü", "x" * 200])
def test_names_that_references_could_not_tell_apart_are_refused(name: str, models: LocalModels) -> None:
    with pytest.raises(InvalidInput) as caught:
        models.register("anything", name=name)
    assert caught.value.kind == "bad-name"


def test_aliases_move_and_go(models: LocalModels, facts: Any, write: Write) -> None:
    run = facts.run()
    write(run, "model.skops", skops_bytes())
    for _turn in range(2):
        models.register(run, name="delay")
    assert models.set_alias("delay@1", "champion").aliases == ("champion",)
    assert models.get("delay@champion").number == 1
    models.set_alias("delay@2", "champion")
    assert models.get("delay@champion").number == 2
    assert models.get("delay@1").aliases == ()
    models.remove_alias("delay", "champion")
    with pytest.raises(NotFound):
        models.get("delay@champion")
    with pytest.raises(NotFound):
        models.remove_alias("delay", "champion")
    for alias in ("latest", "3", "a b", ""):
        with pytest.raises(InvalidInput) as caught:
            models.set_alias("delay@1", alias)
        assert caught.value.kind == "bad-alias"


def test_a_bundle_holds_model_manifest_and_profile(models: LocalModels, facts: Any, write: Write, tmp_path: Path) -> None:
    run = facts.run()
    write(run, "train.csv", FLIGHTS.to_csv(index=False).encode(), direction="input")
    write(run, "model.skops", skops_bytes())
    models.register(run, name="delay")
    folder = models.export("delay", tmp_path / "out")
    manifest = read_manifest(folder)
    assert (manifest.model, manifest.model_format, manifest.profile) == ("delay@1", "skops", "profile.bin")
    assert (folder / manifest.file).read_bytes()
    assert Profile.decode((folder / "profile.bin").read_bytes()).rows == 300
    with pytest.raises(Conflict) as caught:
        models.export("delay", folder)
    assert caught.value.kind == "folder-not-empty"


def test_metrics_of_the_run_stay_with_the_version_whatever_their_value(site: Site, models: LocalModels, facts: Any, write: Write) -> None:
    from lineal.ledger.schema import metrics

    run = facts.run()
    write(run, "model.skops", skops_bytes())
    with site.ledger.write() as connection:
        row = {"project_id": site.project_id, "run_id": run, "key": "auc", "last": None, "points": 1}
        connection.execute(metrics.insert().values(row))
    assert np.isnan(models.register(run, name="delay").metrics["auc"])
    assert np.isnan(models.get("delay").metrics["auc"])


def test_the_files_of_a_run_that_just_ended_are_waited_for(site: Site, models: LocalModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*args: Any, **kwargs: Any) -> bool:
        time.sleep(0.3)
        return collect_run(*args, **kwargs)

    collect_run = collection.collect_run
    monkeypatch.setattr(collection, "collect_run", slowly)
    recorder = LocalRuns(site, lambda: LocalDatasets(site)).start(RunRequest(name="train", command=("python", "train.py"), folder=tmp_path))
    recorder.model("delay", LATE, FLIGHTS)
    recorder.finish(0)
    assert models.register(f"run:{recorder.run_id}", name="delay").number == 1


def test_files_that_take_too_long_are_told(site: Site, models: LocalModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "await_files", lambda _site, _run: False)
    recorder = LocalRuns(site, lambda: LocalDatasets(site)).start(RunRequest(name="train", command=("python", "train.py"), folder=tmp_path))
    recorder.finish(0)
    with pytest.raises(InvalidState) as caught:
        models.register(f"run:{recorder.run_id}", name="delay")
    assert caught.value.kind == "run-incomplete"
