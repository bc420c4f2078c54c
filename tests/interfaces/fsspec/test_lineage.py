"""Runs that read versions through `lineal://` are tied to exactly those versions, by the program alone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lineal.bootstrap.compose import create_workspace, open_workspace
from lineal.records.run import Run
from lineal.workspace.interface import RunRequest, Workspace

REGISTER = (
    "import fsspec; from lineal.interfaces.fsspec import LinealFileSystem; fsspec.register_implementation('lineal', LinealFileSystem, clobber=True)\n"
)
NAME = "flights-of-new-york-2013"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    with closing(create_workspace(project, name="lazy")) as made:
        for number, text in enumerate(("a\n1\n", "a\n1\n2\n"), start=1):
            (project / "data/train.csv").write_text(text)
            (project / "data/other.csv").write_text("a\n0\n")
            assert made.datasets.add(project / "data", name=NAME).number == number
        (project / "data/train.csv").unlink()
        yield made


def play(workspace: Workspace, code: str, *words: str) -> Run:
    """Runs a program that records itself, or one under ``lineal run``; the newest run."""
    program = workspace.root / "program.py"
    program.write_text(REGISTER + textwrap.dedent(code))
    done = subprocess.run([*words, sys.executable, str(program)], cwd=workspace.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    workspace.runs.ingest()
    return workspace.runs.get(workspace.runs.search().runs[0].id)


def used(run: Run) -> set[tuple[str, str]]:
    return {(use.path, use.dataset) for use in run.inputs}


RECORDED = [sys.executable, "-m", "lineal.main", "run", "--"]


@pytest.mark.parametrize("words", [[], RECORDED], ids=["records itself", "under lineal run"])
def test_a_table_that_is_read_by_its_address_is_an_input(workspace: Workspace, words: list[str]) -> None:
    code = f"""
        import contextlib, lineal, pandas as pd
        with lineal.run("train") if not {bool(words)} else contextlib.nullcontext():
            assert len(pd.read_csv("lineal://{NAME}@1/train.csv")) == 1
            assert len(pd.read_csv("lineal://{NAME}/train.csv")) == 2
        """
    run = play(workspace, code, *words)
    assert used(run) == {(f"lineal://{NAME}@1/train.csv", f"{NAME}@1"), (f"lineal://{NAME}@2/train.csv", f"{NAME}@2")}
    one = workspace.datasets.view(f"{NAME}@1").entry(b"train.csv")
    assert one is not None
    assert one.digest in {use.digest for use in run.inputs}
    assert run.warnings == ()
    assert {node.reference for node in workspace.lineage.graph(f"run:{run.id}").nodes} >= {f"data:{NAME}@1", f"data:{NAME}@2"}


def test_a_declared_address_gives_the_role_and_get_is_tied_too(workspace: Workspace) -> None:
    code = f"""
        import lineal, pandas as pd
        with lineal.run("train") as run:
            pd.read_csv(run.input("lineal://{NAME}@1/train.csv", role="test"))
            lineal.get("data:{NAME}@2").to_pandas("other.csv")
        """
    run = play(workspace, code)
    roles = {use.path: (use.role, use.declared) for use in run.inputs}
    assert roles[f"lineal://{NAME}@1/train.csv"] == ("test", True)
    assert (f"lineal://{NAME}@2/other.csv", f"{NAME}@2") in used(run)


def test_workers_that_were_forked_are_part_of_the_run(workspace: Workspace) -> None:
    code = f"""
        import fsspec, multiprocessing
        fs = fsspec.filesystem("lineal")
        fs.cat("{NAME}@1/other.csv")
        def read(version):
            return fs.cat(f"{NAME}@{{version}}/train.csv")
        with multiprocessing.get_context("fork").Pool(2) as pool:
            pool.map(read, [1, 2])
        """
    run = play(workspace, code, *RECORDED)
    assert {path for path, _dataset in used(run)} == {f"lineal://{NAME}@1/other.csv", f"lineal://{NAME}@1/train.csv", f"lineal://{NAME}@2/train.csv"}


def test_a_run_gets_again_the_versions_that_it_named_or_that_were_the_latest_or_what_stands_in_for_them(workspace: Workspace) -> None:
    program = f"""
        import lineal, pandas as pd
        pinned, latest = (pd.read_csv(f"lineal://{NAME}{{version}}/train.csv") for version in ("@1", ""))
        pd.concat([pinned, latest, lineal.get("{NAME}").to_pandas("train.csv")]).to_csv("out.csv")
        """
    (workspace.root / "train.py").write_text(REGISTER + textwrap.dedent(program))
    run = workspace.runs.execute(RunRequest(command=[sys.executable, "train.py"], folder=workspace.root))
    assert used(run) == {(f"lineal://{NAME}@{number}/train.csv", f"{NAME}@{number}") for number in (1, 2)}
    (workspace.root / "data/train.csv").write_text("a\n1\n2\n3\n")
    assert workspace.datasets.add(workspace.root / "data", name=NAME).number == 3
    done = workspace.runs.reproduce(run.id)
    assert (done.verdict, done.evidence.missing_inputs, used(workspace.runs.get(done.rerun))) == ("identical", (), used(run))
    other = workspace.runs.reproduce(run.id, data={NAME: "3"})
    assert (other.verdict, used(workspace.runs.get(other.rerun))) == ("different", {(f"lineal://{NAME}@3/train.csv", f"{NAME}@3")})
    assert other.evidence.replaced_inputs == (f"{NAME} was replaced by {NAME}@3",)


def test_another_project_is_told_apart_from_this_one(workspace: Workspace, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with closing(create_workspace(other, name="other")) as made:
        (other / "x.csv").write_text("a\n9\n")
        made.datasets.add(other / "x.csv", name=NAME)
    code = f"""
        import lineal, pandas as pd
        with lineal.run("train"):
            pd.read_csv("lineal://{NAME}@1/x.csv", storage_options={{"project": "{other}"}})
        """
    run = play(workspace, code)
    assert run.inputs == ()
    assert run.warnings == (f"lineal://{NAME}@1/x.csv names no dataset version that is recorded here",)
    with closing(open_workspace(other)) as made:
        assert made.runs.search().total == 0
