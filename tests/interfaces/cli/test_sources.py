"""Commands on data that lies elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lineal.bootstrap.compose import create_workspace
from lineal.main import program


def say(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(program(), arguments)
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def test_a_tracked_folder_is_labelled_everywhere_and_a_change_there_is_no_damage(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_workspace(tmp_path, name="p").close()
    monkeypatch.chdir(tmp_path)
    outside = tmp_path_factory.mktemp("archive")
    (outside / "a.csv").write_text("a\n1\n")
    assert "notice-only: a change at the source is noticed" in say("data", "track", str(outside), "--name", "archive")
    assert "nothing has changed" in say("data", "track", str(outside))
    assert "[notice-only]" in say("data", "log", "archive")
    assert "as it is in archive@1, notice-only" in say("data", "status", "archive")
    assert "notice-only" in say("show", "archive@1")
    assert "the source is as it was; notice-only" in say("data", "verify", "archive")
    (outside / "a.csv").write_text("changed")
    told = say("data", "verify", "archive", code=4)
    assert "modified a.csv" in told
    assert "Nothing here is damaged" in told
