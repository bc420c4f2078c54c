"""One contract for every model format, then what each brand must refuse or tell."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from blake3 import blake3
from skl2onnx import to_onnx
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from lineal.errors import Integrity, InvalidInput, PermissionDenied
from lineal.serving.formats import canonical_digest, detect_format, load_model, looks_like_model, require_format, save_model
from lineal.serving.formats.interface import Format
from lineal.serving.formats.onnx_format import OnnxFormat
from lineal.serving.formats.skops_format import SkopsFormat, is_trusted

FEATURES, LABELS = make_classification(n_samples=200, n_features=5, n_informative=3, random_state=1)
MODEL = LogisticRegression().fit(FEATURES, LABELS)
COLUMNS = {f"x{place}": FEATURES[:, place].tolist() for place in range(5)}


class FormatContract:
    """What every format must do."""

    brand: Format

    def subject(self) -> Any:
        """A binary classifier over five numbers, as this format takes it."""
        raise NotImplementedError

    def test_what_was_saved_answers_as_before(self, tmp_path: Path) -> None:
        path = tmp_path / f"model{self.brand.suffix}"
        self.brand.save(self.subject(), path)
        answers = self.brand.load(path).predict(COLUMNS)
        assert list(answers.output) == MODEL.predict(FEATURES).tolist()
        assert answers.score is not None
        assert np.allclose(answers.score, MODEL.predict_proba(FEATURES)[:, 1], atol=1e-5)
        assert all(type(label) is int for label in answers.output)

    def test_a_single_row_is_a_batch(self, tmp_path: Path) -> None:
        path = tmp_path / f"model{self.brand.suffix}"
        self.brand.save(self.subject(), path)
        answers = self.brand.load(path).predict({name: values[:1] for name, values in COLUMNS.items()})
        assert len(answers.output) == 1

    def test_its_files_are_known_by_content_and_no_others(self, tmp_path: Path) -> None:
        path = tmp_path / f"model{self.brand.suffix}"
        self.brand.save(self.subject(), path)
        assert self.brand.detect(path)
        assert detect_format(path) is not None
        other = tmp_path / f"other{self.brand.suffix}"
        other.write_bytes(pickle.dumps({"a": 1}))
        assert not self.brand.detect(other)
        other.write_bytes(b"")
        assert not self.brand.detect(other)

    def test_two_saves_of_one_model_have_one_canonical_digest(self, tmp_path: Path) -> None:
        digests = set()
        for place in range(2):
            path = tmp_path / f"model{place}{self.brand.suffix}"
            self.brand.save(self.subject(), path)
            digests.add(self.brand.canonical_digest(path.read_bytes()))
        assert len(digests) == 1

    def test_another_model_has_another_canonical_digest(self, tmp_path: Path) -> None:
        path = tmp_path / f"model{self.brand.suffix}"
        self.brand.save(self.subject(), path)
        data = path.read_bytes()
        assert self.brand.canonical_digest(data) != self.brand.canonical_digest(self.another())

    def another(self) -> bytes:
        """The file of another model."""
        raise NotImplementedError

    def test_a_damaged_file_is_told_as_damage(self, tmp_path: Path) -> None:
        path = tmp_path / f"model{self.brand.suffix}"
        self.brand.save(self.subject(), path)
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(Integrity) as caught:
            self.brand.load(path)
        assert caught.value.kind == "damaged-model"

    def test_its_signature_names_five_numbers_and_two_classes(self, tmp_path: Path) -> None:
        path = tmp_path / f"model{self.brand.suffix}"
        self.brand.save(self.subject(), path)
        signature = self.brand.load(path).signature
        assert [(column.name, column.type) for column in signature.inputs] == [(f"x{place}", "float") for place in range(5)]
        assert signature.task == "classification"
        assert signature.classes == (0, 1)


class TestSkops(FormatContract):
    brand = SkopsFormat()

    def subject(self) -> Any:
        return MODEL

    def another(self) -> bytes:
        return bytes(skops.io.dumps(LogisticRegression(C=0.5).fit(FEATURES, LABELS)))


class TestOnnx(FormatContract):
    brand = OnnxFormat()

    def subject(self) -> Any:
        return to_onnx(MODEL, FEATURES[:1].astype(np.float32), options={"zipmap": False})

    def another(self) -> bytes:
        other = LogisticRegression(C=0.5).fit(FEATURES, LABELS)
        return bytes(to_onnx(other, FEATURES[:1].astype(np.float32), options={"zipmap": False}).SerializeToString())


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "numpy.load",
        "numpy.memmap",
        "numpy.testing._private.utils.runstring",
        "numpy.f2py.__main__.main",
        "sklearn.utils.parallel.Parallel.__call__",
        "sklearn.externals.something.Thing",
        "sklearnish.Model",
        "scipy.io.loadmat",
        "__main__.Custom",
    ],
)
def test_functions_programs_and_foreign_types_are_not_trusted(name: str) -> None:
    assert not is_trusted(name)


@pytest.mark.parametrize(
    "model", [RandomForestClassifier(n_estimators=3, random_state=0), HistGradientBoostingClassifier(max_iter=3, random_state=0)]
)
def test_tree_models_load_under_the_policy_and_refit_to_the_same_digest(model: Any, tmp_path: Path) -> None:
    first, second = (save_model(model.fit(FEATURES, LABELS), None, tmp_path / name) for name in ("a", "b"))
    assert canonical_digest(first.path) == canonical_digest(second.path)
    assert list(load_model(first.path, "skops").predict(COLUMNS).output) == model.predict(FEATURES).tolist()


class Foreign(BaseEstimator):  # type: ignore[misc]
    """A class that lives outside scikit-learn."""

    def fit(self, _features: Any, _labels: Any = None) -> Foreign:
        return self

    def predict(self, features: Any) -> Any:
        return np.zeros(len(features))


def test_a_model_with_a_foreign_class_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(make_pipeline(FunctionTransformer(), Foreign()), path)
    with pytest.raises(PermissionDenied) as caught:
        SkopsFormat().load(path)
    assert caught.value.kind == "untrusted-model"
    assert "Foreign" in caught.value.message
    with pytest.raises(PermissionDenied):
        save_model(Foreign(), None, tmp_path / "saved")


def test_a_function_in_a_model_never_runs(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(FunctionTransformer(func=os.system), path)
    with pytest.raises(PermissionDenied) as caught:
        SkopsFormat().load(path)
    assert "system" in caught.value.message


def test_an_allow_list_inside_the_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(make_pipeline(Foreign()), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("trusted.json", json.dumps([f"{__name__}.Foreign"]))
    with pytest.raises(PermissionDenied):
        SkopsFormat().load(path)


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".skops", ""])
def test_a_pickle_is_refused_with_the_way_out_whatever_its_name(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(MODEL))
    with pytest.raises(PermissionDenied) as caught:
        require_format(path)
    assert caught.value.kind == "unsafe-model"
    assert "skops.io.dump" in caught.value.hint


def test_something_else_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    path.write_text("hello")
    with pytest.raises(InvalidInput) as caught:
        require_format(path)
    assert caught.value.kind == "unsupported-model"
    with pytest.raises(InvalidInput):
        save_model(object(), None, tmp_path)
    assert looks_like_model("out/model.joblib")
    assert not looks_like_model("out/report.csv")


def test_the_canonical_digest_of_another_file_is_its_content_id(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"hello")
    assert canonical_digest(path) == "blake3:" + blake3(b"hello").hexdigest()


def test_padding_inside_records_does_not_count() -> None:
    kind = np.dtype({"names": ["a", "b"], "formats": ["<i8", "u1"], "itemsize": 16})
    digests = []
    for noise in (0, 255):
        records = np.frombuffer(bytes([noise]) * 32, dtype=kind).copy()
        records["a"], records["b"] = 1, 2
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            array = io.BytesIO()
            np.save(array, records)
            archive.writestr(f"{id(records)}.npy", array.getvalue())
            archive.writestr("schema.json", json.dumps({"file": f"{id(records)}.npy", "__id__": id(records)}))
        digests.append(SkopsFormat().canonical_digest(stream.getvalue()))
    assert digests[0] == digests[1]


def test_onnx_takes_one_input_per_feature_too(tmp_path: Path, late: Pipeline, flights: pd.DataFrame) -> None:
    path = tmp_path / "model.onnx"
    given = flights.astype({"distance": np.float32, "hour": np.float32})
    path.write_bytes(to_onnx(late, given[:1], options={"zipmap": False}).SerializeToString())
    predictor = OnnxFormat().load(path)
    assert [(column.name, column.type) for column in predictor.signature.inputs] == [("carrier", "string"), ("distance", "float"), ("hour", "float")]
    answers = predictor.predict({name: flights[name].tolist() for name in ("carrier", "distance", "hour")})
    assert answers.score is not None
    assert np.allclose(answers.score, late.predict_proba(flights)[:, 1], atol=1e-4)
    assert list(answers.output) == late.predict(flights).tolist()


def test_a_file_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        with archive.open("0.npy", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    for reading in (lambda: load_model(path, "skops"), lambda: SkopsFormat().canonical_digest(path.read_bytes())):
        with pytest.raises(Integrity) as caught:
            reading()
        assert caught.value.kind == "damaged-model"
        assert "unpack" in caught.value.message
