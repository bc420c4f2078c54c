"""The sample workspace and a visitor of the pages, for the tests of both halves of `lineal ui`."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from lineal.pages import application


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lineal_sample", Path(__file__).parent / "web" / "sample.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Visitor:
    """Asks the application without a network between."""

    app: Starlette
    host: str = "localhost:8400"

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=f"http://{self.host}") as client:
                return await client.request(method, path, **options)

        return anyio.run(go)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.ask("POST", path, json=body if body is not None else {}, **options)


@pytest.fixture(scope="session")
def sample_module() -> ModuleType:
    return _load()


@pytest.fixture
def sample(sample_module: ModuleType) -> Any:
    """A fresh sample workspace of 300 runs."""
    return sample_module.SampleWorkspace(300)


@pytest.fixture
def visitor(sample: Any) -> Visitor:
    return Visitor(application(sample))


@pytest.fixture
def newest(sample: Any) -> Any:
    """A run that has ended, with an uncommitted diff, and a hostile name."""
    return next(run for run in sample.runs.all.values() if run.number == 300 - 4)
