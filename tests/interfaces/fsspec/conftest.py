"""A project with a dataset of tables, odd names, links and empty folders, as `lineal://` sees it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import fsspec
import pytest

from lineal.bootstrap.compose import create_workspace
from lineal.bootstrap.session import close_shared
from lineal.interfaces.fsspec import LinealFileSystem

ROWS = 20_000


@pytest.fixture(scope="session", autouse=True)
def _registered() -> None:
    """Where the package is installed its entry point does this."""
    fsspec.register_implementation("lineal", LinealFileSystem, clobber=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, made once for a module, with ``flights`` in two versions and ``single``, a dataset of one file."""
    import pandas as pd

    project = tmp_path_factory.mktemp("lazy")
    data = project / "data"
    (data / "2013/01").mkdir(parents=True)
    (data / "empty").mkdir()
    table = pd.DataFrame({"day": range(ROWS), "delay": [number * 7 % 100 / 4 for number in range(ROWS)], "carrier": ["UA", "DL"] * (ROWS // 2)})
    table.to_csv(data / "flights.csv", index=False)
    for month in ("01", "02"):
        (data / "2013" / month).mkdir(exist_ok=True)
        table.to_parquet(data / "2013" / month / "part.parquet", row_group_size=2000)
    (data / "odd #1?&%20 ü.txt").write_text("odd")
    (data / os.fsdecode(b"raw-\xff")).write_bytes(b"raw")
    (data / "tool.sh").write_text("#!/bin/sh\n")
    (data / "tool.sh").chmod(0o755)
    (data / "latest.csv").symlink_to("flights.csv")
    (data / "months").symlink_to("2013")
    (data / "out").symlink_to("/etc/passwd")
    (data / "round").symlink_to(".")
    with closing(create_workspace(project, name="lazy")) as workspace:
        workspace.datasets.add(data, name="flights")
        (data / "flights.csv").write_text("day,delay,carrier\n1,2.5,UA\n")
        workspace.datasets.add(data, name="flights")
        workspace.datasets.add(data / "flights.csv", name="single")
    return project


@pytest.fixture
def project(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, as the current folder."""
    monkeypatch.chdir(made)
    yield made
    close_shared()


@pytest.fixture
def fs(project: Path) -> LinealFileSystem:
    assert project.is_dir()
    made: LinealFileSystem = fsspec.filesystem("lineal")
    return made
