from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lineal.capture.process import NOT_EXECUTABLE, NOT_FOUND, Outcome, run_process
from lineal.errors import InvalidInput


def run(*command: str, folder: Path, seen: list[bytes] | None = None) -> Outcome:
    return run_process(command, folder=folder, environment=dict(os.environ), sink=(seen if seen is not None else []).append)


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_output_streams_through_byte_for_byte_and_is_copied(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    seen: list[bytes] = []
    code = "import sys; sys.stdout.buffer.write(bytes(range(256))*400); sys.stdout.flush(); sys.stderr.buffer.write(b'\\xff err')"
    outcome = run(*python(code), folder=tmp_path, seen=seen)
    out, err = capfdbinary.readouterr()
    assert (outcome.exit_code, out, err) == (0, bytes(range(256)) * 400, b"\xff err")
    assert sorted(b"".join(seen)) == sorted(out + err)


@pytest.mark.parametrize("status", [0, 1, 3, 125])
def test_the_commands_own_status_is_kept(status: int, tmp_path: Path) -> None:
    assert run(*python(f"raise SystemExit({status})"), folder=tmp_path).exit_code == status


def test_a_signal_is_128_and_its_number(tmp_path: Path) -> None:
    outcome = run(*python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), folder=tmp_path)
    assert (outcome.exit_code, outcome.signal, outcome.interrupted) == (137, 9, 0)


def test_what_is_not_there_and_what_cannot_be_executed(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("no program")
    (tmp_path / "odd").write_text("#!/no/such/interpreter\n")
    (tmp_path / "odd").chmod(0o755)
    (tmp_path / "garbage").write_bytes(b"\x00\x01")
    (tmp_path / "garbage").chmod(0o755)
    expected = {"no-such-program-here": NOT_FOUND, str(tmp_path / "gone"): NOT_FOUND}
    expected |= {str(tmp_path / name): NOT_EXECUTABLE for name in ("plain", "odd", "garbage")}
    expected |= {str(tmp_path): NOT_EXECUTABLE}
    for program, status in expected.items():
        outcome = run(program, folder=tmp_path)
        assert (outcome.exit_code, bool(outcome.problem)) == (status, True), program


def test_no_command_and_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as empty:
        run(folder=tmp_path)
    with pytest.raises(InvalidInput) as nowhere:
        run("true", folder=tmp_path / "gone")
    assert (empty.value.kind, nowhere.value.kind) == ("empty-command", "no-folder")


def test_processor_time_and_memory_are_those_of_the_whole_tree(tmp_path: Path) -> None:
    burn = "import time; x = bytearray(80_000_000); t = time.process_time()\nwhile time.process_time() - t < 0.3: pass"
    outcome = run(*python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"), folder=tmp_path)
    assert 0.3 <= outcome.cpu_seconds < 5
    assert outcome.peak_memory_bytes > 80_000_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sent_to_us_reaches_the_command(number: signal.Signals, tmp_path: Path) -> None:
    code = f"import signal, sys, time; signal.signal({int(number)}, lambda *_: sys.exit(7)); print('ready', flush=True); time.sleep(60)"
    ready = threading.Event()

    def interrupt() -> None:
        ready.wait(20)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    outcome = run_process(python(code), folder=tmp_path, environment=dict(os.environ), sink=lambda _piece: ready.set())
    thread.join()
    assert (outcome.exit_code, outcome.interrupted) == (7, number)


def test_a_background_process_that_keeps_the_pipe_does_not_keep_us(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '30']).pid, flush=True)"
    seen: list[bytes] = []
    begun = time.monotonic()
    assert run(*python(code), folder=tmp_path, seen=seen).exit_code == 0
    assert time.monotonic() - begun < 20
    os.kill(int(b"".join(seen)), signal.SIGTERM)


def test_a_reader_that_goes_away_does_not_stop_the_record(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from lineal.capture.process import run_process\n"
        "seen = []\n"
        "out = run_process((sys.executable, '-c', 'for i in range(20000): print(i)'), folder=Path('.'), environment=dict(os.environ), sink=seen.append)\n"
        "Path('result').write_text(f'{out.exit_code} {sum(map(len, seen))}')"
    )
    first = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE)
    assert first.stdout is not None
    first.stdout.readline()
    first.stdout.close()
    assert first.wait(60) == 0
    assert (tmp_path / "result").read_text() == "0 108890"
