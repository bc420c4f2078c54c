"""`lineal data branch`, `merge` and `revert`: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lineal.main import program

TABLE = "id,late\n1,true\n2,false\n"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(program(), ("data", *arguments))


def done(*arguments: str) -> str:
    found = call(*arguments)
    assert found.exit_code == 0, found.output
    return found.stdout


def ask(*arguments: str) -> Any:
    return json.loads(done(*arguments, "--json"))


@pytest.fixture
def flights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset on two branches that changed one table in two ways; the working copy is on main."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return prepare(tmp_path)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same for tests that change nothing."""
    folder = tmp_path_factory.mktemp("unchanged")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield prepare(folder)


def prepare(project: Path) -> Path:
    """Makes a project in the current folder with the dataset ``flights``."""
    assert CliRunner().invoke(program(), ("init", "--name", "branches")).exit_code == 0
    folder = project / "flights"
    folder.mkdir()
    (folder / "a.csv").write_text(TABLE)
    done("add", "flights")
    done("branch", "flights", "cleaning")
    (folder / "a.csv").write_text(TABLE + "3,true\n")
    (folder / "new.txt").write_text("new")
    done("add", "flights", "--branch", "cleaning", "-m", "cleaned")
    done("checkout", "flights")
    (folder / "a.csv").write_text(TABLE + "4,true\n5,true\n")
    done("add", "flights")
    return folder


def test_branches_are_listed_with_how_far_they_are_apart(flights: Path) -> None:
    assert "cleaning        flights@2  1 ahead, 1 behind" in done("branch", "flights")
    assert [(line["name"], line["current"]) for line in ask("branch", "flights")] == [("main", True), ("cleaning", False)]
    assert flights.is_dir()


def test_a_merge_is_shown_before_it_is_done(flights: Path) -> None:
    before = (flights / "a.csv").read_text()
    shown = done("merge", "flights", "cleaning", "--dry-run")
    assert "flights@main would be a new version, merged of flights@3 and flights@2 (2 added)" in shown
    assert "conflict  a.csv  both changed it" in shown
    assert "rows, theirs against ours: 1 removed, 1 changed" in shown
    assert ask("merge", "flights", "cleaning", "--dry-run")["preview"]
    assert (flights / "a.csv").read_text() == before
    assert len(ask("log", "flights")) == 3


def test_a_merge_keeps_both_sides_and_the_log_draws_it(flights: Path) -> None:
    report = ask("merge", "flights", "cleaning", "-m", "news")
    assert (report["version"], report["outcome"], report["written"]) == ("flights@4", "merged", 2)
    beside = report["conflicts"][0]["beside"]
    assert (flights / beside).read_text() == TABLE + "3,true\n"
    log = done("log", "flights").splitlines()
    assert [line.split("flights@")[0].rstrip() for line in log[1:]] == ["*", "|\\", "* |", "| *", "|/", "*"]
    assert "news  (1 conflict)" in log[1]
    assert log[1].endswith("main*")
    assert ask("log", "flights")[0]["conflicts"] == report["conflicts"]
    assert "has all of it already" in done("merge", "flights", "cleaning")


def test_a_revert_goes_back_and_one_version_can_be_undone(flights: Path) -> None:
    assert "flights@main is now flights@4, what flights@1 was (1 modified)" in done("revert", "flights@1")
    assert (flights / "a.csv").read_text() == TABLE
    assert "would be a new version, without what flights@4 changed" in done("revert", "flights@4", "--only", "--dry-run")
    assert ask("revert", "flights@4", "--only", "-m", "back again")["version"] == "flights@5"
    assert (flights / "a.csv").read_text() == TABLE + "4,true\n5,true\n"
    assert ask("revert", "flights@1", "--branch", "cleaning")["into"] == "cleaning"


def test_a_deleted_branch_leaves_its_versions(flights: Path) -> None:
    assert call("branch", "flights", "--delete", "cleaning").exit_code == 4
    assert "1 version of it alone stays in the log" in done("branch", "flights", "--delete", "cleaning", "--force")
    assert len(ask("log", "flights")) == 3
    assert ask("branch", "flights", "again", "--at", "2")["version"] == "flights@2"
    assert ask("branch", "flights", "--delete", "again", "--force") == {"dataset": "flights", "deleted": "again", "versions": ["flights@2"]}
    assert flights.is_dir()


def test_status_and_show_say_the_branch(flights: Path) -> None:
    done("checkout", "flights@cleaning")
    assert "as it is in flights@2 on cleaning" in done("status")
    assert "branch   cleaning" in CliRunner().invoke(program(), ("show", "flights@cleaning")).stdout
    assert flights.is_dir()


def test_a_merge_over_what_was_not_added_does_nothing(flights: Path) -> None:
    (flights / "a.csv").write_text("edited")
    found = call("merge", "flights", "cleaning")
    assert (found.exit_code, "lineal data add flights" in found.stderr) == (4, True)
    assert (flights / "a.csv").read_text() == "edited"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["branch", "nothing"], 3, "nothing"),
        (["branch", "flights", "main"], 2, "main"),
        (["branch", "flights", "cleaning"], 4, "already"),
        (["branch", "flights", "x", "--at", "9"], 3, "flights@9"),
        (["branch", "flights", "x", "--delete", "cleaning"], 2, "--delete"),
        (["branch", "flights", "--force"], 2, "--force"),
        (["branch", "flights", "--delete", "main"], 2, "main line"),
        (["branch", "flights", "--delete", "gone"], 3, "no branch 'gone'"),
        (["merge", "flights", "gone"], 3, "There is main, cleaning"),
        (["merge", "flights", "cleaning", "--into", "gone"], 3, "gone"),
        (["merge", "flights", "cleaning", "--keep", "mine"], 2, "keep"),
        (["merge", "flights@1", "cleaning"], 2, "names a version"),
        (["revert", "flights@9"], 3, "flights@9"),
        (["revert", "flights@1", "--keep", "ours"], 2, "--only"),
        (["revert", "flights@1", "--branch", "gone"], 3, "gone"),
        (["add", "flights", "--branch", "gone"], 3, "gone"),
        (["checkout", "flights@gone"], 3, "gone"),
    ],
)
def test_bad_input_ends_with_what_is_wrong_and_what_to_do(unchanged: Path, arguments: list[str], code: int, words: str) -> None:
    found = call(*arguments)
    assert (found.exit_code, words in found.stderr) == (code, True), found.stderr
    assert "Traceback" not in found.stderr
    assert [line["version"] for line in ask("branch", "flights")] == ["flights@3", "flights@2"]
    assert unchanged.is_dir()


def test_the_branch_to_merge_is_completed(unchanged: Path) -> None:
    asked = {"_LINEAL_COMPLETE": "bash_complete", "COMP_WORDS": "lineal data merge flights cl", "COMP_CWORD": "4"}
    assert "plain,cleaning" in CliRunner().invoke(program(), [], env=asked, prog_name="lineal").output
    assert unchanged.is_dir()
