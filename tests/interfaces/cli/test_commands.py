"""The commands over a real project: what they print, and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lineal.main import program

TRAIN = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
lr = parser.parse_args().lr
total = sum(int(line) for line in open("data/numbers.csv") if line.strip().isdigit())
open("model.txt", "w").write(f"{total * lr}")
print("total", total)
"""


def process(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lineal.main", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, **options)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(program(), arguments)


def ask(*arguments: str) -> Any:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a dataset in two versions and two runs on the first."""
    folder = tmp_path_factory.mktemp("loop")
    (folder / "data").mkdir()
    (folder / "train.py").write_text(TRAIN)
    (folder / "data" / "numbers.csv").write_text("n\n1\n2\n3\n")
    for arguments in (
        ["init", "--name", "loop"],
        ["data", "add", "data", "--name", "numbers", "-m", "three", "--md5"],
        ["run", "--name", "train", "--tag", "team=vision", "--", sys.executable, "train.py", "--lr", "0.5"],
        ["run", "--name", "train", "--", sys.executable, "train.py", "--lr", "0.25"],
    ):
        done = process(folder, *arguments)
        assert done.returncode == 0, done.stderr
    (folder / "data" / "numbers.csv").write_text("n\n1\n2\n4\n")
    assert process(folder, "data", "add", "data", "--name", "numbers").returncode == 0
    return folder


@pytest.fixture
def project(loop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(loop)
    return loop


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert call("init", "--name", "empty").exit_code == 0
    return tmp_path


@pytest.mark.usefixtures("project")
def test_runs_as_json_have_the_promised_keys() -> None:
    runs = ask("runs")
    promised = "id name status command params metrics tags inputs outputs code environment started_at ended_at exit_code capture"
    assert all(set(promised.split()) <= set(run) for run in runs)
    newest = runs[0]
    assert (newest["params"], newest["exit_code"], newest["status"]) == ({"lr": 0.25}, 0, "finished")
    assert [use["path"] for use in newest["inputs"]] == ["data/numbers.csv"]
    assert all({"path", "digest", "size"} <= set(use) for use in newest["inputs"] + newest["outputs"])
    assert runs[1]["tags"] == {"team": "vision"}


@pytest.mark.usefixtures("project")
def test_adding_data_as_json_names_its_version() -> None:
    added = ask("data", "add", "data", "--name", "numbers")
    assert {"name", "version", "commit", "digest"} <= set(added)
    assert (added["name"], added["version"]) == ("numbers", 2), "nothing changed, so no version was made"
    assert "numbers@2  nothing has changed since then" in call("data", "add", "data", "--name", "numbers").stdout


@pytest.mark.usefixtures("project")
def test_lineage_as_json_is_nodes_and_edges() -> None:
    run = ask("runs")[0]["id"]
    graph = ask("lineage", run)
    assert all({"id", "kind", "label"} <= set(node) for node in graph["nodes"])
    assert {edge["relation"] for edge in graph["edges"]} == {"used", "wasGeneratedBy"}
    assert "dataset" in {node["kind"] for node in graph["nodes"]}
    assert "run" in {node["kind"] for node in ask("lineage", "data:numbers@1", "--down")["nodes"]}


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs"],
        ["show", "numbers@1"],
        ["data", "log"],
        ["data", "log", "numbers"],
        ["data", "status"],
        ["data", "diff", "numbers"],
        ["data", "diff", "numbers@1"],
        ["data", "verify"],
        ["model", "list"],
        ["deployments"],
        ["lineage", "numbers@1", "--down"],
        ["fsck"],
        ["config"],
        ["doctor"],
        ["rm", "path:model.txt"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("project")
def test_every_reading_command_speaks_to_people_and_to_programs(arguments: list[str]) -> None:
    told = call(*arguments)
    assert (told.exit_code, told.stderr.count("Traceback")) == (0, 0), told.output
    assert json.loads(call(*arguments, "--json").stdout) is not None


@pytest.mark.usefixtures("project")
def test_a_run_is_shown_compared_and_its_log_printed() -> None:
    one, two = (run["id"][:8] for run in ask("runs"))
    assert "lr" in call("show", one).stdout
    assert "Parameters that differ" in call("compare", one, two).stdout
    shown = call("compare", one, two, "--code", "--log").stdout
    assert "The code is the same" in shown
    assert ask("compare", one, two, "--log")["difference"]["params"][0]["key"] == "lr"
    assert "exactly two" in call("compare", one, two, one, "--code").stderr
    assert call("compare", one, two, "--format", "csv").stdout.startswith("section,key,differs,")
    assert call("runs", "--format", "csv", "--limit", "1").stdout.count("\n") == 2
    assert "--format csv" in call("runs", "-o", "runs.txt").stderr
    assert call("logs", one).stdout == "total 6\n"
    assert ask("logs", one)["log"] == "total 6\n"


@pytest.mark.usefixtures("project")
def test_the_difference_of_two_versions_counts_rows() -> None:
    assert "rows: 1 changed" in call("data", "diff", "numbers@1", "numbers@2").stdout


def test_a_version_is_written_elsewhere(project: Path, tmp_path: Path) -> None:
    assert call("data", "checkout", "numbers@1", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / "numbers.csv").read_text() == "n\n1\n2\n3\n"
    assert (project / "data" / "numbers.csv").read_text() == "n\n1\n2\n4\n"


def test_deleting_takes_a_plan_and_comes_back(project: Path) -> None:
    run = ask("runs")[1]["id"][:8]
    assert "Would fall" in call("rm", run).stdout
    plan = ask("rm", run)["hash"]
    assert call("rm", run, "--plan", "0" * 16).exit_code == 4
    assert len(ask("runs")) == 2
    assert ask("rm", run, "--plan", plan)["carried_out"] is True
    assert (len(ask("runs")), call("show", run).exit_code) == (1, 3)
    assert call("undelete", run).exit_code == 0
    assert len(ask("runs")) == 2
    assert project.exists()


@pytest.mark.usefixtures("project")
def test_a_mistake_is_hidden_until_it_is_asked_for() -> None:
    run = ask("runs")[1]["id"][:8]
    assert call("mark", run, "--mistake", "wrong\nrate").exit_code == 0
    assert (len(ask("runs")), len(ask("runs", "--where", "mistake != ''"))) == (1, 1)
    assert "wrong\\nrate" in call("show", run).stdout
    assert call("mark", run, "--mistake", "").exit_code == 0
    assert len(ask("runs")) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "nothing-of-this-name"], 3, "nothing-of-this-name"),
        (["show", "numbers@9"], 3, "numbers"),
        (["show", "run:0000"], 3, "run:0000"),
        (["show", "no\nsuch\x1b[31mthing"], 3, "\\x1b[31m"),
        (["logs", "data:numbers@1"], 2, "run"),
        (["runs", "--where", "auc >"], 2, "filter"),
        (["runs", "--limit", "0"], 2, "limit"),
        (["data", "add", "not-there"], 3, "not-there"),
        (["data", "diff", "numbers@1", "numbers@9"], 3, "numbers"),
        (["model", "register", "run:0000", "--name", "x"], 3, "run:0000"),
        (["deploy", "nothing"], 3, "nothing"),
        (["undeploy", "nothing"], 3, "nothing"),
        (["monitor", "nothing"], 3, "nothing"),
        (["truth", "nothing", "t.csv"], 3, ""),
        (["reproduce", "run:0000"], 3, "run:0000"),
        (["reproduce", "run:0000", "--data", "x"], 2, "KEY=VALUE"),
        (["rm", "nothing"], 3, "nothing"),
        (["undelete", "numbers@1"], 3, "not deleted"),
        (["stop", "nothing"], 3, "nothing"),
        (["compare", "nothing", "more"], 3, "nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("project")
def test_a_bad_name_is_told_and_exits_with_its_code(arguments: list[str], code: int, said: str) -> None:
    done = call(*arguments)
    assert done.exit_code == code, done.output
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert not any(character in done.stderr for character in "\x1b\x07")


def test_a_text_that_names_two_things_is_refused_with_both(empty: Path) -> None:
    (empty / "delay").mkdir()
    (empty / "delay" / "a").write_text("1")
    (empty / "copying.py").write_text("open('delay2', 'w').write(open('delay/a').read())")
    assert call("data", "add", "delay").exit_code == 0
    assert process(empty, "run", "--name", "delay", "--", sys.executable, "copying.py").returncode == 0
    run = ask("runs")[0]["id"]
    (empty / "other").write_text("x")
    assert call("data", "add", "other", "--name", run[:6]).exit_code == 0
    done = call("show", run[:6])
    assert done.exit_code == 4
    assert f"run:{run[:4]}" in done.stderr
    assert f"data:{run[:6]}" in done.stderr


@pytest.mark.parametrize("name", ["a b.csv", "a\nb.csv", "\x1b[31mred.csv", "\udcff.csv", "ünï.csv", "-x", "%s{}"])
def test_data_of_any_name_is_kept_and_shown_on_one_line(empty: Path, name: str) -> None:
    folder = empty / "data"
    folder.mkdir()
    (folder / name).write_text("1\n")
    assert call("data", "add", "data").exit_code == 0
    shown = call("show", "data:data")
    assert shown.exit_code == 0
    assert "\x1b[31mred" not in shown.stdout
    (folder / name).unlink()
    assert call("data", "checkout", "data@1").exit_code == 0
    assert (folder / name).read_text() == "1\n"


def test_a_loop_of_links_is_told(empty: Path) -> None:
    (empty / "a").symlink_to("b")
    (empty / "b").symlink_to("a")
    done = call("data", "add", "a")
    assert (done.exit_code, "link" in done.stderr) == (2, True)


def test_damage_in_the_store_is_found_and_exits_with_5(empty: Path) -> None:
    (empty / "data").write_bytes(os.urandom(5000))
    assert call("data", "add", "data").exit_code == 0
    pack = max((path for path in (empty / ".lineal" / "store").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    pack.chmod(0o644)
    body = bytearray(pack.read_bytes())
    body[len(body) // 3] ^= 0xFF
    pack.write_bytes(body)
    for arguments in (["data", "verify"], ["fsck"]):
        done = call(*arguments)
        assert done.exit_code == 5, done.output
        assert "damaged" in done.stdout
        found = call(*arguments, "--json")
        assert found.exit_code == 5
        assert not all(report["sound"] for report in json.loads(found.stdout))


def test_a_damaged_ledger_exits_with_5(empty: Path) -> None:
    for path in (empty / ".lineal").glob("ledger.db*"):
        path.unlink()
    (empty / ".lineal" / "ledger.db").write_bytes(b"this is no database" * 1000)
    done = call("runs")
    assert (done.exit_code, "lineal fsck" in done.stderr) == (5, True)


def test_a_newer_project_is_refused_by_every_command(empty: Path) -> None:
    path = empty / ".lineal" / "format.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    for arguments in (["runs"], ["data", "status"], ["init"]):
        done = call(*arguments)
        assert (done.exit_code, "made by a newer Lineal" in done.stderr) == (4, True)
    done = call("doctor")
    assert (done.exit_code, "made by a newer Lineal" in done.stdout) == (0, True)


@pytest.mark.parametrize("arguments", [["runs"], ["data", "status"], ["model", "list"], ["fsck"], ["ui"]], ids=" ".join)
def test_outside_a_project_the_way_in_is_shown(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(*arguments)
    assert (done.exit_code, "lineal init" in done.stderr) == (3, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["no-such-program-anywhere"], 127),
        (["./plain"], 126),
    ],
    ids=["own", "signal", "not found", "not executable"],
)
def test_a_run_exits_as_its_command_did(empty: Path, command: list[str], code: int) -> None:
    (empty / "plain").write_text("no program")
    done = process(empty, "run", "--", *command)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    run = ask("runs")[0]
    assert (run["exit_code"], run["status"]) == (code, "failed" if code != 143 else run["status"])


def test_a_failure_of_lineals_own_exits_with_125(tmp_path: Path) -> None:
    done = process(tmp_path, "run", "--", "true")
    assert (done.returncode, "lineal init" in done.stderr) == (125, True)


def test_output_streams_through_unchanged(empty: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.stdout.buffer.write(b'\\xff\\n')"
    done = subprocess.run([sys.executable, "-m", "lineal.main", "run", "--", sys.executable, "-c", code], cwd=empty, capture_output=True, check=True)
    assert b"\xff\n" in done.stdout
    assert b"out\n" in done.stdout
    assert done.stderr.startswith(b"err\n")


def test_options_behind_the_command_are_the_commands_own(empty: Path) -> None:
    done = process(empty, "run", "--name", "echo", "--", "echo", "--help", "-p", "x=1")
    assert (done.returncode, done.stdout) == (0, "--help -p x=1\n")


def test_ctrl_c_stops_the_command_and_records_it(empty: Path) -> None:
    (empty / "wait.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "lineal.main", "run", "--name", "wait", "--", sys.executable, "wait.py"]
    with subprocess.Popen(command, cwd=empty, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.2)
        os.killpg(child.pid, signal.SIGINT)
        _out, told = child.communicate(timeout=30)
    assert child.returncode == 130, told
    run = ask("runs")[0]
    assert run["status"] in {"stopped", "failed"}
    assert "KeyboardInterrupt" in call("logs", run["id"]).stdout


def test_a_running_run_is_followed_and_stopped(empty: Path) -> None:
    (empty / "wait.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "lineal.main", "run", "--", sys.executable, "wait.py"]
    with subprocess.Popen(command, cwd=empty, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        run = ask("runs")[0]
        assert run["status"] == "running"
        assert call("rm", run["id"]).exit_code == 4
        assert call("stop", run["id"]).exit_code == 0
        child.communicate(timeout=30)
    assert ask("runs")[0]["status"] == "stopped"
    assert process(empty, "logs", "-f", run["id"]).stdout.startswith("ready\n")


def test_a_parameter_that_nobody_asked_for_is_pointed_out(empty: Path) -> None:
    done = process(empty, "run", "-p", "depth=3", "--", sys.executable, "-c", "pass")
    assert done.returncode == 0
    assert "depth" in " ".join(ask("runs")[0]["warnings"])


def test_a_resumed_run_keeps_its_name_and_what_was_overridden(empty: Path) -> None:
    (empty / "train.py").write_text("import lineal\nwith lineal.run() as run:\n    print(run.param('lr', 0.1))\n")
    assert process(empty, "run", "--name", "first", "-p", "lr=0.7", "--", sys.executable, "train.py").stdout == "0.7\n"
    run = ask("runs")[0]["id"]
    assert process(empty, "run", "--resume", run[:8], "--", sys.executable, "train.py").stdout == "0.7\n"
    again = ask("runs")
    assert [(run["id"], run["name"], run["attempt"], run["params"]) for run in again] == [(run, "first", 2, {"lr": 0.7})]


def test_garbage_is_previewed_condemned_and_freed(loop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(loop)
    said = ask("data", "gc", "--dry-run", "--grace", "0")
    assert said["dry_run"]
    assert said["needed_objects"] > 0
    shown = call("data", "gc", "--grace", "12h")
    assert shown.exit_code == 0
    assert "needed" in shown.stdout
    assert "refs and all versions behind them" in shown.stdout
    assert ask("data", "gc", "--grace", "0")["dry_run"] is False
    assert all(item["sound"] for item in ask("data", "verify"))
    bad = call("data", "gc", "--grace", "soon")
    assert bad.exit_code == 2
    assert "no span of time" in bad.output


def test_a_sample_is_verified_and_says_how_sure_that_makes_one(loop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(loop)
    shown = call("data", "verify", "numbers", "--sample", "50%", "--seed", "3")
    assert shown.exit_code == 0
    assert "--seed 3" in shown.stdout
    assert ask("data", "verify", "numbers", "--sample", "0.5")[0]["seed"] is not None
    assert call("data", "verify", "--sample", "two").exit_code == 2
