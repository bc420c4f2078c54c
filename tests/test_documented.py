"""Everything a user can name is documented, and nothing is documented that does not exist."""

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lineal import errors
from lineal.bootstrap.settings import SETTINGS
from lineal.main import COMMANDS
from lineal.records import branching, comparison, dataset, deletion, deployment, garbage, graph, model, monitor, mount, remote, run, verdict

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
ERROR_CLASSES = {name for name, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, errors.LinealError)} | {"InternalError"}


def text(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, click.Command]]:
    for name, entry in COMMANDS.items():
        command = entry.load()
        yield f"lineal {name}", command
        if isinstance(command, click.Group):
            yield from ((f"lineal {name} {below}", found) for below, found in command.commands.items())


def error_kinds() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in ERROR_CLASSES:
                yield from ((kind, path.name) for keyword in node.keywords if keyword.arg == "kind" for kind in _texts(keyword.value))


def _texts(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.IfExp):
        yield from (*_texts(value.body), *_texts(value.orelse))
    elif isinstance(value, ast.Constant):
        yield str(value.value)


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""


def section(document: str, heading: str) -> str:
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", document, re.MULTILINE | re.DOTALL)
    assert found, f"{heading} has no section"
    return found[1]


@pytest.mark.parametrize(("name", "command"), [pytest.param(name, command, id=name) for name, command in commands()])
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    body = section(text("commands.md"), name)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for option in parameter.opts:
                assert re.search(rf"`{re.escape(option)}[` ]", body), f"{name} {option}"


def test_no_command_is_documented_that_does_not_exist() -> None:
    assert set(re.findall(r"^#+ (lineal .*)$", text("commands.md"), re.MULTILINE)) == {name for name, _command in commands()}


def test_every_setting_is_documented_with_its_default_and_variable() -> None:
    rows = {row.split("`")[1]: row for row in text("settings.md").splitlines() if row.startswith("| `")}
    assert set(rows) == {setting.name for setting in SETTINGS}
    for setting in SETTINGS:
        assert f"`{setting.variable}`" in rows[setting.name]
        assert setting.meaning in rows[setting.name]


def test_every_setting_that_is_asked_for_exists() -> None:
    known = {setting.name for setting in SETTINGS}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for name in re.findall(r"settings(?:\.get\(|\[)[\"']([\w.]+)[\"']", path.read_text(encoding="utf-8")):
            assert name in known, f"{path.name} asks for {name}"
        for name in re.findall(r"SETTING = [\"']([\w.]+)[\"']", path.read_text(encoding="utf-8")):
            assert name in known, f"{path.name} asks for {name}"


def test_every_error_kind_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z0-9-]+)` \|", text("errors.md"), re.MULTILINE))
    existing = {kind for kind, _path in error_kinds()}
    assert existing - documented == set(), "not documented"
    assert documented - existing == set(), "documented and gone"


RECORDS = [
    run.Run,
    run.Metric,
    run.FileUse,
    run.Code,
    run.Environment,
    run.Capture,
    comparison.Comparison,
    dataset.Dataset,
    dataset.DatasetVersion,
    dataset.DatasetStatus,
    dataset.VersionDiff,
    dataset.PathChange,
    dataset.VerifyReport,
    remote.Remote,
    remote.Transfer,
    remote.LineMove,
    garbage.Collection,
    garbage.Waiting,
    mount.Mount,
    dataset.PathConflict,
    branching.Branch,
    branching.RemoteTip,
    branching.MergeReport,
    model.Model,
    model.ModelVersion,
    model.Signature,
    model.Column,
    deployment.Deployment,
    deployment.Prediction,
    deployment.TruthReceipt,
    monitor.MonitorReport,
    monitor.Window,
    monitor.Quality,
    monitor.Drift,
    monitor.Distribution,
    graph.Graph,
    graph.Node,
    graph.Edge,
    deletion.DeletionPlan,
    verdict.Reproduction,
    verdict.Evidence,
    verdict.OutputEvidence,
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record.__name__))
def test_every_key_of_a_record_is_documented(record: type) -> None:
    keys = {found.name for found in dataclasses.fields(record)}
    tables = [set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)) for part in re.split(r"^(?=\| key)", text("json.md"), flags=re.MULTILINE)]
    assert any(keys <= table for table in tables), f"no table in json.md has all of {sorted(keys)}"


def test_every_route_is_documented() -> None:
    from lineal.interfaces.http.routes import ENDPOINTS
    from lineal.interfaces.http.table import PREFIX

    documented = text("routes.md")
    for endpoint in ENDPOINTS:
        assert f"{endpoint.method} {PREFIX}{endpoint.path}" in documented or re.search(
            rf"{endpoint.method}`? ?\|? ?`?(?:{PREFIX})?{re.escape(endpoint.path)}`", documented
        ), endpoint.path


def test_the_readme_shows_help_as_it_is() -> None:
    from click.testing import CliRunner

    from lineal.main import program

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for shown in re.findall(r"```console\n\$ lineal --help\n(.*?)```", readme, re.DOTALL):
        assert shown == CliRunner().invoke(program(), ["--help"], prog_name="lineal").output


def test_every_public_name_of_python_is_documented() -> None:
    import lineal
    from lineal.interfaces.sdk.recording import ActiveRun

    documented = text("python.md")
    for name in set(lineal.__all__) - {"ActiveRun", "__version__"}:
        assert f"`lineal.{name}" in documented, name
    for name in vars(ActiveRun):
        if not name.startswith("_"):
            assert f"`run.{name}" in documented, name
