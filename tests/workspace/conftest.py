"""A workspace's parts over a real ledger and store, and facts written straight into the ledger."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from lineal.ledger import schema
from lineal.records.graph import GENERATED, USED
from lineal.workspace.site import Layout, Site

PROJECT = "f" * 32


class Facts:
    """Writes runs, files, dataset and model versions and deployments as rows; time goes up by one with each."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._count = itertools.count(1)
        self._runs = itertools.count(1)

    def run(self, name: str = "train", *, uses: tuple[str, ...] = (), status: str = "finished", identifier: str = "", **columns: Any) -> str:
        at = next(self._count)
        run = identifier or f"{at:032x}"
        self._activity(run, "run", name, at)
        self._insert(schema.runs, id=run, number=next(self._runs), name=name, status=status, started_at=at, **columns)
        for used in uses:
            self.edge(run, used, USED)
        return run

    def file(self, path: str | bytes, *, by: str = "", kind: str = "file", digest: str = "", root: str = "project") -> str:
        raw = path if isinstance(path, bytes) else path.encode()
        identifier = self._occurrence(kind, raw.decode("utf-8", "replace"), raw, digest or f"blake3:{next(self._count):064x}", root)
        if by:
            self.edge(identifier, by, GENERATED)
        return identifier

    def dataset(self, name: str, number: int = 1, *, path: str = "", digest: str = "", source: str = "", md5: dict[str, str] | None = None) -> str:
        at = next(self._count)
        maker = f"import-{at}"
        self._activity(maker, "import", f"import {name}", at)
        digest = digest or f"blake3:{at:064x}"
        identifier = self._occurrence("dataset", f"{name}@{number}", (path or name).encode(), digest, "project")
        self.edge(identifier, maker, GENERATED)
        body = json.dumps({"source": source, "md5": md5 or {}})
        commit = f"blake3:{at:04x}{'c' * 60}"
        self._insert(schema.dataset_versions, name=name, number=number, commit=commit, digest=digest, occurrence=identifier, body=body, created_at=at)
        return identifier

    def model(self, name: str, number: int = 1, *, of: str, run: str = "", alias: str = "") -> str:
        at = next(self._count)
        maker = f"registration-{at}"
        self._activity(maker, "registration", f"register {name}", at)
        self.edge(maker, of, USED)
        identifier = self._occurrence("model", f"{name}@{number}", b"model.skops", f"blake3:{at:064x}", "project")
        self.edge(identifier, maker, GENERATED)
        self._insert(
            schema.model_versions, name=name, number=number, run_id=run, digest=f"blake3:{at:064x}", occurrence=identifier, body="{}", created_at=at
        )
        if alias:
            self._insert(schema.model_aliases, name=name, alias=alias, number=number)
        return identifier

    def deployment(self, name: str, *, of: str, trial: bool = False, stopped: bool = False) -> str:
        at = next(self._count)
        identifier = f"deployment-{at}"
        self._activity(identifier, "deployment", name, at)
        self.edge(identifier, of, USED)
        self._insert(
            schema.deployments,
            id=identifier,
            name=name,
            model="delay@1",
            model_occurrence=of,
            target="process",
            trial=trial,
            started_at=at,
            stopped_at=at if stopped else None,
        )
        return identifier

    def edge(self, source: str, target: str, relation: str, **columns: Any) -> None:
        self._insert(schema.edges, source=source, target=target, relation=relation, **columns)

    def _activity(self, identifier: str, kind: str, label: str, at: int) -> None:
        self._insert(schema.activities, id=identifier, kind=kind, label=label, at=at)

    def _occurrence(self, kind: str, label: str, path: bytes, digest: str, root: str) -> str:
        at = next(self._count)
        identifier = f"{at:04x}{'0' * 24}{at:04x}"
        self._insert(schema.occurrences, id=identifier, kind=kind, label=label, path=path, digest=digest, at=at, root=root)
        return identifier

    def _insert(self, table: Any, **values: Any) -> None:
        with self.site.ledger.write() as connection:
            connection.execute(insert(table).values(project_id=PROJECT, **values))


def open_site(root: Path) -> Site:
    """The parts of the project in ``root``, as a new process would open them."""
    layout = Layout(root=root)
    layout.state.mkdir(parents=True, exist_ok=True)
    return Site(layout=layout, project_id=PROJECT, project="flights", ledger_url=f"sqlite:///{layout.ledger}", actor="ada", settings={})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = open_site(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Callable[[], Site]]:
    """Opens the same project again, as another process would."""
    opened: list[Site] = []

    def again() -> Site:
        opened.append(open_site(tmp_path))
        return opened[-1]

    yield again
    for other in opened:
        other.close()


@pytest.fixture
def facts(site: Site) -> Facts:
    return Facts(site)
