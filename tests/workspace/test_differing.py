"""What differs between two runs in their code, uncommitted changes and logs."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from lineal.records.digest import Digest
from lineal.records.run import Code, Run, RunStatus
from lineal.workspace import differing
from lineal.workspace.differing import LARGEST_FILE, LOG_LINES, MOST_FILES, difference, with_commits


class Kept:
    """Contents in memory, each named by itself."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.contents = {Digest(f"blake3:{name}"): data for name, data in contents.items()}

    def contains(self, digest: Digest) -> bool:
        return digest in self.contents

    def open_content(self, digest: Digest) -> BinaryIO:
        return io.BytesIO(self.contents[digest])


def a_run(name: str, *, diff: str = "", commit: str = "", **files: str) -> Run:
    code = Code(
        commit=commit,
        files={f"{path}.py": Digest(f"blake3:{content}") for path, content in files.items()},
        diff=Digest(f"blake3:{diff}") if diff else None,
    )
    return Run(id=name * 32, name=name, status=RunStatus.FINISHED, code=code)


def pieces(text: str) -> Iterator[bytes]:
    data = text.encode()
    return (data[place : place + 7] for place in range(0, len(data), 7))


def test_code_is_compared_file_by_file_from_the_store(tmp_path: Path) -> None:
    kept = Kept({"old": b"a\nb\n", "new": b"a\nc\n", "d1": b"+x\n", "d2": b"+y\n"})
    found = difference(
        a_run("a", train="old", gone="old", same="old", diff="d1"),
        a_run("b", train="new", same="old", diff="d2"),
        contents=kept,
        logs=None,
        folder=tmp_path,
    )
    assert [(diff.path, diff.change, diff.added, diff.removed) for diff in found.code] == [
        ("gone.py", "removed", 0, 2),
        ("train.py", "modified", 1, 1),
    ]
    assert found.code[1].hunks[0].lines == (" a", "-b", "+c")
    assert found.uncommitted is not None
    assert found.uncommitted.hunks[0].lines == ("-+x", "++y")


def test_what_cannot_be_compared_says_why(tmp_path: Path) -> None:
    kept = Kept({"text": b"a\n", "binary": b"\0\1", "large": b"x" * (LARGEST_FILE + 1)})
    found = difference(
        a_run("a", one="text", two="text", three="text"),
        a_run("b", one="binary", two="large", three="lost"),
        contents=kept,
        logs=None,
        folder=tmp_path,
    )
    assert [(diff.path, diff.note, diff.hunks) for diff in found.code] == [
        ("one.py", "no text", ()),
        ("three.py", "its bytes are not in the store", ()),
        ("two.py", f"larger than {LARGEST_FILE:,} bytes", ()),
    ]


def test_many_files_are_cut_and_counted(tmp_path: Path) -> None:
    kept = Kept({"old": b"a\n", "new": b"b\n"})
    names = [f"f{number}" for number in range(MOST_FILES + 5)]
    found = difference(
        a_run("a", **dict.fromkeys(names, "old")), a_run("b", **dict.fromkeys(names, "new")), contents=kept, logs=None, folder=tmp_path
    )
    assert (len(found.code), found.notes) == (MOST_FILES, ("5 further code files differ",))


def test_logs_differ_in_words_and_not_in_times(tmp_path: Path) -> None:
    old = "2026-03-01 10:00:00,123 start at 0x7f00\nloss 0.5 in 3.2 s\nsame\n"
    new = "2026-04-02 11:11:11,456 start at 0x8a11\nloss 0.4 in 9 ms\nsame\n"
    found = difference(a_run("a"), a_run("b"), contents=Kept({}), logs=(pieces(old), pieces(new)), folder=tmp_path)
    assert found.log is not None
    assert found.log.hunks[0].lines == (" 2026-03-01 10:00:00,123 start at 0x7f00", "-loss 0.5 in 3.2 s", "+loss 0.4 in 9 ms", " same")


def test_only_the_end_of_a_long_log_is_compared_and_it_says_so(tmp_path: Path) -> None:
    old = "".join(f"line {number}\n" for number in range(LOG_LINES + 100))
    found = difference(a_run("a"), a_run("b"), contents=Kept({}), logs=(pieces(old), pieces(f"{old}more\n")), folder=tmp_path)
    assert found.log is not None
    assert f"compared are the last {LOG_LINES:,} lines" in found.log.note


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, str, str]:
    def git(*words: str) -> str:
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", *names, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "räder.py").write_text("a\n")
    (tmp_path / "project" / "gone.txt").write_text("g\n")
    (tmp_path / "elsewhere.txt").write_text("a\n")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    first = git("rev-parse", "HEAD")
    (tmp_path / "project" / "räder.py").write_text("b\n")
    (tmp_path / "project" / "gone.txt").unlink()
    (tmp_path / "elsewhere.txt").write_text("b\n")
    git("add", "-A")
    git("commit", "-q", "-m", "two")
    return tmp_path / "project", first, git("rev-parse", "HEAD")


def test_files_that_no_run_executed_are_compared_by_git(repository: tuple[Path, str, str]) -> None:
    folder, first, second = repository
    found = difference(a_run("a", commit=first), a_run("b", commit=second), contents=Kept({}), logs=None, folder=folder)
    assert [(diff.path, diff.change) for diff in found.code] == [("gone.txt", "removed"), ("räder.py", "modified")]
    assert found.code[1].hunks[0].lines == ("-a", "+b")
    assert found.notes == ()


def test_commits_that_git_does_not_have_are_said_once(repository: tuple[Path, str, str]) -> None:
    folder, first, second = repository
    before, after = a_run("a", commit=first), a_run("b", commit="f" * 40)
    found = difference(before, after, contents=Kept({}), logs=None, folder=folder)
    assert with_commits(found, before, after, folder).notes == found.notes
    assert "git here does not have both commits" in found.notes[0]
    later = with_commits(found, before, replace(after, code=Code(commit=second)), folder)
    assert (len(later.code), later.notes) == (2, ())


def test_a_commit_that_is_none_reaches_no_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(differing, "_git", lambda *_words: pytest.fail("git was asked"))
    found = difference(a_run("a", commit="--output=/tmp/x"), a_run("b", commit="abcdef1"), contents=Kept({}), logs=None, folder=tmp_path)
    assert found.code == ()
