"""Trained models, bundles of them, and services that really run."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from blake3 import blake3
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lineal.records.digest import blake3_digest
from lineal.serving.bundle import Manifest, write_manifest
from lineal.serving.formats import save_model


@pytest.fixture(scope="session")
def flights() -> pd.DataFrame:
    draw = np.random.default_rng(7)
    rows = 600
    return pd.DataFrame(
        {
            "carrier": draw.choice(["AA", "DL", "UA"], rows),
            "distance": draw.normal(1000, 300, rows).round(1),
            "hour": draw.integers(5, 23, rows).astype(float),
        }
    )


@pytest.fixture(scope="session")
def late(flights: pd.DataFrame) -> Pipeline:
    """A classifier over texts and numbers."""
    prepare = ColumnTransformer([("texts", OneHotEncoder(handle_unknown="ignore"), ["carrier"]), ("numbers", StandardScaler(), ["distance", "hour"])])
    target = ((flights["hour"] > 15) & (flights["carrier"] != "DL")).astype(int)
    return make_pipeline(prepare, LogisticRegression()).fit(flights, target)


@pytest.fixture(scope="session")
def delay(flights: pd.DataFrame) -> Any:
    """A regression on numbers only."""
    numbers = flights[["distance", "hour"]]
    return LinearRegression().fit(numbers, numbers["hour"] * 2 + numbers["distance"] / 100)


def make_bundle(folder: Path, estimator: Any, example: Any, model: str = "delay@1") -> Path:
    saved = save_model(estimator, example, folder)
    digest = blake3_digest(blake3(saved.path.read_bytes()).digest())
    manifest = Manifest(
        format_version=1,
        model=model,
        model_format=saved.format,
        file=saved.path.name,
        digest=digest,
        signature=saved.signature,
        name="delay",
        deployment="d1",
    )
    write_manifest(folder, manifest)
    return folder


class RunningService:
    """A service in a process of its own, and a client of it."""

    def __init__(self, bundle: Path, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = bundle / "service.log"
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "lineal.serving", "--bundle", str(bundle), "--port", str(self.port), *arguments]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.predictions = bundle / "predictions"
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def wait(self) -> RunningService:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if self.client.get("/health").status_code == 200:
                    return self
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def predict(self, *instances: dict[str, Any], **more: Any) -> httpx.Response:
        return self.client.post("/predict", json={"instances": list(instances), **more})

    def stop(self) -> int:
        self.client.close()
        self.process.terminate()
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=30)


@pytest.fixture
def serve() -> Iterator[Callable[..., RunningService]]:
    started: list[RunningService] = []

    def start(bundle: Path, *arguments: str) -> RunningService:
        service = RunningService(bundle, *arguments)
        started.append(service)
        return service.wait()

    yield start
    for service in started:
        service.client.close()
        if service.process.poll() is None:
            service.process.terminate()
        service.process.wait(timeout=30)


@pytest.fixture
def bundle(tmp_path: Path, late: Pipeline, flights: pd.DataFrame) -> Path:
    return make_bundle(tmp_path / "bundle", late, flights)


@pytest.fixture
def bundle_of(tmp_path: Path) -> Callable[..., Path]:
    def make(estimator: Any, example: Any) -> Path:
        return make_bundle(tmp_path / "other", estimator, example)

    return make


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory, late: Pipeline, flights: pd.DataFrame) -> Iterator[RunningService]:
    """One service for all tests that only ask and leave it as it was: starting one costs seconds."""
    service = RunningService(make_bundle(tmp_path_factory.mktemp("standing"), late, flights), "--allow-host", "models.example")
    try:
        yield service.wait()
    finally:
        service.stop()
