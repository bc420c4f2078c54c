"""Runs that read through mounts are tied to the versions that are mounted, whatever language they are written in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lineal.bootstrap.compose import create_workspace
from lineal.records.run import FileUse, Run
from lineal.workspace.interface import RunRequest, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or not (shutil.which("fusermount3") or shutil.which("fusermount")):
        pytest.skip("NO FUSE: /dev/fuse or fusermount is missing, so no version is mounted")
    project = tmp_path / "project"
    (project / "data/parts").mkdir(parents=True)
    with closing(create_workspace(project, name="mounted")) as made:
        for number in range(100):
            (project / f"data/parts/{number:03}.csv").write_text(f"a\n{number}\n")
        (project / "data/train.csv").write_text("a\n1\n2\n")
        (project / "data/other.csv").write_text("a\n0\n")
        (project / "data/latest").symlink_to("train.csv")
        made.datasets.add(project / "data", name="flights")
        (project / "data/train.csv").write_text("a\n1\n2\n3\n")
        made.datasets.add(project / "data", name="flights")
        shutil.rmtree(project / "data")
        yield made
        for mount in made.datasets.mounts():
            made.datasets.unmount(Path(mount.folder), force=True)


def execute(workspace: Workspace, *command: str, inputs: tuple[str, ...] = ()) -> Run:
    run = workspace.runs.execute(RunRequest(command=command, folder=workspace.root, inputs=inputs))
    assert run.exit_code == 0, b"".join(workspace.runs.log(run.id)).decode()
    return run


def only(run: Run) -> FileUse:
    (use,) = run.inputs
    return use


def test_a_program_in_any_language_that_reads_through_a_mount_is_tied_to_the_version(workspace: Workspace, tmp_path: Path) -> None:
    place = tmp_path / "flights"
    workspace.datasets.mount("flights@1", place)
    run = execute(workspace, "sh", "-c", f"cat {place}/train.csv {place}/latest; env -i cat {place}/other.csv")
    (other,) = [use for use in run.inputs if use.path.endswith("other.csv")]
    assert other.dataset == "flights@1"
    (use,) = [use for use in run.inputs if use != other]
    entry = workspace.datasets.view("flights@1").entry(b"train.csv")
    assert entry is not None
    assert (use.path, use.root, use.dataset, use.digest) == ("lineal://flights@1/train.csv", "url", "flights@1", entry.digest)
    assert (use.through, use.note) == (str(place), f"through the mount at {place}")
    assert run.warnings == ()
    assert f"data:{use.dataset}" in {node.reference for node in workspace.lineage.graph(f"run:{run.id}").nodes}


def test_python_that_reads_through_a_mount_in_the_project_adds_nothing_else(workspace: Workspace) -> None:
    workspace.datasets.mount("flights", workspace.root / "mnt")
    (workspace.root / "link").symlink_to("mnt")
    (workspace.root / "train.py").write_text("import sys; [open(path).read() for path in sys.argv[1:]]\n")
    run = execute(workspace, sys.executable, "train.py", "mnt/train.csv", "link/train.csv", "mnt/parts/007.csv", inputs=("mnt/train.csv",))
    assert {(use.path, use.dataset, use.declared) for use in run.inputs} == {
        ("lineal://flights@2/train.csv", "flights@2", True),
        ("lineal://flights@2/parts/007.csv", "flights@2", False),
    }
    before = workspace.datasets.versions("flights")
    again = execute(workspace, sys.executable, "train.py", *[f"mnt/parts/{number:03}.csv" for number in range(100)])
    assert (only(again).dataset, only(again).note, only(again).through) == ("flights@2", "100 files", str(workspace.root / "mnt"))
    assert workspace.datasets.versions("flights") == before


def test_a_program_that_records_itself_is_tied_although_the_mount_is_gone_when_it_is_completed(workspace: Workspace, tmp_path: Path) -> None:
    place = tmp_path / "flights"
    workspace.datasets.mount("flights@1", place)
    program = f"""
        import lineal, subprocess, sys
        with lineal.run("train") as run:
            run.input("{place}/train.csv", role="test")
            run.input("{place}/parts")
            open("{place}/latest").read()
            open("{place}/other.csv").read()
            subprocess.run([sys.executable, "-m", "lineal.main", "data", "unmount", "{place}"], check=True)
        """
    (workspace.root / "train.py").write_text(textwrap.dedent(program))
    done = subprocess.run([sys.executable, "train.py"], cwd=workspace.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    workspace.runs.ingest()
    run = workspace.runs.get(workspace.runs.search().runs[0].id)
    uses = {use.path: use for use in run.inputs}
    assert set(uses) == {f"lineal://flights@1/{name}" for name in ("train.csv", "parts", "other.csv")}
    assert (uses["lineal://flights@1/train.csv"].role, uses["lineal://flights@1/train.csv"].declared) == ("test", True)
    assert uses["lineal://flights@1/parts"].note == f"a folder of the version, through the mount at {place}"


def test_what_a_mount_never_held_is_no_input_of_it(workspace: Workspace) -> None:
    place = workspace.root / "mnt"
    workspace.datasets.mount("flights@1", place)
    workspace.datasets.unmount(place)
    place.mkdir()
    (place / "train.csv").write_text("another file at the same place, later\n")
    run = execute(workspace, "cat", "mnt/train.csv", inputs=("mnt/train.csv",))
    assert [(use.path, use.dataset, use.through) for use in run.inputs] == [("mnt/train.csv", "", "")]
    (place / "train.csv").unlink()
    workspace.datasets.mount("flights@1", place)
    untouched = execute(workspace, sys.executable, "-c", "import os; os.listdir('mnt'); os.stat('mnt/train.csv')")
    assert untouched.inputs == ()


def test_a_run_that_read_through_mounts_is_run_again_with_the_versions_mounted_there(workspace: Workspace, tmp_path: Path) -> None:
    places = [workspace.root / "mnt", tmp_path / "elsewhere" / "flights"]
    for place in places:
        workspace.datasets.mount("flights@1", place)
    run = execute(workspace, "sh", "-c", f"cat mnt/train.csv '{places[1]}/other.csv' > out.txt")
    assert {use.through for use in run.inputs} == set(map(str, places))
    for place in places:
        workspace.datasets.unmount(place)
    done = workspace.runs.reproduce(run.id)
    assert (done.verdict, done.evidence.missing_inputs) == ("identical", ())
    assert {(use.path, use.dataset) for use in workspace.runs.get(done.rerun).inputs} == {(use.path, "flights@1") for use in run.inputs}
    assert workspace.datasets.mounts() == ()
    assert not any(place.exists() for place in places)
    places[1].mkdir()
    (places[1] / "in the way").touch()
    other = workspace.runs.reproduce(run.id, data={"flights": "2"})
    assert {use.dataset for use in workspace.runs.get(other.rerun).inputs} == {"flights@2"}
    assert other.evidence.missing_inputs == (f"flights@1, which was mounted at {places[1]} ({places[1]} holds something)",)
