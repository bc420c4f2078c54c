"""Runs that are run again: real repositories, real processes, real mounts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lineal.errors import InvalidInput, InvalidState
from lineal.records.run import Run
from lineal.records.verdict import Reproduction, Verdict
from lineal.workspace.interface import RunRequest
from lineal.workspace.isolation import refuse_by_audit_hook
from lineal.workspace.site import Layout, Site
from lineal.workspace.tracking import LocalRuns
from lineal.workspace.versioning import LocalDatasets

SUM = """
import os, sys
total = sum(int(line.split(",")[1]) for line in open("data/a.csv").read().splitlines()[1:])
os.makedirs("out", exist_ok=True)
open("out/sum.csv", "w").write(f"total\\n{total}\\n")
"""
TABLE = "id,value\n1,10\n2,20\n3,30\n"


class Bench:
    """A project in a git repository, with a way to run and to reproduce."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.datasets = LocalDatasets(site)
        self.runs = LocalRuns(site, lambda: self.datasets)

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.email=ada@example.org", "-c", "user.name=Ada"]
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "work")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *command: str, **request: Any) -> Run:
        return self.runs.execute(RunRequest(command=(sys.executable, *command), folder=self.folder, **request))

    def again(self, run: Run, **data: str) -> Reproduction:
        return self.runs.reproduce(run.id, data=data or None)


@pytest.fixture
def bench(site: Site) -> Bench:
    root = site.layout.root
    site.layout.format.write_text(json.dumps({"format": 1, "project": site.project_id, "name": site.project}))
    made = Bench(site, root)
    made.write(".gitignore", ".lineal/\ndata/\nout/\n")
    made.write("data/a.csv", TABLE)
    made.write("sum.py", SUM)
    return made


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made; what is left in it was not cleaned up."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_deterministic_run_is_identical_and_leaves_nothing_behind(bench: Bench, scratch: Path) -> None:
    bench.commit()
    run = bench.run("sum.py")
    found = bench.again(run)
    assert found.verdict is Verdict.IDENTICAL, found.reasons
    assert [(output.path, output.state) for output in found.evidence.outputs] == [("out/sum.csv", "identical")]
    assert bench.runs.get(found.rerun).tags == {"reproduces": run.id}
    assert list(scratch.iterdir()) == []
    assert sorted(path.name for path in bench.folder.iterdir()) == [".git", ".gitignore", ".lineal", "data", "out", "sum.py"]


def test_a_script_without_a_seed_is_different(bench: Bench) -> None:
    bench.write("noise.py", "import random\nopen('noise.txt', 'w').write(str(random.random()))\n")
    bench.commit()
    found = bench.again(bench.run("noise.py"))
    assert found.verdict is Verdict.DIFFERENT
    assert "noise.txt came out different" in found.reasons[0]


def test_what_happened_to_the_originals_since_does_not_matter(bench: Bench) -> None:
    bench.commit()
    run = bench.run("sum.py")
    bench.write("sum.py", "raise SystemExit(3)\n")
    bench.write("data/a.csv", "id,value\n1,99\n")
    bench.commit()
    (bench.folder / "data/a.csv").unlink()
    assert bench.again(run).verdict is Verdict.IDENTICAL


def test_the_originals_cannot_be_seen_by_any_name(bench: Bench) -> None:
    bench.write(
        "look.py", "import os\nhere = [os.path.exists(n) for n in ('late.txt', os.path.abspath('late.txt'))]\nopen('o.txt','w').write(str(here))\n"
    )
    bench.commit()
    run = bench.run("look.py")
    bench.write("late.txt", "written after the run")
    found = bench.again(run)
    assert (found.verdict, found.evidence.isolated) == (Verdict.IDENTICAL, "namespace")


def test_a_program_that_is_not_python_cannot_see_them_either(bench: Bench) -> None:
    bench.commit()
    outputs = ("seen.txt",)
    run = bench.runs.execute(RunRequest(command=("sh", "-c", "ls > seen.txt"), folder=bench.folder, outputs=outputs))
    bench.write("late.txt", "written after the run")
    found = bench.again(run)
    assert found.evidence.isolated == "namespace"
    rerun = bench.runs.get(found.rerun)
    (seen,) = [use for use in rerun.outputs if use.path == "seen.txt"]
    assert seen.digest is not None
    assert b"late.txt" not in bench.site.store.read(seen.digest)


def test_uncommitted_changes_and_new_scripts_are_part_of_the_code(bench: Bench) -> None:
    bench.write("sum.py", "raise SystemExit(3)\n")
    bench.commit()
    bench.write("sum.py", SUM.replace("import os, sys", "import os, sys, extra"))
    bench.write("extra.py", "X = 1\n")
    run = bench.run("sum.py")
    bench.git("add", ".")
    bench.git("commit", "--quiet", "--message", "later")
    bench.write("extra.py", "raise SystemExit(4)\n")
    found = bench.again(run)
    assert found.verdict is Verdict.IDENTICAL, found


def test_a_project_without_git_is_reproduced_from_the_code_files(bench: Bench) -> None:
    run = bench.run("sum.py")
    bench.write("sum.py", "raise SystemExit(3)\n")
    assert bench.again(run).verdict is Verdict.IDENTICAL


def test_a_command_in_a_folder_of_the_project_runs_there_again(bench: Bench) -> None:
    bench.write("work/sum.py", SUM.replace("data/a.csv", "../data/a.csv"))
    bench.commit()
    run = bench.runs.execute(RunRequest(command=(sys.executable, "sum.py"), folder=bench.folder / "work"))
    found = bench.again(run)
    assert (found.verdict, found.evidence.outputs[0].path) == (Verdict.IDENTICAL, "work/out/sum.csv")


def test_a_folder_that_was_empty_is_there_again(bench: Bench) -> None:
    bench.write("plot.py", "open('plots/new/roc.txt', 'w').write('x')\n")
    bench.commit()
    (bench.folder / "plots/new").mkdir(parents=True)
    assert bench.again(bench.run("plot.py")).verdict is Verdict.IDENTICAL


def test_rows_in_another_order_are_told_apart_from_other_rows(bench: Bench) -> None:
    shuffle = "import random\nhead, *rows = open('data/a.csv').read().splitlines()\nrandom.shuffle(rows)\n"
    bench.write("data/a.csv", "id\n" + "".join(f"{n}\n" for n in range(50)))
    bench.write("mix.py", shuffle + "open('mixed.csv','w').write('\\n'.join([head, *rows]) + '\\n')\n")
    bench.commit()
    found = bench.again(bench.run("mix.py"))
    assert found.verdict is Verdict.REORDERED
    assert found.reasons == ("mixed.csv has the same rows in another order",)


def test_an_input_whose_bytes_were_not_kept_leaves_it_open(bench: Bench) -> None:
    bench.commit()
    bench.site.settings = {"capture.max_file_bytes": 4}
    run = bench.run("sum.py")
    found = bench.again(run)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert any("data/a.csv" in path for path in found.evidence.missing_inputs)


def test_an_input_outside_the_project_is_given_as_it_was(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.csv"
    outside.write_text(TABLE)
    bench.write("far.py", f"text = open({str(outside)!r}).read()\nopen('o.csv','w').write(text)\n")
    bench.commit()
    run = bench.run("far.py", inputs=(str(outside),))
    assert bench.again(run).verdict is Verdict.IDENTICAL
    outside.write_text("id,value\n")
    assert bench.again(run).verdict is Verdict.IDENTICAL
    assert outside.read_text() == "id,value\n"
    outside.unlink()
    found = bench.again(run)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "outside the project" in found.evidence.missing_inputs[0]


@pytest.mark.parametrize("name", [b"caf\xe9 a.csv", b"new\nline.csv"])
def test_names_of_any_bytes_are_restored(bench: Bench, name: bytes) -> None:
    path = os.path.join(os.fsencode(bench.folder), b"data", name)
    try:
        Path(os.fsdecode(path)).write_text(TABLE)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    bench.write(
        "odd.py", "import os\nn = [n for n in os.listdir(b'data') if n != b'a.csv'][0]\nopen('o.txt','wb').write(open(b'data/'+n,'rb').read())\n"
    )
    bench.commit()
    run = bench.run("odd.py")
    os.unlink(path)
    assert bench.again(run).verdict is Verdict.IDENTICAL


def test_a_rerun_that_fails_is_recorded_and_proves_nothing(bench: Bench) -> None:
    bench.write("once.py", "import os\nos.environ['HOME_OF_NOTHING'] if os.path.exists('.git/lock-me') else open('o.txt','w').write('x')\n")
    bench.commit()
    run = bench.run("once.py")
    code = bench.site.layout.root / ".git"
    assert code.is_dir()
    assert bench.again(run).verdict is Verdict.IDENTICAL
    failing = bench.run("-c", "raise SystemExit(7)")
    found = bench.again(failing)
    assert (found.verdict, found.evidence.exit_code) == (Verdict.INCONCLUSIVE, 7)


def test_what_cannot_be_run_again_is_refused(bench: Bench, facts: Any) -> None:
    facts.run("running", status="running")
    with pytest.raises(InvalidState) as still:
        bench.runs.reproduce("#1")
    assert still.value.kind == "still-running"
    facts.run("notebook")
    with pytest.raises(InvalidState) as silent:
        bench.runs.reproduce("#2")
    assert silent.value.kind == "no-command"


def test_where_the_checkout_cannot_be_mounted_an_audit_hook_refuses(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write(".gitignore", ".lineal/\ndata/\nout/\ntmp/\n")
    script = "try:\n    text = open({!r}).read()\nexcept OSError as error:\n    text = type(error).__name__\nopen('o.txt','w').write(text)\n"
    bench.write("peek.py", script.format(str(bench.folder / "late.txt")))
    bench.commit()
    run = bench.run("peek.py")
    bench.write("late.txt", "written after the run")
    (bench.folder / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(bench.folder / "tmp"))  # the checkout would vanish behind itself
    found = bench.again(run)
    assert found.evidence.isolated == "audit-hook"
    rerun = bench.runs.get(found.rerun)
    assert rerun.outputs, (rerun, b"".join(bench.runs.log(rerun.id)))
    (output,) = rerun.outputs
    assert output.digest is not None
    assert bench.site.store.read(output.digest) == b"PermissionError"


def test_the_audit_hook_lets_through_what_is_kept_and_goes_into_children(tmp_path: Path) -> None:
    for name in ("hidden", "hidden/kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("x")
    variables = refuse_by_audit_hook(hide=tmp_path / "hidden", keep=[tmp_path / "hidden/kept"], search_path="")
    inner = "import sys; print(open(sys.argv[1]).read())"
    outer = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {inner!r}, sys.argv[1]]).returncode)"

    def opened(path: Path) -> bool:
        command = [sys.executable, "-c", outer, str(path)]
        return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, check=False).returncode == 0

    assert opened(tmp_path / "hidden/kept/a.txt")
    assert not opened(tmp_path / "hidden/a.txt")
    assert not opened(tmp_path / "hidden/kept/../a.txt")


def test_an_interrupt_ends_the_rerun_and_cleans_up(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    bench.write("slow.py", "import os, time\nopen('began.txt','w').write(str(os.getpid()))\ntime.sleep(0.1 if not os.path.exists('wait') else 60)\n")
    bench.write("wait", "")
    bench.commit()
    (bench.folder / "wait").unlink()
    run = bench.run("slow.py")
    left = tmp_path_factory.mktemp("left")
    program = (
        "import sys, pathlib\nfrom lineal.bootstrap.compose import open_workspace\n"
        "open_workspace(pathlib.Path(sys.argv[1])).runs.reproduce(sys.argv[2])\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(bench.folder), run.id],
        env={**os.environ, "TMPDIR": str(left)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _wait_for(lambda: any(left.glob("*/fresh/began.txt")))
    os.killpg(child.pid, signal.SIGINT)
    _out, error = child.communicate(timeout=60)
    assert b"KeyboardInterrupt" in error
    assert list(left.iterdir()) == []
    assert run.name == "slow"


def _wait_for(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_dataset_comes_back_whole_and_another_version_can_stand_in(bench: Bench) -> None:
    bench.commit()
    bench.datasets.add(bench.folder / "data", name="numbers")
    run = bench.run("sum.py")
    assert [use.dataset for use in run.inputs] == ["numbers@1"], run.inputs
    bench.write("data/a.csv", TABLE.replace("30", "31"))
    bench.datasets.add(bench.folder / "data", name="numbers")
    same = bench.again(run)
    assert same.verdict is Verdict.IDENTICAL, same
    other = bench.again(run, numbers="numbers@2")
    assert other.verdict is Verdict.DIFFERENT
    assert other.reasons[0] == "numbers was replaced by numbers@2 on purpose, so a difference is to be expected"
    assert other.reasons[1].startswith("out/sum.csv came out different: 1 of 1 rows are gone and 1 are new")


def test_replaced_data_runs_what_lies_between_again_first(bench: Bench) -> None:
    bench.write("train.py", "import os\nopen('out/model.txt','w').write('learned ' + open('out/sum.csv').read())\n")
    bench.commit()
    bench.datasets.add(bench.folder / "data", name="numbers")
    bench.run("sum.py")
    train = bench.run("train.py")
    assert [use.path for use in train.inputs] == ["out/sum.csv"], bench.runs.get(train.id)
    bench.write("data/a.csv", TABLE.replace("30", "31"))
    bench.datasets.add(bench.folder / "data", name="numbers")
    assert bench.again(train).verdict is Verdict.IDENTICAL
    found = bench.again(train, numbers="numbers@2")
    assert found.verdict is Verdict.DIFFERENT, found
    rerun = bench.runs.get(found.rerun)
    assert rerun.outputs[0].digest is not None
    assert bench.site.store.read(rerun.outputs[0].digest) == b"learned total\n61\n"


def test_data_that_a_run_does_not_stand_on_cannot_stand_in(bench: Bench) -> None:
    bench.commit()
    run = bench.run("sum.py")
    bench.write("other/b.csv", TABLE)
    bench.datasets.add(bench.folder / "other", name="other")
    with pytest.raises(InvalidInput) as refused:
        bench.again(run, other="other@1")
    assert refused.value.kind == "unused-dataset"


@pytest.mark.parametrize("path", ["data", "data/a.csv"])
def test_a_run_that_reads_a_dataset_stands_on_it_and_not_on_the_source_behind_it(bench: Bench, path: str) -> None:
    bench.commit()
    bench.datasets.add(bench.folder / path, name="numbers")
    run = bench.run("sum.py")
    assert [use.dataset for use in run.inputs] == ["numbers@1"]
    assert bench.again(run).verdict is Verdict.IDENTICAL


def test_a_project_in_a_folder_of_a_repository_sees_the_neighbours_as_they_were(site: Site, tmp_path: Path) -> None:
    inner = tmp_path / "models" / "sums"
    inner.mkdir(parents=True)
    nested = Site(
        layout=Layout(root=inner),
        project_id=site.project_id,
        project="sums",
        ledger_url=f"sqlite:///{inner}/.lineal/ledger.db",
        actor="ada",
        settings={},
    )
    nested.layout.state.mkdir()
    bench = Bench(nested, inner)
    (tmp_path / "shared.py").write_text("FACTOR = 2\n")
    bench.write(".gitignore", ".lineal/\n")
    bench.write("twice.py", "import sys\nsys.path.insert(0, '../..')\nimport shared\nopen('o.txt', 'w').write(str(shared.FACTOR))\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "shared.py", "models"], cwd=tmp_path, check=True)
    bench.git("commit", "--quiet", "--message", "work")
    run = bench.run("twice.py")
    (tmp_path / "shared.py").write_text("FACTOR = 3\n")
    found = bench.again(run)
    nested.close()
    assert (found.verdict, found.evidence.isolated) == (Verdict.IDENTICAL, "namespace"), found


def test_summary_metrics_recorded_by_the_script_itself_are_compared(bench: Bench) -> None:
    script = "import random, lineal\nwith lineal.run() as run:\n    run.summary(rows=len(open(run.input('data/a.csv')).readlines()))\n"
    bench.write("measure.py", script)
    bench.write("guess.py", script.replace("rows=", "rows=random.random() * "))
    bench.commit()
    same = bench.again(bench.run("measure.py"))
    assert (same.verdict, same.evidence.metrics) == (Verdict.IDENTICAL, {"rows": (4.0, 4.0)}), same
    other = bench.again(bench.run("guess.py"))
    assert other.verdict is Verdict.DIFFERENT
    assert other.reasons[0].startswith("rows was ")


def test_overrides_of_parameters_are_given_again(bench: Bench) -> None:
    bench.write("tune.py", "import lineal\nwith lineal.run() as run:\n    run.summary(rate=run.param('rate', 0.1))\n")
    bench.commit()
    found = bench.again(bench.run("tune.py", params={"rate": 0.5}))
    assert (found.verdict, found.evidence.metrics) == (Verdict.IDENTICAL, {"rate": (0.5, 0.5)}), found
