"""`lineal.run` in programs of their own, as users write them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineal.bootstrap.compose import create_workspace
from lineal.records import journal
from lineal.records.run import Run, RunStatus
from lineal.workspace.interface import Workspace


class Studio:
    """A project, and programs that record into it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.root

    def play(self, code: str, *, status: int = 0) -> list[Run]:
        """Runs a program and gives every run of the project, oldest first."""
        (self.folder / "program.py").write_text(textwrap.dedent(code))
        done = subprocess.run([sys.executable, "program.py"], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        self.errors = done.stderr
        self.workspace.runs.ingest()
        return sorted((self.workspace.runs.get(run.id) for run in self.workspace.runs.search().runs), key=lambda run: run.started_at)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    workspace = create_workspace(tmp_path, name="studio")
    yield Studio(workspace)
    workspace.close()


def test_everything_that_can_be_recorded_is_in_the_run(studio: Studio) -> None:
    (studio.folder / "in.csv").write_text("a\n1\n")
    (run,) = studio.play(
        """
        import lineal
        with lineal.run("train") as run:
            rows = open(run.input("in.csv", role="train")).read()
            assert run.param("learning_rate", 0.1) == 0.1
            assert run.params({"depth": 4, "features": ["dep_delay", "carrier"]})["depth"] == 4
            assert run.log(loss=0.31, step=7) == {"loss": 0.31}
            run.log({"val/loss": 0.3}, step=7)
            run.summary(auc=0.91, on="test")
            run.tag("team", "delays"); run.note("first try")
            open(run.output("roc.png"), "wb").write(b"png")
            open("undeclared.txt", "w").write("x")
        """
    )
    assert studio.errors == ""
    assert (run.name, run.status, run.exit_code) == ("train", RunStatus.FINISHED, 0)
    assert {key: param.value for key, param in run.params.items()} == {"learning_rate": 0.1, "depth": 4, "features": ["dep_delay", "carrier"]}
    assert {key: metric.last for key, metric in run.metrics.items()} == {"loss": 0.31, "val/loss": 0.3, "auc": 0.91}
    assert [(use.path, use.role, use.role_origin, use.declared) for use in run.inputs] == [("in.csv", "train", "declared", True)]
    assert {use.path: use.declared for use in run.outputs} == {"roc.png": True, "undeclared.txt": False}
    assert run.capture.undeclared == ("undeclared.txt",)
    assert (run.tags, run.note) == ({"team": "delays"}, "first try")
    assert list(run.code.files) == ["program.py"]
    assert run.environment.interpreter == sys.executable
    assert run.command[-1] == "program.py"


def test_an_exception_marks_the_run_failed_and_goes_on(studio: Studio) -> None:
    runs = studio.play(
        """
        import lineal
        try:
            with lineal.run("bad"): raise ValueError("no")
        except ValueError: pass
        try:
            with lineal.run("left"): raise SystemExit(0)
        except SystemExit: pass
        try:
            with lineal.run("typed"): raise KeyboardInterrupt
        except KeyboardInterrupt: pass
        """
    )
    assert [(run.name, run.status.value, run.exit_code) for run in runs] == [("bad", "failed", 1), ("left", "finished", 0), ("typed", "stopped", 130)]


def test_a_run_is_complete_when_its_program_has_ended(studio: Studio) -> None:
    (studio.folder / "program.py").write_text("import lineal\nwith lineal.run('a'): open('out.txt', 'w').write('x')\n")
    done = subprocess.run([sys.executable, "program.py"], cwd=studio.folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    (folder,) = (studio.folder / ".lineal/journals").iterdir()
    assert not (folder / journal.UNCOLLECTED).exists()


def test_a_started_run_ends_with_finish_or_with_the_process(studio: Studio) -> None:
    runs = studio.play("import lineal\na = lineal.start('a'); a.log(x=1); a.finish(); a.finish()\nb = lineal.start('b'); b.log(x=2)\n")
    assert [(run.name, run.status.value) for run in runs] == [("a", "finished"), ("b", "finished")]
    assert studio.errors == ""


def test_a_process_that_dies_of_an_exception_fails_what_it_left_open(studio: Studio) -> None:
    (run,) = studio.play("import lineal\nrun = lineal.start('a')\nraise ValueError('no')\n", status=1)
    assert run.status is RunStatus.FAILED


def test_a_run_inside_another_is_its_child(studio: Studio) -> None:
    outer, inner = studio.play("import lineal\nwith lineal.run('outer'):\n    with lineal.run('inner') as run: run.log(x=1)\n")
    assert (outer.parent, inner.parent) == ("", outer.id)


def test_a_killed_process_is_recovered_with_what_it_wrote(studio: Studio) -> None:
    (run,) = studio.play(
        """
        import lineal, os, time
        run = lineal.start("long")
        for step in range(100): run.log(loss=1.0, step=step)
        open("out.txt", "w").write("x")
        time.sleep(1.5)
        os.kill(os.getpid(), 9)
        """,
        status=-9,
    )
    assert (run.status, run.metrics["loss"].points) == (RunStatus.CRASHED, 100)
    assert [use.path for use in run.outputs] == ["out.txt"]


def test_a_forked_process_goes_on_recording_into_the_run(studio: Studio) -> None:
    (run,) = studio.play(
        """
        import lineal, os, sys
        with lineal.run("fork") as run:
            run.log(loss=1.0, step=0)
            if os.fork() == 0:
                run.log(child=2.0, step=0)
                open("child.txt", "w").write("x")
                run.finish()
                sys.exit(0)
            os.wait()
        """
    )
    assert run.status is RunStatus.FINISHED
    assert {key: metric.last for key, metric in run.metrics.items()} == {"loss": 1.0, "child": 2.0}
    assert [use.path for use in run.outputs] == ["child.txt"]


def test_secrets_that_a_script_records_are_taken_out_and_given_back(studio: Studio) -> None:
    (run,) = studio.play(
        """
        import lineal
        with lineal.run("keys") as run:
            assert run.param("api_key", "abc") == "abc"
            assert run.params({"hf": {"hf_token": "abc"}, "db": "postgres://me:abc@host/db", "max_tokens": 5})["hf"] == {"hf_token": "abc"}
            run.tag("password", "abc")
            run.note("see https://me:abc@host/")
        """
    )
    assert {key: param.value for key, param in run.params.items()} == {
        "api_key": "[redacted]",
        "hf": {"hf_token": "[redacted]"},
        "db": "postgres://[redacted]@host/db",
        "max_tokens": 5,
    }
    assert (run.tags, run.note) == ({"password": "[redacted]"}, "see https://[redacted]@host/")


def test_a_forked_process_ends_at_once_after_a_run_of_its_own(studio: Studio) -> None:
    outer, inner = studio.play(
        """
        import lineal, multiprocessing, time
        def work():
            with lineal.run("inner") as run:
                run.log(loss=1.0)
        with lineal.run("outer"):
            child = multiprocessing.get_context("fork").Process(target=work)
            child.start()
            child.join(20)
            assert child.exitcode == 0, child.exitcode
        """
    )
    assert (outer.name, inner.name, inner.status) == ("outer", "inner", RunStatus.FINISHED)


def test_threads_that_begin_after_our_own_ended_are_seen_although_they_get_their_numbers(studio: Studio) -> None:
    (run,) = studio.play(
        """
        import lineal, threading, time
        for number in range(20):
            open(f"{number}.csv", "w").close()
        with lineal.run("loaders"):
            while any(thread.name == "lineal-code" for thread in threading.enumerate()):
                time.sleep(0.01)
            for number in range(20):
                thread = threading.Thread(target=lambda: open(f"{number}.csv").close())
                thread.start()
                thread.join()
        """
    )
    assert len(run.inputs) == 20


def test_the_ranks_of_one_launch_share_a_run_and_the_next_launch_has_its_own(studio: Studio) -> None:
    (studio.folder / "rank.py").write_text(
        "import lineal, os\nwith lineal.run('train') as run:\n    for step in range(50): run.log(loss=float(os.environ['RANK']), step=step)\n"
    )
    launcher = """
        import os, subprocess, sys
        def rank(place): return subprocess.Popen([sys.executable, "rank.py"], env={**os.environ, "RANK": str(place), "WORLD_SIZE": "3"})
        sys.exit(max(child.wait() for child in [rank(place) for place in range(3)]))
    """
    (first,) = studio.play(launcher)
    assert [(series.total, series.values[0]) for series in studio.workspace.runs.series(first.id, "loss")] == [(50, 0.0), (50, 1.0), (50, 2.0)]
    assert first.status is RunStatus.FINISHED
    assert len(studio.play(launcher)) == 2


def test_a_launch_from_within_a_recorded_program_is_a_run_of_its_own_with_all_its_ranks(studio: Studio) -> None:
    (studio.folder / "rank.py").write_text(
        "import lineal, os\nwith lineal.run('train') as run:\n    run.log(loss=float(os.environ['RANK']), step=1)\n"
    )
    outer, train = studio.play("""
        import lineal, os, subprocess, sys
        def rank(place): return subprocess.Popen([sys.executable, "rank.py"], env={**os.environ, "RANK": str(place), "WORLD_SIZE": "2"})
        with lineal.run("outer"):
            codes = [child.wait() for child in [rank(place) for place in range(2)]]
        sys.exit(max(codes))
    """)
    assert (outer.name, outer.metrics, train.name) == ("outer", {}, "train")
    assert [series.values for series in studio.workspace.runs.series(train.id, "loss")] == [(0.0,), (1.0,)]


def test_outputs_of_one_path_are_kept_apart_by_run(studio: Studio) -> None:
    runs = studio.play(
        """
        import lineal, time
        for seed in range(3):
            with lineal.run("sweep") as run:
                open("model.txt", "w").write(str(seed))
            time.sleep(0.7)
        """
    )
    assert [studio.workspace.runs.artifact(run.id, "model.txt").read() for run in runs] == [b"0", b"1", b"2"]


def test_a_model_is_kept_in_a_safe_format_with_its_signature(studio: Studio) -> None:
    (run,) = studio.play(
        """
        import lineal, pandas as pd
        from sklearn.linear_model import LogisticRegression
        X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
        with lineal.run("fit") as run:
            model = run.model("delay", LogisticRegression().fit(X, [0, 0, 1, 1]), example=X)
            assert model.predict(X).shape == (4,)
        """
    )
    (model,) = [use for use in run.outputs if use.role == "model"]
    assert (model.root, model.path) == ("run", "models/delay/model.skops")
    assert model.restorable
    assert not list((studio.folder / ".lineal/artifacts").iterdir())


def test_recording_loads_neither_the_ledger_nor_numpy(studio: Studio) -> None:
    code = "import lineal, sys\nwith lineal.run() as run: run.log(loss=1.0)\nbad = {'numpy', 'sqlalchemy', 'click', 'pandas'} & sys.modules.keys()\nassert not bad, bad\n"
    (run,) = studio.play(code)
    assert run.status is RunStatus.FINISHED


def test_outside_a_project_the_way_out_is_named(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", "import lineal; lineal.run('x')"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "lineal init" in done.stderr


def test_importing_lineal_loads_next_to_nothing() -> None:
    code = "import sys; before = set(sys.modules); import lineal; print(sorted(set(sys.modules) - before - {'__future__'})); lineal.run; lineal.__version__"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['lineal']"


def test_an_unknown_name_is_refused_as_by_any_module() -> None:
    import lineal

    with pytest.raises(AttributeError, match="no attribute 'walk'"):
        lineal.walk  # noqa: B018 - asking is the point
    assert {"run", "runs", "get", "start"} <= set(dir(lineal))
