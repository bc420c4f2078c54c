import json
import subprocess
from pathlib import Path

import pytest

from lineal.errors import Integrity, InvalidInput, NotFound
from lineal.ledger.schema import FORMAT_VERSION
from lineal.workspace.project import FORMAT, create_project, find_project


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments], cwd=folder, check=True, capture_output=True)


def test_the_format_is_the_ledgers() -> None:
    assert FORMAT == FORMAT_VERSION


def test_making_a_project_twice_changes_nothing(tmp_path: Path) -> None:
    first = create_project(tmp_path, name="one", configuration="# mine\n")
    (tmp_path / "lineal.toml").write_text("# changed\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert create_project(tmp_path, name="two", configuration="# new\n") == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(("before", "after"), [("", ".lineal/\n"), ("*.pyc", "*.pyc\n.lineal/\n"), ("/.lineal\n", "/.lineal\n")])
def test_git_is_told_to_ignore_the_records_once(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / ".gitignore").write_text(before)
    create_project(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == after


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput) as caught:
        create_project(tmp_path / "file")
    assert caught.value.kind == "not-a-folder"


def test_a_name_on_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        create_project(tmp_path, name="a\nb")
    assert caught.value.kind == "bad-project-name"
    assert not (tmp_path / ".lineal").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"format": 1}), json.dumps({"format": "1", "project": "a", "name": "b"})])
def test_a_damaged_format_file_is_damage(tmp_path: Path, text: str) -> None:
    create_project(tmp_path).layout.format.write_text(text)
    with pytest.raises(Integrity) as caught:
        find_project(tmp_path)
    assert caught.value.kind == "damaged-project"


def test_a_linked_worktree_shares_the_records_of_the_main_one(tmp_path: Path) -> None:
    main, linked = tmp_path / "main", tmp_path / "linked"
    (main / "part").mkdir(parents=True)
    (main / "part" / "file").write_text("x")
    git(main, "init", "-q")
    git(main, "add", ".")
    git(main, "commit", "-qm", "first")
    git(main, "worktree", "add", "-q", str(linked))
    made = create_project(main / "part")
    (linked / "part" / "below").mkdir()
    found = find_project(linked / "part" / "below")
    assert (found.id, found.layout.root, found.layout.state) == (made.id, linked / "part", main / "part" / ".lineal")
    with pytest.raises(NotFound):
        find_project(linked)


def test_a_worktree_with_a_project_of_its_own_uses_that(tmp_path: Path) -> None:
    main, linked = tmp_path / "main", tmp_path / "linked"
    main.mkdir()
    git(main, "init", "-q")
    git(main, "commit", "-qm", "first", "--allow-empty")
    git(main, "worktree", "add", "-q", str(linked))
    create_project(main)
    own = create_project(linked)
    assert find_project(linked).id == own.id
