"""A project whose bytes lie in a bucket: everything works as it does over a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.object_stores import ObjectServer

from lineal.bootstrap.compose import create_workspace
from lineal.errors import InvalidInput
from lineal.workspace.local import LocalWorkspace

TRAIN = "import sys; rows = open('data/rows.csv').read().split(); open('model.txt', 'w').write(str(len(rows)))"


@pytest.fixture
def url(seaweed: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    address = seaweed.url()
    monkeypatch.setenv("LINEAL_STORE_URL", address)
    return address


@pytest.fixture
def project(tmp_path: Path, url: str) -> Iterator[LocalWorkspace]:
    made = create_workspace(tmp_path / "flights")
    assert made.site.store_address.url == url
    (made.root / "data").mkdir()
    (made.root / "data" / "rows.csv").write_text("n\n1\n2\n")
    (made.root / "data" / "large.bin").write_bytes(os.urandom(700_000))
    yield made
    made.close()


def test_versions_are_added_compared_merged_checked_out_and_verified(project: LocalWorkspace) -> None:
    data = project.root / "data"
    project.datasets.add(data, name="flights")
    (data / "rows.csv").write_text("n\n1\n2\n3\n")
    second = project.datasets.add(data, name="flights")
    assert project.datasets.diff("flights@1", "flights@2").modified == 1
    assert [item.clean for item in project.datasets.status()] == [True]
    project.branches.create("flights", "cleaning", at="flights@1")
    project.branches.merge("flights", "main", into="cleaning")
    project.datasets.checkout("flights@1")
    assert (data / "rows.csv").read_text() == "n\n1\n2\n"
    with project.datasets.open(second.reference, "large.bin") as file:
        file.seek(600_000)
        assert file.read(10) == (data / "large.bin").read_bytes()[600_000:600_010]
    assert all(report.sound for report in project.datasets.verify())
    assert all(report.sound for report in project.audit.check())
    assert not (project.root / ".lineal" / "store").exists()


def test_runs_keep_what_they_touched_there(project: LocalWorkspace) -> None:
    project.datasets.add(project.root / "data", name="flights")
    command = [sys.executable, "-m", "lineal.main", "run", "--name", "train", "--", sys.executable, "-c", TRAIN]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    project.runs.ingest()
    run = project.runs.search().runs[0]
    assert {use.path for use in run.inputs} >= {"data/rows.csv"}
    with project.runs.artifact(f"run:{run.id}", "model.txt") as file:
        assert file.read() == b"3"
    assert not (project.root / ".lineal" / "store").exists()


def test_garbage_is_collected_there_and_the_index_made_anew(project: LocalWorkspace) -> None:
    data = project.root / "data"
    project.datasets.add(data, name="flights")
    project.audit.rebuild()
    project.datasets.collect(grace=86_400.0)
    assert all(report.sound for report in project.audit.check())


def test_a_bad_address_of_the_store_is_refused_before_anything_is_made(project: LocalWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    project.close()
    for wrong in ("s3:/typo", "s3://key:secretsecret@bucket", "ftp://host/x"):
        monkeypatch.setenv("LINEAL_STORE_URL", wrong)
        opened = create_workspace(project.root)
        with pytest.raises(InvalidInput):
            opened.datasets.add(project.root / "data", name="flights")
        opened.close()
    assert not (project.root / ".lineal" / "store").exists()
    assert sorted(path.name for path in project.root.iterdir()) == [".gitignore", ".lineal", "data", "lineal.toml"]
