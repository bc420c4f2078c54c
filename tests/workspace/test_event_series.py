"""What a program writes for TensorBoard becomes series of its run while it goes on, each record once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lineal.bootstrap.compose import create_workspace
from lineal.records.resources import is_resource
from lineal.records.run import RunStatus
from lineal.workspace.interface import Workspace

GOLDEN = Path(__file__).parents[1] / "records" / "fixtures" / "torch.tfevents"
WRITES = """
    import time
    from pathlib import Path
    golden = Path("golden.bin").read_bytes()
    Path("runs/a").mkdir(parents=True)
    file = open("runs/a/events.out.tfevents.1", "wb", buffering=0)
    file.write(golden[:200])
    while not Path("go").exists():
        time.sleep(0.02)
    file.write(golden[200:])
"""
POINTS = {"loss": 3, "tensor": 3, "double": 3, "last": 1}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = create_workspace(tmp_path, name="events")
    yield made
    made.close()


def points(workspace: Workspace) -> dict[str, int]:
    """Of the one run, once its journals are in."""
    workspace.runs.ingest()
    found = workspace.runs.search().runs
    metrics = workspace.runs.get(found[0].id).metrics if found else {}
    return {key: metric.points for key, metric in metrics.items() if not is_resource(key)}


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def start(workspace: Workspace, code: str, *words: str) -> subprocess.Popen[bytes]:
    (workspace.root / "golden.bin").write_bytes(GOLDEN.read_bytes())
    (workspace.root / "program.py").write_text(textwrap.dedent(code))
    return subprocess.Popen([sys.executable, *words, "program.py"], cwd=workspace.root, start_new_session=True)


UNDER_LINEAL_RUN = (("-m", "lineal.main", "run", "--", sys.executable), WRITES)
BY_ITSELF = ((), "import lineal\nrun = lineal.start()\n" + textwrap.dedent(WRITES) + "run.finish()\n")


@pytest.mark.parametrize(("words", "code"), [UNDER_LINEAL_RUN, BY_ITSELF], ids=["lineal run", "a program by itself"])
def test_series_appear_while_the_program_writes_and_are_whole_in_the_end(workspace: Workspace, words: tuple[str, ...], code: str) -> None:
    with start(workspace, code, *words) as process:
        wait_for(lambda: points(workspace))
        assert "last" not in points(workspace)
        (workspace.root / "go").touch()
    assert process.returncode == 0
    wait_for(lambda: points(workspace) == POINTS)
    (run,) = workspace.runs.search().runs
    assert [use.path for use in workspace.runs.get(run.id).outputs] == ["runs/a/events.out.tfevents.1"]
    assert [use.path for use in workspace.runs.get(run.id).inputs] == ["golden.bin"]  # what was read for the series is none


def test_what_a_killed_run_had_written_is_read_once_by_whoever_comes_next(workspace: Workspace) -> None:
    with start(workspace, UNDER_LINEAL_RUN[1], *UNDER_LINEAL_RUN[0]) as process:
        wait_for(lambda: points(workspace))
        with (workspace.root / "runs/a/events.out.tfevents.1").open("ab") as file:
            file.write(GOLDEN.read_bytes()[200:])
        os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: points(workspace) == POINTS)
    (run,) = workspace.runs.search().runs
    assert run.status is RunStatus.CRASHED
    assert points(workspace) == POINTS


def test_an_earlier_runs_files_in_a_declared_folder_are_not_this_runs_series(workspace: Workspace) -> None:
    before = workspace.root / "runs/old/events.out.tfevents.0"
    before.parent.mkdir(parents=True)
    before.write_bytes(GOLDEN.read_bytes())
    os.utime(before, (1_700_000_000, 1_700_000_000))
    code = "from pathlib import Path\nPath('runs/seen').write_text('x')\n"
    with start(workspace, code, "-m", "lineal.main", "run", "-o", "runs", "--", sys.executable) as process:
        pass
    assert process.returncode == 0
    assert points(workspace) == {}
