from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineal.capture.journal import JournalWriter, journal_paths, read_journal
from lineal.capture.recorder import JournalRecorder
from lineal.errors import InvalidInput, InvalidState
from lineal.records import journal
from lineal.records.location import locate
from lineal.records.model import Column, SavedModel, Signature


def save(_estimator: Any, _example: Any, folder: Path) -> SavedModel:
    path = folder / "model.skops"
    path.write_bytes(b"model")
    (folder / "example.npz").write_bytes(b"rows")
    signature = Signature(inputs=(Column(name="x", type="float"),), outputs=(), task="regression")
    return SavedModel(path=path, format="skops", signature=signature, example=folder / "example.npz")


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[JournalRecorder]:
    made = new(tmp_path)
    yield made
    made.finish(0)


def new(folder: Path, **more: Any) -> JournalRecorder:
    writer = JournalWriter(
        folder / "journals", run="a" * 32, project="p" * 32, clock=lambda: time.time_ns() // 1000, entropy=os.urandom, flush_seconds=3600
    )
    facts: dict[str, Any] = {
        "folder": folder,
        "overrides": {"depth": 8, "rate": 1},
        "models": folder / "models",
        "save_model": save,
        "locate": lambda path: locate(path, project=os.fsencode(folder), home=b"/nowhere"),
        "finish": lambda _code: None,
    }
    return JournalRecorder(writer, **{**facts, **more})


def entries(recorder: JournalRecorder, kind: str) -> list[dict[str, Any]]:
    recorder.journal.flush()
    return [entry for path in journal_paths(recorder.journal.folder) for entry in read_journal(path) if entry["k"] == kind]


def test_recorders_give_their_argument_back(recorder: JournalRecorder) -> None:
    estimator, values = object(), {"depth": 4}
    assert recorder.params(values) is values
    assert recorder.tag("team", "a") == "a"
    assert recorder.note("text") == "text"
    assert recorder.input("data/x.csv", "train") == "data/x.csv"
    assert recorder.output("plots/roc.png", "") == "plots/roc.png"
    assert recorder.model("delay", estimator, None) is estimator


def test_an_override_wins_and_takes_the_type_of_the_default(recorder: JournalRecorder) -> None:
    assert (recorder.param("depth", 4), recorder.param("rate", 0.1), recorder.param("other", "x")) == (8, 1.0, "x")
    assert isinstance(recorder.param("rate", 0.1), float)
    found = {key: entry["origin"] for entry in entries(recorder, journal.PARAMS) for key in entry["values"]}
    assert found == {"depth": "override", "rate": "override", "other": "recorded"}


def test_an_override_that_nobody_asks_for_is_known(recorder: JournalRecorder) -> None:
    recorder.params({"rate": 0.3})
    recorder.param("depth", 4)
    assert recorder.unused_overrides == ("rate",)


def test_numbers_of_every_kind_are_logged_and_others_are_refused(recorder: JournalRecorder) -> None:
    recorder.log({"loss": np.float32(0.5), "n": True, "nan": float("nan")}, np.int64(3))  # type: ignore[arg-type, dict-item]
    with pytest.raises(InvalidInput, match="metric loss is 'high'") as caught:
        recorder.log({"loss": "high"}, 1)  # type: ignore[dict-item]
    assert caught.value.kind == "not-a-number"
    for step in ("a", 0.5, 1 << 63, float("nan")):
        with pytest.raises(InvalidInput, match="step"):
            recorder.log({"loss": 1.0}, step)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        recorder.summary({"auc": None}, "test")  # type: ignore[dict-item]
    (points,) = entries(recorder, journal.POINTS)
    assert points["keys"] == ["loss", "n", "nan"]


def test_a_mapping_may_be_changed_after_it_was_logged(recorder: JournalRecorder) -> None:
    values, nested = {"loss": 1.0}, {"list": [1]}
    recorder.log(values, 0)
    recorder.params(nested)
    values["loss"] = 2.0
    nested["list"].append(2)
    (points,) = entries(recorder, journal.POINTS)
    assert np.frombuffer(points["value"]).tolist() == [1.0]
    assert entries(recorder, journal.PARAMS)[0]["values"] == {"list": [1]}


def test_declared_paths_are_absolute_and_urls_hold_no_secrets(recorder: JournalRecorder, tmp_path: Path) -> None:
    recorder.input("data/../x.csv", "train")
    recorder.input("s3://key:secret@bucket/a.csv?X-Amz-Security-Token=abc", "")
    recorder.output((tmp_path / "y.csv").as_uri(), "")
    first, second = entries(recorder, journal.DECLARED)
    assert (first["path"], first["direction"], first["role"]) == (os.fsencode(tmp_path / "x.csv"), "input", "train")
    assert (second["path"], second["direction"]) == (os.fsencode(tmp_path / "y.csv"), "output")
    (read,) = entries(recorder, journal.READ)
    assert (read["url"], read["direction"], read["declared"]) == ("s3://bucket/a.csv", "input", True)


def test_a_model_is_written_declared_and_described(recorder: JournalRecorder, tmp_path: Path) -> None:
    recorder.model("delay", object(), None)
    assert (tmp_path / "models" / "delay" / "model.skops").exists()
    assert [entry["role"] for entry in entries(recorder, journal.DECLARED)] == ["model", "example"]
    (model,) = entries(recorder, journal.MODEL)
    assert (model["name"], model["root"], model["path"], model["format"]) == ("delay", "project", b"models/delay/model.skops", "skops")
    assert model["signature"]["inputs"][0]["name"] == "x"
    for name in ("", "a/b", "..", "a\0"):
        with pytest.raises(InvalidInput) as caught:
            recorder.model(name, object(), None)
        assert caught.value.kind == "bad-name"


def test_finishing_happens_once_and_nothing_is_recorded_after_it(tmp_path: Path) -> None:
    codes: list[int] = []
    recorder = new(tmp_path, finish=codes.append)
    recorder.finish(3)
    recorder.finish(4)
    assert codes == [3]
    for call in (lambda: recorder.log({"a": 1.0}, 0), lambda: recorder.note("x"), lambda: recorder.param("a", 1)):
        with pytest.raises(InvalidState) as caught:
            call()
        assert caught.value.kind == "run-ended"


def test_a_forked_child_ends_only_its_own_part(tmp_path: Path) -> None:
    codes: list[int] = []
    recorder = new(tmp_path, finish=codes.append)
    child = os.fork()
    if child == 0:
        try:
            recorder.log({"child": 1.0}, 0)
            recorder.finish(0)
        finally:
            os._exit(len(codes))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    recorder.log({"parent": 1.0}, 0)
    recorder.finish(0)
    names = [name for path in journal_paths(tmp_path / "journals") for entry in read_journal(path) for name in entry.get("keys", ())]
    assert sorted(names) == ["child", "parent"]
    assert codes == [0]
