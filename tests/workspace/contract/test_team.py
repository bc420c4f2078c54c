"""Several machines in one project of a server, with and without a network."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from tests.lineal_server import RunningServer, admin_token, free_port, start_server
from tests.workspace.contract.conftest import project

from lineal.bootstrap.compose import create_workspace, join_workspace, open_workspace
from lineal.errors import Conflict, NotFound, PermissionDenied, Unavailable
from lineal.main import program
from lineal.records.run import Run
from lineal.workspace.interface import RunRequest, Workspace


@dataclass(frozen=True)
class Machine:
    """A folder on some machine that works in a server's project."""

    root: Path
    workspace: Workspace

    def write(self, text: str, name: str = "a.csv") -> Path:
        path = self.root / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return self.root / "data"

    def execute(self, code: str = "print('done')") -> Run:
        return self.workspace.runs.execute(RunRequest(command=(sys.executable, "-c", code), folder=self.root))


@pytest.fixture
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Machine]:
    """Makes machines, each with a folder of its own."""

    def make(name: str, url: str) -> Machine:
        root = tmp_path / name
        root.mkdir()
        made = Machine(root, join_workspace(url, root))
        request.addfinalizer(made.workspace.close)
        return made

    return make


class TestSeveralMachines:
    def test_what_one_recorded_the_other_finds(self, open_server: RunningServer, machine: Callable[..., Machine], tmp_path: Path) -> None:
        url = project(open_server, "found")
        ann, bob = machine("ann", url), machine("bob", url)
        ann.workspace.datasets.add(ann.write("a\n1\n"), name="numbers")
        run = ann.execute("open('data/a.csv').read(); open('out.txt', 'w').write('made')")
        assert bob.workspace.runs.get(run.id[:8]).inputs[0].dataset == "numbers@1"
        assert b"".join(bob.workspace.runs.log(run.id)) == b""
        with bob.workspace.runs.artifact(run.id, "out.txt") as content:
            assert content.read() == b"made"
        with bob.workspace.datasets.open("numbers@1", "a.csv") as content:
            assert content.read() == b"a\n1\n"
        bob.workspace.datasets.checkout("numbers")
        assert (bob.root / "data" / "a.csv").read_text() == "a\n1\n"
        assert bob.workspace.datasets.status("numbers")[0].clean
        bob.workspace.datasets.checkout("numbers@1", tmp_path / "elsewhere")
        assert (tmp_path / "elsewhere" / "a.csv").read_text() == "a\n1\n"

    def test_the_servers_line_gives_the_numbers(self, open_server: RunningServer, machine: Callable[..., Machine]) -> None:
        url = project(open_server, "numbers")
        ann, bob = machine("ann", url), machine("bob", url)
        assert ann.workspace.datasets.add(ann.write("1\n"), name="numbers").reference == "numbers@1"
        bob.workspace.datasets.checkout("numbers")
        assert bob.workspace.datasets.add(bob.write("2\n"), name="numbers").reference == "numbers@2"
        assert [version.reference for version in ann.workspace.datasets.versions("numbers")] == ["numbers@2", "numbers@1"]
        assert ann.workspace.datasets.add(ann.write("x\n", "b.csv"), name="other").reference == "other@1"

    def test_where_somebody_was_faster_both_sides_are_kept_and_merged(
        self, open_server: RunningServer, machine: Callable[..., Machine], capfd: pytest.CaptureFixture[str]
    ) -> None:
        url = project(open_server, "faster")
        ann, bob = machine("ann", url), machine("bob", url)
        ann.workspace.datasets.add(ann.write("1\n"), name="numbers")
        bob.workspace.datasets.checkout("numbers")
        ann.workspace.datasets.add(ann.write("of ann\n", "ann.csv"), name="numbers")
        late = bob.workspace.datasets.add(bob.write("of bob\n", "bob.csv"), name="numbers")
        assert (late.number, late.reference[:9]) == (0, "numbers@~")
        assert "lineal pull numbers" in capfd.readouterr().err
        assert bob.workspace.datasets.get(late.reference).commit == late.commit
        assert [version.number for version in bob.workspace.datasets.versions("numbers")] == [0, 2, 1]
        bob.workspace.remotes.pull(["numbers"])
        merged = bob.workspace.branches.merge("numbers", "from-origin")
        assert merged.version == "numbers@4"
        assert {entry.path for entry in ann.workspace.datasets.entries("numbers")} == {b"a.csv", b"ann.csv", b"bob.csv"}
        assert bob.workspace.datasets.get(f"numbers@~{late.commit.partition(':')[2][:8]}").reference == "numbers@3"

    def test_a_branch_of_one_is_worked_on_by_the_other(self, open_server: RunningServer, machine: Callable[..., Machine]) -> None:
        url = project(open_server, "branches")
        ann, bob = machine("ann", url), machine("bob", url)
        ann.workspace.datasets.add(ann.write("1\n"), name="numbers")
        ann.workspace.branches.create("numbers", "cleaning")
        bob.workspace.datasets.checkout("numbers@cleaning")
        assert bob.workspace.datasets.add(bob.write("2\n"), name="numbers").branch == "cleaning"
        assert ann.workspace.branches.merge("numbers", "cleaning").version == "numbers@2"
        assert (ann.root / "data" / "a.csv").read_text() == "2\n"


class TestWithoutANetwork:
    def test_everything_is_recorded_and_travels_when_the_server_is_back(self, machine: Callable[..., Machine], tmp_path: Path) -> None:
        port = free_port()
        server = start_server(tmp_path / "server", "--no-auth", port=port)
        ann = machine("ann", project(server, "away"))
        ann.workspace.datasets.add(ann.write("1\n"), name="numbers")
        server.kill()
        ann = Machine(ann.root, open_workspace(ann.root))
        added = ann.workspace.datasets.add(ann.write("2\n"), name="numbers")
        run = ann.execute("open('data/a.csv').read()")
        assert (run.status, run.inputs[0].path) == ("finished", "data/a.csv")
        assert [found.id for found in ann.workspace.runs.search().runs] == [run.id]
        assert ann.workspace.datasets.list()[0].latest == added.reference == f"numbers@~{added.commit[7:11]}"
        assert ann.workspace.resolve(run.id[:8]).id == run.id
        with pytest.raises(Unavailable) as caught:
            ann.workspace.models.list()
        assert caught.value.kind == "server-unavailable"
        with pytest.raises(Unavailable):
            ann.workspace.runs.get("run:abcdef")
        ann.workspace.close()

        server = start_server(tmp_path / "server", "--no-auth", port=port)
        again = open_workspace(ann.root)
        assert [found.id for found in again.runs.search().runs] == [run.id]
        assert [use.dataset for use in again.runs.get(run.id).inputs] == ["numbers@2"]
        assert again.datasets.get(added.reference).reference == "numbers@2"
        assert not list((ann.root / ".lineal" / "journals").iterdir())
        again.close()
        server.stop()

    def test_only_the_first_time_the_server_must_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable) as caught:
            join_workspace(f"http://127.0.0.1:{free_port()}", tmp_path)
        assert (caught.value.kind, "first time" in caught.value.hint) == ("server-unavailable", True)
        assert not (tmp_path / ".lineal").exists()


class TestSync:
    def test_it_says_what_travelled_and_what_is_left(self, tmp_path: Path, machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch) -> None:
        server = start_server(tmp_path / "server", "--no-auth", port=(port := free_port()))
        ann = machine("ann", project(server, "sync"))
        monkeypatch.chdir(ann.root)
        server.kill()
        run = ann.execute()
        left = CliRunner().invoke(program(), ["sync", "--json"])
        found = json.loads(left.stdout)
        assert (left.exit_code, [one["run"] for one in found["left"]], found["runs"]) == (6, [run.id], 0)
        assert "cannot be reached" in found["reason"]
        assert doctor() == {"server": "missing", "sent": "limited"}

        server = start_server(tmp_path / "server", "--no-auth", port=port)
        done = CliRunner().invoke(program(), ["sync", "--json"])
        assert (done.exit_code, json.loads(done.stdout)["runs"], json.loads(done.stdout)["left"]) == (0, 1, [])
        assert "No run had anything to send." in CliRunner().invoke(program(), ["sync"]).stdout
        assert doctor() == {"server": "works", "sent": "works"}
        server.stop()

    def test_a_folder_that_works_for_itself_has_nothing_to_send(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        create_workspace(tmp_path).close()
        monkeypatch.chdir(tmp_path)
        assert isinstance(CliRunner().invoke(program(), ["sync"]).exception, SystemExit | NotFound)


class TestRoles:
    def test_whose_role_does_not_suffice_reads_on_and_is_told_what_stays(
        self, new_server: Callable[..., RunningServer], machine: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch, capfd: Any
    ) -> None:
        server = new_server()
        secret = admin_token(server)
        url = f"{server.url}/projects/default"
        monkeypatch.setenv("LINEAL_TOKEN", secret)
        ann = machine("ann", url)
        recorded = ann.execute()
        ann.workspace.datasets.add(ann.write("1\n"), name="numbers")
        wanted = {"project": "default", "role": "reader", "note": "reads"}
        made = httpx.post(f"{server.url}/api/v1/server/tokens", json=wanted, headers={"authorization": f"Bearer {secret}"}).raise_for_status()
        monkeypatch.setenv("LINEAL_TOKEN", made.json()["secret"])
        bob = machine("bob", url)
        kept = bob.execute()
        assert kept.status == "finished"
        assert [run.id for run in bob.workspace.runs.search().runs] == [recorded.id]
        bob.workspace.datasets.checkout("numbers")
        assert bob.workspace.datasets.add(bob.write("2\n"), name="numbers").number == 0
        assert "has not travelled: this takes the role contributor" in capfd.readouterr().err
        with pytest.raises(PermissionDenied) as caught:
            bob.workspace.runs.annotate(recorded.id, note="mine")
        assert caught.value.kind == "forbidden"
        monkeypatch.chdir(bob.root)
        found = json.loads(CliRunner().invoke(program(), ["sync", "--json"]).stdout)
        assert ([run["run"] for run in found["left"]], found["datasets"]) == ([kept.id], ["numbers"])
        assert "role" in found["reason"] + found["left"][0]["problem"]


class TestJoining:
    def test_a_folder_becomes_a_copy_of_the_servers_project(
        self, open_server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = project(open_server, "joined")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LINEAL_WORKSPACE", url)
        made = open_workspace()
        (tmp_path / "inner").mkdir()
        monkeypatch.chdir(tmp_path / "inner")
        again = open_workspace()
        monkeypatch.delenv("LINEAL_WORKSPACE")
        noted = open_workspace()
        assert {(found.project, found.project_id, found.root) for found in (made, again, noted)} == {("joined", made.project_id, tmp_path)}
        for workspace in (made, again, noted):
            workspace.close()

    def test_another_projects_folder_does_not_join(self, open_server: RunningServer, tmp_path: Path) -> None:
        create_workspace(tmp_path, name="mine").close()
        with pytest.raises(Conflict) as caught:
            join_workspace(project(open_server, "theirs"), tmp_path)
        assert caught.value.kind == "other-project"
        assert open_workspace(tmp_path).project == "mine"

    def test_a_project_that_is_not_there_is_not_joined(self, open_server: RunningServer, tmp_path: Path) -> None:
        with pytest.raises(NotFound) as caught:
            join_workspace(f"{open_server.url}/projects/nowhere", tmp_path)
        assert caught.value.kind == "unknown-project"


PROGRAM = """
import lineal, time, sys
with lineal.run("trained") as run:
    run.log(loss=0.5, step=1)
    print(run.id, flush=True)
    sys.stdin.readline()
    run.log(loss=0.25, step=2)
    open("made.txt", "w").write("made")
    if "wait" in sys.argv:
        time.sleep(1)  # what is logged is written within half a second
        print("logged", flush=True)
        time.sleep(60)
"""


class TestPrograms:
    def test_a_python_program_sends_its_run_while_it_goes_on_and_when_it_ends(
        self, open_server: RunningServer, machine: Callable[..., Machine]
    ) -> None:
        url = project(open_server, "programs")
        ann, bob = machine("ann", url), machine("bob", url)
        (ann.root / "train.py").write_text(PROGRAM)
        child = subprocess.Popen(
            [sys.executable, "train.py"], cwd=ann.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own_environment()
        )
        assert child.stdin is not None
        assert child.stdout is not None
        run = child.stdout.readline().strip()
        assert awaited(lambda: bob.workspace.runs.get(run).metrics["loss"].last == 0.5)
        assert not bob.workspace.runs.get(run).status.ended
        child.communicate("\n", timeout=30)
        found = bob.workspace.runs.get(run)
        assert (found.status, found.metrics["loss"].last, [use.path for use in found.outputs]) == ("finished", 0.25, ["made.txt"])
        assert [use.path for use in found.inputs] == []
        assert not list((ann.root / ".lineal" / "journals").iterdir())

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, "crashed"), (signal.SIGTERM, "stopped")])
    def test_what_a_program_recorded_before_it_was_ended_gets_there(
        self, number: signal.Signals, status: str, open_server: RunningServer, machine: Callable[..., Machine]
    ) -> None:
        url = project(open_server, status)
        ann, bob = machine("ann", url), machine("bob", url)
        (ann.root / "train.py").write_text(PROGRAM)
        child = subprocess.Popen(
            [sys.executable, "train.py", "wait"], cwd=ann.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own_environment()
        )
        assert child.stdin is not None
        assert child.stdout is not None
        run = child.stdout.readline().strip()
        assert awaited(lambda: bool(bob.workspace.runs.get(run)))
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        child.send_signal(number)
        child.communicate(timeout=10)
        if number is signal.SIGKILL:
            assert awaited(lambda: bob.workspace.runs.get(run).status == status)
            ann.workspace.runs.ingest()
        found = bob.workspace.runs.get(run)
        assert (found.status, found.metrics["loss"].last, bool(found.code.files)) == (status, 0.25, True)
        assert not [text for text in found.warnings if "damaged" in text]


def doctor() -> dict[str, str]:
    """What `lineal doctor` says of the server: name to state."""
    found = json.loads(CliRunner().invoke(program(), ["doctor", "--json"]).stdout)
    return {one["name"]: one["state"] for one in found if one["group"] == "server"}


def own_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("LINEAL_")}


def awaited(holds: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    """Whether it comes to hold in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(NotFound, KeyError):
            if holds():
                return True
        time.sleep(0.1)
    return False
