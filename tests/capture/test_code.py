from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lineal.capture import code
from lineal.capture.code import read_git_state, source_of, without_credentials
from lineal.records.redaction import Redactor


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder, check=True, capture_output=True)


def test_outside_git_nothing_is_known(tmp_path: Path) -> None:
    assert read_git_state(tmp_path, redactor=Redactor()).commit == ""


def test_a_repository_without_a_commit_has_a_branch_but_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    state = read_git_state(tmp_path, redactor=Redactor())
    assert (state.commit, state.branch, state.top) == ("", "trunk", str(tmp_path))


def test_the_diff_is_of_the_whole_repository_and_redacted(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    inner = tmp_path / "inner"
    inner.mkdir()
    for name in ("inner/a.py", "outer.py"):
        (tmp_path / name).write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    (inner / "a.py").write_text("password = 'hunter2'\n")
    (tmp_path / "outer.py").write_text("x = 2\n")
    (inner / "new one.py").write_text("1")
    state = read_git_state(inner, redactor=Redactor())
    assert b"a.py" in state.diff
    assert b"outer.py" in state.diff
    assert b"hunter2" not in state.diff
    assert state.untracked == ("new one.py",)


def test_a_git_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(code, "_SECONDS", 0.2)
    assert "did not answer" in read_git_state(tmp_path, redactor=Redactor()).problem


def test_without_git_installed_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_git_state(tmp_path, redactor=Redactor()) == code.GitState()


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://ada:pw@example.org/r.git", "https://example.org/r.git"),
        ("https://token@example.org/r.git", "https://example.org/r.git"),
        ("git@example.org:ada/r.git", "git@example.org:ada/r.git"),
        ("ssh://git@example.org/r.git", "ssh://git@example.org/r.git"),
        ("ssh://git:pw@example.org/r.git", "ssh://git@example.org/r.git"),
        ("/srv/r.git", "/srv/r.git"),
    ],
)
def test_remotes_lose_their_credentials(url: str, clean: str) -> None:
    assert without_credentials(url) == clean


def test_compiled_modules_stand_for_their_source() -> None:
    assert source_of(b"/p/__pycache__/a.cpython-313.pyc") == b"/p/a.py"
    assert source_of(b"/p/__pycache__/a.cpython-313.pyc.140234") == b"/p/a.py"
    assert source_of(b"/p/a.py") == b"/p/a.py"
