"""`lineal run` with real programs: nothing of Lineal is in them unless a test says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lineal.capture.tracers.inject import lineal_hook
from lineal.capture.tracers.strace import Strace
from lineal.errors import InvalidInput
from lineal.records import journal
from lineal.records.run import FileUse, Run, RunStatus
from lineal.workspace.interface import RunRequest
from lineal.workspace.site import Site
from lineal.workspace.tracking import LocalRuns

TABLE = "id,value\n1,10\n2,20\n"


class Lab:
    """A project in which scripts are written and run."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.folder = site.layout.root
        self.runs = LocalRuns(site, lambda: pytest.fail("running needs no datasets"))
        site.layout.format.write_text(json.dumps({"format": 1, "project": site.project_id, "name": site.project}))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def run(self, *words: str, **request: Any) -> Run:
        return self.runs.execute(RunRequest(command=words, folder=self.folder, **request))

    def python(self, code: str, *words: str, **request: Any) -> Run:
        self.write("script.py", code)
        return self.run(sys.executable, "script.py", *words, **request)

    @contextmanager
    def start(self, code: str) -> Iterator[subprocess.Popen[bytes]]:
        """`lineal run` of a script in a process of its own, once the script has said that it is ready."""
        self.write("script.py", code)
        program = textwrap.dedent(f"""
            import sys; from pathlib import Path
            from lineal.workspace.interface import RunRequest; from lineal.workspace.site import Layout, Site; from lineal.workspace.tracking import LocalRuns
            layout = Layout(root=Path({str(self.folder)!r}))
            site = Site(layout=layout, project_id={self.site.project_id!r}, project='p', ledger_url=f'sqlite:///{{layout.ledger}}', actor='ada', settings={{}})
            sys.exit(LocalRuns(site, None).execute(RunRequest(command=(sys.executable, 'script.py'), folder=layout.root)).exit_code)
        """)
        with subprocess.Popen([sys.executable, "-c", program], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
            process.kill()

    def only(self) -> Run:
        self.runs.ingest()
        (run,) = self.runs.search().runs
        return run


@pytest.fixture
def lab(site: Site) -> Lab:
    return Lab(site)


def paths(uses: tuple[FileUse, ...]) -> list[str]:
    return sorted(use.path for use in uses)


def wait_for(what: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_script_without_a_word_of_lineal_is_recorded_whole(lab: Lab) -> None:
    lab.write("data/train.csv", TABLE)
    lab.write("helper.py", "def double(x): return 2 * x\n")
    run = lab.python(
        """
        import sys
        import helper
        rows = open("data/train.csv").read().splitlines()
        open("out.txt", "w").write(str(helper.double(len(rows))))
        print("learned", len(rows))
        print("careful", file=sys.stderr)
        """,
        "--lr",
        "0.3",
        "depth=4",
        tags={"team": "delays"},
    )
    assert (run.status, run.exit_code, run.name) == (RunStatus.FINISHED, 0, "script")
    assert {key: (param.value, param.origin) for key, param in run.params.items()} == {"lr": (0.3, "argument"), "depth": (4, "argument")}
    assert [(use.path, use.role, use.role_origin) for use in run.inputs] == [("data/train.csv", "train", "guessed")]
    assert paths(run.outputs) == ["out.txt"]
    assert sorted(run.code.files) == ["helper.py", "script.py"]
    assert run.tags == {"team": "delays"}
    assert (run.environment.python, run.environment.interpreter) == (sys.version.split()[0], sys.executable)
    assert {"numpy", "msgspec", "pandas"} <= run.environment.packages.keys()
    assert run.capture.grade == "complete"
    assert run.cpu_seconds is not None
    assert run.cpu_seconds > 0
    assert run.peak_memory_bytes is not None
    assert run.peak_memory_bytes > 1_000_000
    assert sorted(b"".join(lab.runs.log(run.id)).splitlines()) == [b"careful", b"learned 3"]
    assert lab.runs.artifact(run.id, "out.txt").read() == b"6"
    assert not list(lab.site.layout.journals.iterdir())


def test_undeclared_tables_models_and_children_of_every_kind_are_seen(lab: Lab) -> None:
    lab.write("in.csv", TABLE)
    run = lab.python(
        """
        import multiprocessing, os, subprocess, sys
        import joblib, numpy as np, pandas as pd

        def work(name):
            open(name, "w").write("x")

        if __name__ == "__main__":
            table = pd.read_csv("in.csv")
            table.to_parquet("out.parquet")
            pd.read_parquet("out.parquet")
            joblib.dump({"a": 1}, "model.joblib")
            np.save("rows.npy", table["value"].to_numpy())
            subprocess.run([sys.executable, "-c", "import pandas as pd; pd.read_parquet('out.parquet').to_csv('child.csv')"], check=True)
            for method in ("spawn", "fork"):
                process = multiprocessing.get_context(method).Process(target=work, args=(f"{method}.txt",))
                process.start(); process.join()
            if os.fork() == 0:
                work("forked.txt"); os._exit(0)
            os.wait()
            os.replace("forked.txt", "renamed.txt")
            os.remove("rows.npy")
        """
    )
    assert run.exit_code == 0
    assert paths(run.inputs) == ["in.csv"]
    assert paths(run.outputs) == ["child.csv", "fork.txt", "model.joblib", "out.parquet", "renamed.txt", "spawn.txt"]
    assert all(use.digest and use.restorable and not use.declared for use in run.outputs)
    assert (run.capture.grade, run.capture.unseen) == ("complete", ())


def test_skops_and_polars_and_folders_of_parquet_are_seen(lab: Lab) -> None:
    run = lab.python(
        """
        import pandas as pd, polars as pl, skops.io
        from sklearn.linear_model import LogisticRegression
        pd.DataFrame({"a": [1, 2], "k": ["x", "y"]}).to_parquet("parts", partition_cols=["k"])
        pd.read_parquet("parts")
        pl.DataFrame({"a": [1]}).write_csv("polars.csv")
        skops.io.dump(LogisticRegression().fit([[0], [1]], [0, 1]), "model.skops")
        """
    )
    assert run.exit_code == 0
    assert {"polars.csv", "model.skops"} <= set(paths(run.outputs))
    assert sum(path.startswith("parts/k=") for path in paths(run.outputs)) == 2


def test_a_program_that_is_not_python_is_told_of_and_its_named_files_are_kept(lab: Lab) -> None:
    lab.write("in.csv", TABLE)
    run = lab.run("sh", "-c", "sort in.csv > sorted.csv")
    assert run.exit_code == 0
    assert run.capture.grade == "partial"
    assert any("sh is not a Python program" in text for text in run.capture.unseen)
    assert paths(run.inputs) == ["in.csv"]
    assert paths(run.outputs) == ["sorted.csv"]
    assert run.environment.interpreter == ""
    assert "named in the arguments" in run.inputs[0].note


def test_python_below_a_shell_is_seen(lab: Lab) -> None:
    lab.write("in.csv", TABLE)
    lab.write("inner.py", "open('copy.csv', 'w').write(open('in.csv').read())\n")
    run = lab.run("sh", "-c", f"{sys.executable} inner.py")
    assert (paths(run.inputs), paths(run.outputs), sorted(run.code.files)) == (["in.csv"], ["copy.csv"], ["inner.py"])


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        ("raise ValueError('no')", RunStatus.FAILED, 1),
        ("raise SystemExit(42)", RunStatus.FAILED, 42),
        ("import os; os.kill(os.getpid(), 9)", RunStatus.FAILED, 137),
        ("import os; os.abort()", RunStatus.FAILED, 134),
    ],
)
def test_a_failure_is_recorded_with_its_log(lab: Lab, code: str, status: RunStatus, exit_code: int) -> None:
    run = lab.python(f"print('begun', flush=True)\nopen('partial.txt', 'w').write('x')\n{code}")
    assert (run.status, run.exit_code) == (status, exit_code)
    assert b"".join(lab.runs.log(run.id)).startswith(b"begun\n")
    assert paths(run.outputs) == ["partial.txt"]


def test_what_cannot_be_started_is_recorded_as_failed(lab: Lab) -> None:
    lab.write("plain.txt", "no program")
    gone, plain = lab.run("no-such-program-here"), lab.run("./plain.txt")
    assert [(run.status, run.exit_code) for run in (gone, plain)] == [(RunStatus.FAILED, 127), (RunStatus.FAILED, 126)]
    assert b"command not found" in b"".join(lab.runs.log(gone.id))


def test_an_interrupt_is_recorded_as_stopped(lab: Lab) -> None:
    with lab.start("import time; print('ready', flush=True); time.sleep(60)") as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in {1, 130}
    run = lab.only()
    assert run.status is RunStatus.STOPPED
    assert b"KeyboardInterrupt" in b"".join(lab.runs.log(run.id))


def test_a_killed_lineal_run_is_recovered_as_crashed_with_its_data(lab: Lab) -> None:
    lab.write("in.csv", TABLE)
    script = """
        import os, time
        parent = os.getppid()
        open("in.csv").read(); open("out.txt", "w").write("x"); print("ready", flush=True)
        while os.getppid() == parent: time.sleep(0.05)
    """
    with lab.start(script) as process:
        process.kill()
    run = lab.only()
    assert run.status is RunStatus.CRASHED
    assert (paths(run.inputs), paths(run.outputs)) == (["in.csv"], ["out.txt"])
    assert b"".join(lab.runs.log(run.id)) == b"ready\n"
    assert sorted(run.code.files) == ["script.py"]


def test_a_stopped_run_is_ended_even_if_it_will_not_listen(lab: Lab) -> None:
    lab.site.settings = {"stop.grace_seconds": 0.5}
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    with lab.start(deaf) as process:
        running = lab.only()
        assert running.status is RunStatus.RUNNING
        stopped = lab.runs.stop(running.id)
        assert stopped.status is RunStatus.STOPPED
        assert process.wait(30) == 137
    assert lab.only().status is RunStatus.STOPPED


def test_secrets_are_in_no_byte_of_the_record(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    token, password, literal = "ghp_" + "a1B2" * 9, "hunter-2222", "very-own-secret-value"
    monkeypatch.setenv("SERVICE_PASSWORD", literal)
    subprocess.run(["git", "init", "-q"], cwd=lab.folder, check=True)
    subprocess.run(["git", "remote", "add", "origin", f"https://ada:{password}@example.org/r.git"], cwd=lab.folder, check=True)
    lab.write("script.py", "print(1)\n")
    subprocess.run(["git", "add", "script.py"], cwd=lab.folder, check=True)
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"], cwd=lab.folder, check=True)
    run = lab.python(
        f"import os\nTOKEN = '{token}'\nprint('password={password}', TOKEN, os.environ['SERVICE_PASSWORD'])\n",
        "--password",
        password,
        f"--url=https://example.org/?token={token}",
        tags={"link": f"https://x:{password}@example.org"},
    )
    assert run.exit_code == 0
    shown = json.dumps([str(run), lab.runs.diff(run.id), b"".join(lab.runs.log(run.id)).decode()])
    everything = b"".join(path.read_bytes() for path in lab.site.layout.state.rglob("*") if path.is_file())
    for secret in (token, password, literal):
        assert secret not in shown
        assert secret.encode() not in everything
    assert run.code.remote == "https://example.org/r.git"
    assert "[redacted]" in lab.runs.diff(run.id)
    digest = run.code.files["script.py"]
    assert not lab.site.store.contains(digest)
    assert any("looks like a secret" in text for text in run.warnings)


def test_git_state_is_recorded_with_the_uncommitted_diff(lab: Lab) -> None:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=lab.folder, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q", "-b", "main")
    lab.write(".gitignore", ".lineal/\n")
    lab.write("script.py", "print(1)\n")
    lab.write("staged.py", "a = 1\n")
    git("add", ".")
    git("commit", "-qm", "x")
    clean = lab.run(sys.executable, "script.py")
    assert (clean.code.commit, clean.code.branch, clean.code.dirty, clean.code.diff) == (git("rev-parse", "HEAD").strip(), "main", False, None)
    lab.write("staged.py", "a = 2\n")
    git("add", "staged.py")
    dirty = lab.python("print(2)\n")
    assert dirty.code.dirty
    diff = lab.runs.diff(dirty.id)
    assert "+print(2)" in diff
    assert "+a = 2" in diff
    lab.write("new.py", "print(3)\n")
    assert lab.run(sys.executable, "new.py").code.files.keys() == {"new.py"}


def test_outside_git_the_scripts_themselves_are_kept(lab: Lab) -> None:
    run = lab.python("print(1)\n")
    assert run.code.commit == ""
    assert lab.site.store.read(run.code.files["script.py"]) == b"print(1)\n"


def test_a_file_that_changes_while_the_run_runs_is_told_of(lab: Lab) -> None:
    lab.write("in.csv", TABLE)
    code = "open('in.csv').read(); import subprocess; subprocess.run(['sh', '-c', 'echo 3,30 >> in.csv'])"
    run = lab.python(code)
    assert "in.csv" in run.capture.changed
    (use,) = run.inputs
    assert use.digest is None
    assert "changed while" in use.note


def test_an_input_that_the_run_itself_rewrites_is_no_silent_lie(lab: Lab) -> None:
    lab.write("state.json", "1")
    run = lab.python("n = open('state.json').read(); open('state.json', 'w').write(n + '1')")
    (read,), (written,) = run.inputs, run.outputs
    assert written.digest is not None
    assert read.digest != written.digest
    assert "wrote it after" in read.note


def test_outputs_beside_the_declared_ones_are_pointed_out(lab: Lab) -> None:
    run = lab.python("open('a.txt', 'w').write('a'); open('b.txt', 'w').write('b')", outputs=("a.txt", "never.txt"))
    assert run.capture.undeclared == ("b.txt",)
    assert {use.path: use.declared for use in run.outputs} == {"a.txt": True, "b.txt": False}
    assert any("never.txt was declared" in text for text in run.warnings)


def test_declared_inputs_count_even_if_nothing_saw_them(lab: Lab) -> None:
    lab.write("data/a.csv", "1")
    lab.write("data/deep/b.csv", "2")
    run = lab.python("print(1)", inputs=("data",))
    assert {use.path: use.declared for use in run.inputs} == {"data/a.csv": True, "data/deep/b.csv": True}


def test_a_parameter_that_nobody_asks_for_is_warned_of(lab: Lab) -> None:
    run = lab.python("print(1)", params={"learning_rate": 0.3})
    assert any("-p learning_rate" in text for text in run.warnings)
    assert run.params == {}


def test_names_of_any_bytes_are_recorded(lab: Lab) -> None:
    run = lab.python(
        """
        import os
        for name in (b"with space.txt", b"new\\nline.txt", b"caf\\xe9.txt", "naïve.txt".encode()):
            with open(name, "wb") as file: file.write(name)
        open(b"caf\\xe9.txt", "rb").read()
        """,
        "--caf\udce9",
    )
    assert run.exit_code == 0
    assert len(run.outputs) == 4
    (odd,) = [use for use in run.outputs if use.path_b64]
    assert lab.runs.artifact(run.id, odd.path).read() == b"caf\xe9.txt"
    assert {"with space.txt", "new\nline.txt", "naïve.txt"} <= set(paths(run.outputs))


def test_files_that_say_they_are_secret_are_not_kept(lab: Lab) -> None:
    lab.write(".env", "PASSWORD=x")
    run = lab.python("open('.env').read()")
    (use,) = run.inputs
    assert (use.path, use.digest, use.restorable) == (".env", None, False)


def test_files_above_the_bound_are_digested_only_unless_declared(lab: Lab) -> None:
    lab.site.settings = {"capture.max_file_bytes": 1000}
    run = lab.python("open('big.bin', 'wb').write(b'x' * 5000); open('kept.bin', 'wb').write(b'y' * 5000)", outputs=("kept.bin",))
    found = {use.path: use for use in run.outputs}
    assert found["big.bin"].digest is not None
    assert {path: use.restorable for path, use in found.items()} == {"big.bin": False, "kept.bin": True}


def test_what_is_not_digested_in_time_is_pending_and_completed_later(lab: Lab) -> None:
    lab.site.settings = {"capture.finish_seconds": -1}
    run = lab.python("open('out.txt', 'w').write('x')")
    assert run.exit_code == 0

    def completed() -> bool:
        lab.runs.ingest()
        return paths(lab.runs.get(run.id).outputs) == ["out.txt"]

    wait_for(completed)
    assert lab.runs.get(run.id).capture.pending == 0
    wait_for(lambda: not list(lab.site.layout.journals.iterdir()))


def test_a_run_is_resumed_as_its_next_attempt(lab: Lab) -> None:
    first = lab.python("raise SystemExit(1)")
    second = lab.python("open('out.txt', 'w').write('x')", resume=first.id)
    assert (second.id, second.attempt, second.status) == (first.id, 2, RunStatus.FINISHED)
    assert paths(second.outputs) == ["out.txt"]


def test_two_ranks_log_to_one_run(lab: Lab) -> None:
    lab.write(
        "rank.py",
        """
        import lineal
        with lineal.run() as run:
            for step in range(100): run.log(loss=1 / (step + 1), step=step)
        """,
    )
    run = lab.python(
        """
        import os, subprocess, sys
        children = [subprocess.Popen([sys.executable, "rank.py"], env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"}) for rank in range(2)]
        sys.exit(max(child.wait() for child in children))
        """
    )
    assert run.exit_code == 0
    assert [series.total for series in lab.runs.series(run.id, "loss")] == [100, 100]


def test_a_recorder_inside_joins_and_overrides_reach_it(lab: Lab) -> None:
    run = lab.python(
        """
        import lineal
        with lineal.run("train") as run:
            assert run.param("learning_rate", 0.1) == 0.3
            run.param("depth", 4)
            run.summary(auc=0.91, on="test")
        """,
        params={"learning_rate": 0.3},
    )
    assert run.exit_code == 0
    assert {key: (param.value, param.origin) for key, param in run.params.items()} == {"learning_rate": (0.3, "override"), "depth": (4, "recorded")}
    assert run.metrics["auc"].last == 0.91
    assert run.warnings == ()
    assert lab.only().id == run.id


def test_a_failure_of_lineal_afterwards_is_told_and_hides_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_parts: object, **_options: object) -> bool:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lineal.workspace.collection.collect_run", broken)
        run = lab.python("open('out.txt', 'w').write('x'); raise SystemExit(5)")
    assert run.exit_code == 5
    assert "No space left" in capfd.readouterr().err
    assert (lab.site.layout.journals / run.id / journal.UNCOLLECTED).exists()


def test_an_unknown_tracer_is_refused_before_anything_runs(lab: Lab) -> None:
    lab.site.settings = {"capture.tracer": "magic"}
    with pytest.raises(InvalidInput) as refused:
        lab.python("open('out.txt', 'w')")
    assert refused.value.kind == "unknown-tracer"
    assert not (lab.folder / "out.txt").exists()


def test_without_a_tracer_only_what_is_declared_is_known(lab: Lab) -> None:
    lab.site.settings = {"capture.tracer": "none"}
    run = lab.python("open('a.txt', 'w').write('a'); open('b.txt', 'w').write('b')", outputs=("a.txt",))
    assert (run.capture.grade, paths(run.outputs)) == ("declared-only", ["a.txt"])


def test_strace_sees_every_program(lab: Lab) -> None:
    if reason := Strace().unavailable():
        pytest.skip(f"real part strace: {reason}")
    lab.site.settings = {"capture.tracer": "strace"}
    lab.write("in.csv", TABLE)
    run = lab.python("import subprocess; subprocess.run(['sh', '-c', 'sort < in.csv | tee a.txt > b.txt'], check=True)")
    assert (paths(run.inputs), paths(run.outputs)) == (["in.csv"], ["a.txt", "b.txt"])
    assert (run.capture.tracers, run.capture.grade) == (("strace",), "complete")
    assert run.environment.interpreter == sys.executable
    assert sorted(run.code.files) == ["script.py"]


def test_an_existing_sitecustomize_still_runs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write("mine/sitecustomize.py", "import builtins; builtins.MINE = True\n")
    monkeypatch.setenv("PYTHONPATH", str(lab.folder / "mine"))
    run = lab.python("print(MINE); open('o.txt', 'w').write('x')")
    assert run.exit_code == 0
    assert paths(run.outputs) == ["o.txt"]


def test_the_process_environment_of_a_child_names_the_run(lab: Lab) -> None:
    run = lab.python("import os; print(os.environ['LINEAL_RUN'])")
    assert b"".join(lab.runs.log(run.id)).decode().strip() == run.id
    assert lineal_hook.FOLDER == journal.FOLDER_VARIABLE
    assert os.environ.get(journal.RUN_VARIABLE) is None
