"""`lineal views` as a program."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from click.testing import CliRunner, Result

from lineal.main import program


def call(folder: Path, *arguments: str) -> Result:
    with contextlib.chdir(folder):
        return CliRunner().invoke(program(), arguments)


def test_a_view_is_saved_listed_renamed_and_deleted(tmp_path: Path) -> None:
    assert call(tmp_path, "init").exit_code == 0
    assert "no saved view" in call(tmp_path, "views", "list").output
    saved = call(tmp_path, "views", "save", "best", "--where", "metrics.auc > 0.9", "--order", "-metrics.auc", "--group", "status")
    assert "/views/best" in saved.output
    (view,) = json.loads(call(tmp_path, "views", "list", "--json").stdout)
    assert view["query"] == "where=metrics.auc+%3E+0.9&order=-metrics.auc&group=status"
    assert "best" in call(tmp_path, "views", "list").output
    assert "better" in call(tmp_path, "views", "rename", "best", "better").output
    assert json.loads(call(tmp_path, "views", "delete", "better", "--json").stdout)["name"] == "better"
    missing = call(tmp_path, "views", "delete", "better")
    assert missing.exit_code != 0
