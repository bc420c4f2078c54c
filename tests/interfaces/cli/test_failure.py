import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lineal import errors
from lineal.errors import LinealError
from lineal.interfaces.cli.failure import guarded
from lineal.interfaces.cli.program import Program
from lineal.main import program

CODES = [("InvalidInput", 2), ("NotFound", 3), ("Conflict", 4), ("PermissionDenied", 4), ("InvalidState", 4), ("Integrity", 5), ("Unavailable", 6)]


def failing(error: BaseException) -> Program:
    made = Program(table={}, name="lineal")

    @click.command()
    def fail() -> None:
        raise error

    made.get_command = lambda _ctx, _name: fail  # type: ignore[method-assign, assignment]
    made.table = {"fail": None}  # type: ignore[dict-item]
    return made


@pytest.mark.parametrize(("name", "code"), CODES)
def test_the_class_of_an_error_gives_the_exit_code(name: str, code: int) -> None:
    error: LinealError = getattr(errors, name)("this\nis wrong\x1b[31m", kind="some-kind", hint="Do that.")
    done = CliRunner().invoke(failing(error), ["fail"])
    assert done.exit_code == code
    assert done.stderr == "error: this\nis wrong\\x1b[31m\n  Do that.\n"
    assert done.stdout == ""


def test_with_json_the_problem_is_a_document_on_standard_output() -> None:
    done = CliRunner().invoke(program(), ["runs", "--json", "--where"])
    body = json.loads(done.stdout)
    assert (body["kind"], body["exit_code"], body["title"]) == ("usage", 2, "Invalid input")
    assert done.stderr.startswith("error: ")


def test_json_behind_the_double_dash_is_the_commands_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(program(), ["run", "--", "tool", "--json"])
    assert (done.exit_code, done.stdout) == (125, "")


def test_a_group_alone_shows_its_help_and_no_error() -> None:
    for words in ([], ["data"]):
        done = CliRunner().invoke(program(), words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("Usage: ")


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 6), (errno.EDQUOT, 6), (errno.EACCES, 4), (errno.EROFS, 4)])
def test_room_and_rights_are_told_in_words(number: int, code: int) -> None:
    done = CliRunner().invoke(failing(OSError(number, os.strerror(number), "/some/file")), ["fail"])
    assert done.exit_code == code
    assert "/some/file" in done.stderr


def test_a_mistake_of_ours_shows_its_traceback() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        guarded(lambda: os.close(987654), as_json=False)
    assert isinstance(CliRunner().invoke(failing(KeyError("ours")), ["fail"]).exception, KeyError)


def test_an_interruption_exits_with_130() -> None:
    done = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert (done.exit_code, done.stderr.strip()) == (130, "interrupted")


def test_ctrl_c_ends_a_process_without_a_traceback() -> None:
    code = (
        "import time, click\nfrom lineal.interfaces.cli.failure import guarded\nimport sys\n"
        "def wait():\n    print('ready', flush=True)\n    time.sleep(60)\nsys.exit(guarded(wait, as_json=False))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        _out, told = child.communicate(timeout=20)
    assert (child.returncode, told) == (130, "interrupted\n")


def test_a_reader_that_goes_away_is_no_failure() -> None:
    done = subprocess.run(
        f"{sys.executable} -m lineal.main completion bash | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "141"}


def test_a_newline_in_a_reference_does_not_break_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(program(), ["init"]).exit_code == 0
    done = CliRunner().invoke(program(), ["show", "no\nsuch\x07thing"])
    assert done.exit_code == 3
    assert "\x07" not in done.stderr
