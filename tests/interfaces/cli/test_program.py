import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lineal.bootstrap.compose import create_workspace
from lineal.main import COMMANDS, DAILY, PROVE, SHIP, program

NAMES = (
    "init run runs show logs stop compare data lineage model deploy deployments undeploy monitor truth rm undelete mark reproduce fsck doctor config ui demo "
    "remote push pull clone completion server login logout whoami user token project sync backup restore views"
)


def imported_by(*arguments: str) -> set[str]:
    code = "import sys, atexit; atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr)); from lineal.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_every_command_of_the_product_is_there_and_no_other() -> None:
    assert set(COMMANDS) == set(NAMES.split())


def test_help_shows_every_command_under_its_section() -> None:
    shown = CliRunner().invoke(program(), ["--help"]).output
    places = [shown.index(f"\n{section}:") for section in (DAILY, SHIP, PROVE)]
    assert places == sorted(places)
    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    assert not {"sqlalchemy", "numpy", "starlette", "rich", "msgspec", "lineal.workspace.local"} & imported_by("--help")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "demo"])
def test_the_help_of_a_command_imports_nothing_heavy(name: str) -> None:
    assert not {"sqlalchemy", "numpy", "starlette"} & imported_by(name, "--help")


def test_everyday_commands_import_what_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_workspace(tmp_path).close()
    monkeypatch.chdir(tmp_path)
    ran = imported_by("run", "--", "true")
    assert "lineal.workspace.ingest" in ran
    assert not {"numpy", "alembic", "starlette", "httpx", "rich"} & ran
    listed = imported_by("runs")
    assert "lineal.ledger.runs" in listed
    assert not {"numpy", "alembic", "starlette", "httpx", "blake3", "lineal.workspace.collection", "lineal.store.repository"} & listed


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_entry_leads_to_a_command_of_its_name(name: str) -> None:
    command = COMMANDS[name].load()
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_the_table_says_in_short_what_the_command_says() -> None:
    for name, entry in COMMANDS.items():
        first = (entry.load().help or "").partition("\n")[0]
        assert first[0] == entry.help[0], name
        assert entry.help.endswith("."), name


def test_an_unknown_command_names_the_nearest() -> None:
    done = CliRunner().invoke(program(), ["rnus"])
    assert done.exit_code == 2
    assert "Did you mean runs?" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["runs", "--nonsense"], ["show"], ["compare", "a"], ["run"], ["run", "-p", "novalue", "--", "x"], ["data", "nonsense"]]
)
def test_wrong_usage_exits_with_2_and_says_where_help_is(arguments: list[str]) -> None:
    done = CliRunner().invoke(program(), arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert "--help" in done.stderr


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(program(), ["--version"]).output == "lineal 0.1.0\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_program(shell: str) -> None:
    done = CliRunner().invoke(program(), ["completion", shell])
    assert done.exit_code == 0
    assert f"_LINEAL_COMPLETE={shell}_complete" in done.output


def test_completion_offers_commands_without_a_project() -> None:
    done = CliRunner().invoke(
        program(), [], env={"_LINEAL_COMPLETE": "bash_complete", "COMP_WORDS": "lineal mo", "COMP_CWORD": "1"}, prog_name="lineal"
    )
    assert {"plain,model", "plain,monitor"} <= set(done.output.split())


def test_commands_reach_the_workspace_and_nothing_below_it() -> None:
    spec = find_spec("lineal.interfaces.cli")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    from pathlib import Path

    below = ("lineal.ledger", "lineal.store", "lineal.capture", "lineal.serving", "lineal.monitoring", "lineal.delivery")
    for path in Path(spec.submodule_search_locations[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith(below), path.name
