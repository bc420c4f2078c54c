from pathlib import Path
from typing import Any

import pytest

from lineal.bootstrap.settings import SETTINGS, explain_settings, load_settings, template
from lineal.errors import InvalidInput


def values(tmp_path: Path, text: str = "", *, variables: dict[str, str] | None = None, user: str = "") -> dict[str, Any]:
    (tmp_path / "lineal.toml").write_text(text, encoding="utf-8")
    user_file = tmp_path / "user.toml"
    user_file.write_text(user, encoding="utf-8")
    return load_settings(tmp_path, variables=variables or {}, user_file=user_file)


def test_defaults_hold_where_nothing_is_set(tmp_path: Path) -> None:
    assert load_settings(None, variables={}, user_file=tmp_path / "none") == {setting.name: setting.default for setting in SETTINGS}


def test_the_environment_wins_over_the_project_over_the_user(tmp_path: Path) -> None:
    user = '[ui]\nport = 1\n[user]\nname = "ada"\n'
    found = values(tmp_path, "[ui]\nport = 2\n", variables={"LINEAL_UI_PORT": "3"}, user=user)
    assert (found["ui.port"], found["user.name"]) == (3, "ada")
    assert values(tmp_path, "[ui]\nport = 2\n", user=user)["ui.port"] == 2
    assert values(tmp_path, "", user=user)["ui.port"] == 1


def test_each_value_says_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "lineal.toml"
    file.write_text("[ui]\nport = 2\n", encoding="utf-8")
    origins = {
        item.setting.name: item.origin for item in explain_settings(tmp_path, variables={"LINEAL_USER_NAME": "ada"}, user_file=tmp_path / "none")
    }
    assert (origins["ui.port"], origins["user.name"], origins["ledger.url"]) == (str(file), "environment", "default")


@pytest.mark.parametrize(("text", "size"), [("1 GB", 10**9), ("64 MiB", 64 * 2**20), ("1.5k", 1500), ("7", 7), ("0 B", 0)])
def test_sizes_are_read_with_their_unit(tmp_path: Path, text: str, size: int) -> None:
    assert values(tmp_path, f'[capture]\nmax_file_bytes = "{text}"\n')["capture.max_file_bytes"] == size


def test_lists_come_from_toml_and_from_text_alike(tmp_path: Path) -> None:
    assert values(tmp_path, '[ui]\nhosts = ["a", "b"]\n')["ui.hosts"] == ("a", "b")
    assert values(tmp_path, variables={"LINEAL_UI_HOSTS": "a, b"})["ui.hosts"] == ("a", "b")


def test_an_unknown_setting_names_file_key_and_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        values(tmp_path, "[capture]\nmax_file_byte = 3\n")
    assert caught.value.kind == "unknown-setting"
    assert str(tmp_path / "lineal.toml") in caught.value.message
    assert "capture.max_file_byte" in caught.value.message
    assert caught.value.hint == "Did you mean capture.max_file_bytes?"


@pytest.mark.parametrize(
    "text",
    [
        '[ui]\nport = "x"\n',
        "[ui]\nport = -1\n",
        "[ui]\nport = true\n",
        "[monitoring]\nlowest_coverage = 1.5\n",
        '[capture]\nmax_file_bytes = "9 apples"\n',
        "[user]\nname = 3\n",
        "[ui]\ningest_seconds = nan\n",
        "[ui]\nhosts = [1]\n",
        "[ui]\nport = 1.5\n",
    ],
)
def test_a_bad_value_names_file_and_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        values(tmp_path, text)
    assert caught.value.kind == "bad-setting"
    assert str(tmp_path / "lineal.toml") in caught.value.message


def test_a_bad_value_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="LINEAL_UI_PORT"):
        values(tmp_path, variables={"LINEAL_UI_PORT": "many"})


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"lineal\.toml is not TOML") as caught:
        values(tmp_path, "port = = 3")
    assert caught.value.kind == "bad-configuration"


def test_the_template_sets_nothing_until_a_line_is_uncommented(tmp_path: Path) -> None:
    assert values(tmp_path, template()) == load_settings(None, variables={}, user_file=tmp_path / "none")
    uncommented = "\n".join(line.removeprefix("# ") if " = " in line else line for line in template().splitlines())
    assert values(tmp_path, uncommented) == load_settings(None, variables={}, user_file=tmp_path / "none")
