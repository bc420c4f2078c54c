"""`lineal remote`, `push`, `pull` and `clone` as programs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.object_stores import ObjectServer

from lineal.main import program


def lineal(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lineal.main", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **variables})


def call(folder: Path, *arguments: str) -> Result:
    """The same in this process, which is faster."""
    with contextlib.chdir(folder):
        return CliRunner().invoke(program(), arguments)


def ask(folder: Path, *arguments: str) -> Any:
    done = call(folder, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "ada"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.csv").write_text("n\n1\n")
    (folder / "data" / "b.bin").write_bytes(os.urandom(200_000))
    assert call(folder, "init").exit_code == 0
    assert call(folder, "data", "add", "data", "--name", "flights").exit_code == 0
    return folder


def test_a_dataset_goes_to_a_bucket_and_into_a_clone(project: Path, tmp_path: Path, seaweed: ObjectServer) -> None:
    keys, url = seaweed.variables, seaweed.url()
    assert ask(project, "remote", "add", "origin", url)["url"] == url
    assert [item["name"] for item in ask(project, "remote", "list")] == ["origin"]
    pushed = lineal(project, "push", **keys)
    assert pushed.returncode == 0, pushed.stderr
    assert "flights" in pushed.stdout
    assert "requests" in pushed.stdout
    assert "sending" in pushed.stderr
    assert ask(project, "data", "push", "flights")["lines"][0]["outcome"] == "current"

    cloned = lineal(tmp_path, "clone", url, "copy", **keys)
    assert cloned.returncode == 0, cloned.stderr
    copy = tmp_path / "copy"
    assert [item["name"] for item in ask(copy, "data", "log")] == ["flights"]
    assert call(copy, "data", "checkout", "flights").exit_code == 0
    assert (copy / "data" / "b.bin").read_bytes() == (project / "data" / "b.bin").read_bytes()
    for secret in keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_ACCESS_KEY_ID"]:
        assert not [path for path in (copy / ".lineal").rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_what_both_sides_changed_is_merged_by_the_commands_that_are_named(project: Path, tmp_path: Path) -> None:
    assert call(project, "remote", "add", "origin", str(tmp_path / "remote")).exit_code == 0
    assert call(project, "push").exit_code == 0
    assert call(tmp_path, "clone", "remote", "copy").exit_code == 0
    copy = tmp_path / "copy"
    assert call(copy, "data", "checkout", "flights").exit_code == 0
    for folder, name in ((project, "ada.txt"), (copy, "bob.txt")):
        (folder / "data" / name).write_text(name)
        assert call(folder, "data", "add", "data", "--name", "flights").exit_code == 0
    assert call(copy, "push").exit_code == 0
    refused = call(project, "push")
    assert refused.exit_code == 4
    assert "lineal pull flights" in refused.output
    pulled = call(project, "pull", "flights")
    assert "lineal data merge flights from-origin" in pulled.stdout
    merged = call(project, "data", "merge", "flights", "from-origin")
    assert merged.exit_code == 0, merged.output
    assert ask(project, "push")["lines"][0]["outcome"] == "moved"
    assert ask(copy, "pull")["lines"][0]["outcome"] == "moved"
    assert call(copy, "data", "checkout", "flights").exit_code == 0
    assert sorted(path.name for path in (copy / "data").iterdir()) == ["a.csv", "ada.txt", "b.bin", "bob.txt"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["push"], 3, "no remote"),
        (["pull", "--remote", "nobody"], 3, "no remote"),
        (["remote", "remove", "nobody"], 3, "no remote 'nobody'"),
        (["remote", "add", "a/b", "/x"], 2, "cannot be a remote's name"),
        (["remote", "add", "origin", "s3://key:secretsecret@bucket"], 2, "must not hold"),
        (["clone", "nowhere", "copy"], 3, "no store"),
        (["clone", "ftp://x"], 2, "no address"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(project: Path, arguments: list[str], code: int, words: str) -> None:
    done = call(project, *arguments)
    assert (done.exit_code, words in done.stderr) == (code, True), done.output
    assert "Traceback" not in done.output
    assert "secretsecret" not in done.output
