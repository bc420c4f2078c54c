"""What every tracer promises, run over each brand that works here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lineal.capture.journal import journal_paths, read_journal
from lineal.capture.sightings import Sightings, read_sightings
from lineal.capture.tracers import choose_tracer
from lineal.capture.tracers.inject import lineal_hook
from lineal.capture.tracers.interface import Tracer
from lineal.capture.tracers.python_hook import PythonHook
from lineal.capture.tracers.strace import Strace
from lineal.errors import InvalidInput

RUN = "a" * 32


class TracerContract:
    """Any brand sees what Python programs read and write, children included, and changes nothing about them."""

    def tracer(self) -> Tracer:
        raise NotImplementedError

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        (tmp_path / "in.csv").write_text("a\n1\n")
        return tmp_path

    def watch(self, project: Path, *command: str) -> tuple[subprocess.CompletedProcess[bytes], Sightings]:
        tracer = self.tracer()
        if reason := tracer.unavailable():
            pytest.skip(f"real part strace: {reason}")
        journals = project / ".lineal/journals" / RUN
        journals.mkdir(parents=True)
        names = {lineal_hook.RUN: RUN, lineal_hook.FOLDER: str(journals), lineal_hook.ROOT: str(project), lineal_hook.PROJECT: "p" * 32}
        environment = {**os.environ, **names}
        watch = tracer.watch(command, folder=project, journals=journals, environment=environment)
        done = subprocess.run(watch.command, cwd=project, env={**environment, **watch.environment}, capture_output=True, check=False)
        tracer.settle(journals=journals)
        return done, read_sightings(journals)

    def seen(self, project: Path, code: str) -> dict[str, str]:
        """``r``, ``w`` or ``rw`` by path below the project."""
        done, found = self.watch(project, sys.executable, "-c", code)
        assert done.returncode == 0, done.stderr.decode()
        return modes(found, project)

    def test_reading_and_writing_are_told_apart(self, project: Path) -> None:
        assert self.seen(project, "open('out.csv', 'w').write(open('in.csv').read())") == {"in.csv": "r", "out.csv": "w"}

    def test_a_folder_that_is_opened_as_a_dataset_is_seen(self, project: Path) -> None:
        (project / "parts").mkdir()
        (project / "parts/1.csv").write_text("a\n1\n")
        assert set(self.seen(project, "import pyarrow.dataset as ds; ds.dataset('parts', format='csv').to_table()")) & {"parts", "parts/1.csv"}

    def test_children_and_forks_are_seen(self, project: Path) -> None:
        code = (
            "import os, subprocess, sys\n"
            "subprocess.run([sys.executable, '-c', \"open('child.txt', 'w')\"], check=True)\n"
            "if os.fork() == 0: open('fork.txt', 'w'); os._exit(0)\n"
            "os.wait()"
        )
        assert self.seen(project, code) == {"child.txt": "w", "fork.txt": "w"}

    def test_a_rename_writes_its_target(self, project: Path) -> None:
        assert self.seen(project, "import os; open('t.tmp', 'w').write('x'); os.replace('t.tmp', 'final.txt')")["final.txt"] == "w"

    def test_appending_to_what_is_there_reads_and_writes(self, project: Path) -> None:
        assert "w" in self.seen(project, "open('in.csv', 'a').write('2')")["in.csv"]

    def test_what_is_not_the_users_is_left_out(self, project: Path) -> None:
        code = "import json, tempfile, os; open('/dev/null', 'w'); open('/proc/self/stat').read(); open(os.devnull).read(); tempfile.TemporaryFile()"
        assert self.seen(project, code) == {}

    def test_files_that_are_only_looked_for_are_left_out(self, project: Path) -> None:
        assert self.seen(project, "import os\ntry: open('gone.csv')\nexcept OSError: pass\nos.stat('in.csv'); os.listdir('.')") == {}

    def test_status_and_output_are_the_programs_own(self, project: Path) -> None:
        done, _found = self.watch(project, sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(9)")
        assert (done.returncode, done.stdout, done.stderr) == (9, b"out\n", b"err\n")

    def test_names_of_any_bytes_are_seen(self, project: Path) -> None:
        found = self.seen(project, "for name in (b'a b', b'new\\nline', b'caf\\xe9'): open(name, 'wb')")
        assert set(found) == {"a b", "new\nline", "caf\udce9"}

    def test_os_level_opens_are_seen(self, project: Path) -> None:
        code = "import os; os.read(os.open('in.csv', os.O_RDONLY), 9); os.write(os.open('low.bin', os.O_WRONLY | os.O_CREAT), b'x')"
        assert self.seen(project, code) == {"in.csv": "r", "low.bin": "w"}


class TestPythonHook(TracerContract):
    def tracer(self) -> Tracer:
        return PythonHook()

    def test_a_program_that_is_not_python_is_told_of(self, project: Path) -> None:
        _done, found = self.watch(project, "cat", "in.csv")
        assert list(found.unwatched) == ["cat"]
        assert found.files[os.fsencode(project / "in.csv")].named

    def test_an_isolated_interpreter_is_told_of(self, project: Path) -> None:
        _done, found = self.watch(project, sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', '1'])")
        assert list(found.unwatched) == [Path(sys.executable).name]

    def test_an_emptied_environment_is_told_of(self, project: Path) -> None:
        _done, found = self.watch(project, sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', '1'], env={})")
        assert list(found.unwatched) == [Path(sys.executable).name]

    def test_multiprocessing_is_seen_however_it_starts(self, project: Path) -> None:
        (project / "many.py").write_text(
            "import multiprocessing as m\n"
            "def work(name): open(name, 'w').close()\n"
            "if __name__ == '__main__':\n"
            "    for how in m.get_all_start_methods():\n"
            "        with m.get_context(how).Pool(2) as pool: pool.map(work, [how + '0', how + '1'])\n"
        )
        done, found = self.watch(project, sys.executable, "many.py")
        assert done.returncode == 0, done.stderr.decode()
        written = {name for name, mode in modes(found, project).items() if mode == "w"}
        assert written == {"fork0", "fork1", "spawn0", "spawn1", "forkserver0", "forkserver1"}

    def test_a_journal_is_what_the_reader_of_journals_reads(self, project: Path) -> None:
        self.watch(project, sys.executable, "-c", "open('naïve \\n.txt', 'w')")
        (path,) = journal_paths(project / ".lineal/journals" / RUN)
        entries = list(read_journal(path))
        assert [entry["k"] for entry in entries] == ["begin", "spawned", "opened"]
        begin = entries[0]
        assert (begin["run"], begin["role"], begin["interpreter"]) == (RUN, "worker", sys.executable)
        assert begin["journal"] == path.stem
        assert entries[2]["path"] == os.fsencode(project / "naïve \n.txt")

    def test_a_broken_journal_folder_does_not_disturb_the_program(self, project: Path) -> None:
        done, found = self.watch(project, sys.executable, "-c", "import shutil, os; shutil.rmtree('.lineal'); open('o.txt', 'w'); print('fine')")
        assert (done.returncode, done.stdout, found.files) == (0, b"fine\n", {})


class TestStrace(TracerContract):
    def tracer(self) -> Tracer:
        return Strace()

    def test_programs_that_are_not_python_are_seen(self, project: Path) -> None:
        done, found = self.watch(project, "sh", "-c", "cat in.csv > copy.csv")
        assert done.returncode == 0
        assert modes(found, project) == {"in.csv": "r", "copy.csv": "w"}


def modes(found: Sightings, project: Path) -> dict[str, str]:
    """What happened to each path below the project."""
    below = os.fsencode(project) + b"/"
    return {
        os.fsdecode(path.removeprefix(below)): "r" * (seen.read_at is not None) + "w" * (seen.written_at is not None)
        for path, seen in found.files.items()
        if path.startswith(below)
    }


def test_the_setting_chooses_the_brand() -> None:
    assert choose_tracer("none") is None
    for name in ("auto", "python"):
        chosen = choose_tracer(name)
        assert chosen is not None
        assert chosen.name == "python"
    with pytest.raises(InvalidInput) as refused:
        choose_tracer("magic")
    assert refused.value.kind == "unknown-tracer"
