import json
import subprocess
import sys
from pathlib import Path

import pytest

from lineal.bootstrap.compose import create_workspace, open_workspace, refuse_network
from lineal.errors import InvalidState, NotFound


def test_opening_imports_neither_database_nor_numbers(tmp_path: Path) -> None:
    create_workspace(tmp_path)
    code = "import sys; from lineal.bootstrap.compose import open_workspace; open_workspace(); print(sorted({'sqlalchemy', 'numpy', 'click'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_workspace_opens_from_any_folder_below(tmp_path: Path) -> None:
    made = create_workspace(tmp_path, name="birds")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    found = open_workspace(below)
    assert (found.project, found.root, found.site.project_id) == ("birds", tmp_path, made.site.project_id)


def test_the_environment_names_a_project_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_workspace(tmp_path / "here", name="here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINEAL_WORKSPACE", str(tmp_path / "here"))
    assert open_workspace().project == "here"
    monkeypatch.setenv("LINEAL_WORKSPACE", str(tmp_path / "there"))
    with pytest.raises(NotFound, match="there is no Lineal project"):
        open_workspace()


def test_no_project_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        open_workspace(tmp_path)
    assert (caught.value.kind, "lineal init" in caught.value.hint) == ("no-project", True)


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    create_workspace(tmp_path)
    path = tmp_path / ".lineal" / "format.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(InvalidState, match="format 99, made by a newer Lineal") as caught:
        open_workspace(tmp_path)
    assert caught.value.kind == "newer-format"


def test_a_network_file_system_is_refused_with_advice(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/home {tmp_path}/with\\040space nfs4 rw 0 0\n")
    refuse_network(tmp_path, mounts=mounts)
    with pytest.raises(InvalidState, match="nfs4") as caught:
        refuse_network(tmp_path / "with space" / "project", mounts=mounts)
    assert caught.value.kind == "network-file-system"
    assert "postgresql" in caught.value.hint


@pytest.mark.parametrize("name", ["what?", "100%25 sure", "new\nline", "sp ace", "\udcff"])
def test_a_project_lies_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    made = create_workspace(tmp_path / name, name="odd")
    made.site.ledger.close()
    assert (tmp_path / name / ".lineal" / "ledger.db").exists()
    made.close()


def test_a_moved_project_is_the_same_one(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert open_workspace(tmp_path / "b").site.project_id == made.site.project_id
