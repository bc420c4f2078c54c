"""What runs read by URL, in programs as users write them: from the call in the program to the edge in the graph."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineal.bootstrap.compose import create_workspace, open_workspace
from lineal.records import journal
from lineal.records.run import FileUse, Run
from lineal.workspace.interface import RunRequest, Workspace
from lineal.workspace.seen_urls import url_reads


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = create_workspace(tmp_path, name="studio")
    (tmp_path / "data").mkdir()
    for number in range(100):
        (tmp_path / f"data/{number:02}.csv").write_text(f"a\n{number}\n")
    made.datasets.add(tmp_path / "data", name="flights")
    yield made
    made.close()


def play(workspace: Workspace, code: str) -> Run:
    """Runs a program that records itself; the run."""
    (workspace.root / "program.py").write_text(textwrap.dedent(code))
    done = subprocess.run([sys.executable, "program.py"], cwd=workspace.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    workspace.runs.ingest()
    return workspace.runs.get(workspace.runs.search().runs[0].id)


def only(run: Run) -> FileUse:
    (use,) = run.inputs
    return use


def test_a_program_under_lineal_run_that_reads_a_lineal_address_is_tied_to_that_version(workspace: Workspace) -> None:
    code = "from lineal.capture.reads import note_read; assert note_read('lineal://flights@1/07.csv', {'size': 4}); note_read('lineal://flights@1/07.csv')"
    run = workspace.runs.execute(RunRequest(command=[sys.executable, "-c", code], folder=workspace.root))
    use = only(run)
    assert (use.path, use.root, use.dataset, use.size, use.restorable) == ("lineal://flights@1/07.csv", "url", "flights@1", 4, True)
    assert use.digest == workspace.datasets.entries("flights@1", prefix="07")[0].digest
    assert run.warnings == ()


def test_a_program_that_nobody_watches_notes_it_all_the_same(workspace: Workspace) -> None:
    (workspace.root / "lineal.toml").write_text('[capture]\ntracer = "none"\n')
    code = "import os; from lineal.capture.reads import note_read; os.fork() or note_read('lineal://flights@1/08.csv'); note_read('lineal://flights@1/07.csv')"
    run = open_workspace(workspace.root).runs.execute(RunRequest(command=[sys.executable, "-c", code], folder=workspace.root))
    assert run.capture.tracers == ()
    assert {use.path for use in run.inputs} == {"lineal://flights@1/07.csv", "lineal://flights@1/08.csv"}


def test_outside_any_run_nothing_is_noted(workspace: Workspace) -> None:
    code = "from lineal.capture.reads import note_read; assert not note_read('lineal://flights@1/07.csv')"
    subprocess.run([sys.executable, "-c", code], cwd=workspace.root, check=True)
    assert workspace.runs.search().total == 0


def test_the_version_is_the_one_that_was_read_whatever_came_later(workspace: Workspace) -> None:
    first = workspace.datasets.get("flights@1")
    (workspace.root / "data/07.csv").write_text("a\nlater\n")
    workspace.datasets.add(workspace.root / "data", name="flights")
    run = play(
        workspace,
        f"""
        import lineal
        from lineal.capture.reads import note_read
        with lineal.run("train") as run:
            run.input("lineal://flights/07.csv", role="test")
            note_read("lineal://flights/07.csv", {{"commit": "{first.commit}"}})
        """,
    )
    assert (only(run).dataset, only(run).path, only(run).role, only(run).role_origin) == (
        "flights@1",
        "lineal://flights@1/07.csv",
        "test",
        "declared",
    )


def test_rows_do_not_grow_with_the_files_that_were_read(workspace: Workspace) -> None:
    run = play(
        workspace,
        """
        import lineal
        from lineal.capture.reads import note_read
        with lineal.run("train"):
            for number in range(100):
                note_read(f"lineal://flights@1/{number:02}.csv")
            note_read("lineal://flights@1")
        """,
    )
    assert (only(run).dataset, only(run).path, only(run).note) == ("flights@1", "lineal://flights@1", "100 files")


def test_an_address_that_names_nothing_is_told_of(workspace: Workspace) -> None:
    run = play(workspace, 'import lineal\nwith lineal.run("train") as run:\n    run.input("lineal://trains@4/x.csv")\n')
    assert run.inputs == ()
    assert run.warnings == ("lineal://trains@4/x.csv names no dataset version that is recorded here",)


def test_another_url_is_a_source_of_its_own_for_each_state_of_it_and_keeps_no_secret(workspace: Workspace) -> None:
    code = """
        import lineal
        from lineal.capture.reads import note_read
        with lineal.run("train") as run:
            assert run.input("https://ada:pw@host/train.csv?X-Amz-Signature=0f") == "https://ada:pw@host/train.csv?X-Amz-Signature=0f"
            note_read("https://host/train.csv?sig=1", {"etag": '"5d41"', "size": 12})
        """
    first, second = play(workspace, code), play(workspace, code)
    assert (only(first).path, only(first).digest, only(first).size, only(first).role) == ("https://host/train.csv", "etag:5d41", 12, "train")
    assert only(first).declared
    assert not only(first).restorable
    assert only(first).occurrence == only(second).occurrence
    changed = play(workspace, code.replace("5d41", "ffff"))
    assert only(changed).occurrence != only(first).occurrence
    assert not any("pw" in path.read_text("latin-1") for path in (workspace.root / ".lineal").rglob("*.journal"))


def test_what_a_run_wrote_to_a_url_is_what_the_next_one_read_there(workspace: Workspace) -> None:
    note = 'import lineal\nfrom lineal.capture.reads import note_read\nwith lineal.run("step"):\n    note_read("s3://b/x.bin", {{"etag": "9a"}}, direction="{}")\n'
    made = play(workspace, note.format("output"))
    read = play(workspace, note.format("input"))
    assert made.outputs[0].occurrence == only(read).occurrence


def test_rows_do_not_grow_with_the_objects_that_were_written_and_read_either(workspace: Workspace) -> None:
    note = """
        import lineal
        from lineal.capture.reads import note_read
        with lineal.run("step"):
            for number in range(100):
                note_read(f"s3://b/out/{{number:02}}.bin", {{"etag": f"{{number}}", "size": 7}}, direction="{}")
            note_read("s3://b/odd//x", {{"etag": "odd"}}, direction="{}")
        """
    made, read = play(workspace, note.format("output", "output")), play(workspace, note.format("input", "input"))
    assert {(use.path, use.note) for use in made.outputs} == {("s3://b/out", "100 files"), ("s3://b/odd//x", "")}
    assert {use.occurrence for use in read.inputs} == {use.occurrence for use in made.outputs}
    other = play(workspace, note.format("input", "input").replace("s3://b", "s3://c"))
    assert sorted(use.path for use in other.inputs) == ["s3://c/odd//x", "s3://c/out"]
    one = play(
        workspace,
        "import lineal\nfrom lineal.capture.reads import note_read\nwith lineal.run():\n    note_read('s3://b/out/07.bin', {'etag': '7'})\n",
    )
    assert only(one).occurrence in {use.occurrence for use in made.outputs}


def test_a_file_url_is_the_file(workspace: Workspace) -> None:
    path = workspace.root / "data/07.csv"
    run = play(workspace, f'import lineal\nwith lineal.run("train") as run:\n    open(run.input("{path.as_uri()}")[7:]).read()\n')
    assert (only(run).path, only(run).root, only(run).dataset) == ("data/07.csv", "project", "flights@1")


def test_urls_given_to_lineal_run_are_inputs_too(workspace: Workspace) -> None:
    run = workspace.runs.execute(RunRequest(command=["true"], folder=workspace.root, inputs=["lineal://flights@1/07.csv", "data/08.csv"]))
    assert sorted(use.path for use in run.inputs) == ["data/08.csv", "lineal://flights@1/07.csv"]
    assert {use.dataset for use in run.inputs} == {"flights@1"}


def test_an_address_that_names_its_server_is_the_one_that_is_tracked_without() -> None:
    named = {"k": journal.READ, "declared": True, "role": "train", "url": "s3://flights/a?b.csv?endpoint=http://127.0.0.1:9000&region=us-east-1"}
    seen = {"k": journal.READ, "url": "s3://flights/a?b.csv", "facts": {"etag": "x"}}
    (read,) = url_reads([named, seen])
    assert (read.url, read.role, read.facts.etag) == ("s3://flights/a?b.csv", "train", "x")
    (web,) = url_reads([{"k": journal.READ, "declared": True, "url": "https://host/sales.csv?region=north"}])
    assert web.url == "https://host/sales.csv?region=north"
