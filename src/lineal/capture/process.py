"""Runs a command as a child: its output streams through byte for byte while a copy goes to a sink; its end is measured.

The child gets plain pipes, not a terminal: ``isatty()`` is false for its stdout and stderr, as in ``command | tee log``.
"""

from __future__ import annotations

import errno
import os
import select
import selectors
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from lineal.errors import InvalidInput

NOT_EXECUTABLE = 126
NOT_FOUND = 127
OWN_FAILURE = 125
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_PIECE = 1 << 16
_LINGER_SECONDS = 0.5
_TICK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended.

    Attributes:
        exit_code: the command's own status; 126 not executable, 127 not found, 128+n where signal n ended it.
        signal: the signal that ended it, or 0.
        interrupted: the first signal that was sent to us to stop it, or 0.
        cpu_seconds: user and system time of the child and of the descendants that were waited for.
        peak_memory_bytes: largest resident set of any one of them.
        problem: why it could not be started, or empty.
    """

    exit_code: int
    signal: int = 0
    interrupted: int = 0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    problem: str = ""


def run_process(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    sink: Callable[[bytes], None],
    started: Callable[[int], None] = lambda _pid: None,
    tick: Callable[[], None] = lambda: None,
) -> Outcome:
    """Runs ``command`` in ``folder`` until it ends and its output is read.

    SIGINT, SIGTERM, SIGHUP and SIGQUIT sent to this process are forwarded; an interrupt typed at the terminal reaches the child by itself.

    Args:
        sink: gets every piece of stdout and stderr in the order they were read.
        started: called with the child's process id.
        tick: called about twice a second while the child runs.

    Raises:
        InvalidInput: kind ``no-folder``, if ``folder`` is not there; kind ``empty-command``, if there is no command.
    """
    if not command:
        raise InvalidInput("there is no command to run", kind="empty-command", hint="Give it after two dashes: lineal run -- python train.py")
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder", kind="no-folder", hint="Give a folder to run the command in.")
    _flush_own_output()
    try:
        child = subprocess.Popen(list(command), cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    except OSError as error:
        return _not_started(command[0], error, folder=folder, environment=environment)
    started(child.pid)
    with _forwarding(child.pid) as received:
        reaper = _Reaper(child.pid)
        _pump(child, sink, reaper=reaper, tick=tick)
        status, usage = reaper.wait()
    child.returncode = os.waitstatus_to_exitcode(status)  # Popen must not wait for it again
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return Outcome(
        exit_code=128 + ended_by if ended_by else os.WEXITSTATUS(status),
        signal=ended_by,
        interrupted=received[0] if received else 0,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_memory_bytes=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    )


class _Reaper:
    """Waits for the child in a thread of its own, so that its resource use can be had and a pipe held open by others ends nothing."""

    def __init__(self, pid: int) -> None:
        self._result: tuple[int, Any] | None = None
        self._thread = threading.Thread(target=self._wait, args=(pid,), name="lineal-wait", daemon=True)
        self._thread.start()

    def _wait(self, pid: int) -> None:
        _pid, status, usage = os.wait4(pid, 0)
        self._result = (status, usage)

    @property
    def ended(self) -> bool:
        """Whether the child is gone."""
        return self._result is not None

    def wait(self) -> tuple[int, Any]:
        """The wait status and the resource use of the child with its descendants."""
        self._thread.join()
        if self._result is None:
            raise RuntimeError("the child was waited for by somebody else")
        return self._result


def _pump(child: subprocess.Popen[bytes], sink: Callable[[bytes], None], *, reaper: _Reaper, tick: Callable[[], None]) -> None:
    """Copies both pipes until they close; a background process that keeps them open does not keep us once the child is gone."""
    pipes = [(pipe, target) for pipe, target in ((child.stdout, 1), (child.stderr, 2)) if pipe is not None]
    with selectors.DefaultSelector() as selector:
        for pipe, target in pipes:
            selector.register(pipe, selectors.EVENT_READ, target)
        while selector.get_map():
            over = reaper.ended  # asked first: what the child wrote before its end is then in the pipes
            ready = selector.select(timeout=_LINGER_SECONDS if over else _TICK_SECONDS)
            tick()
            if over and not ready:
                break
            for key, _events in ready:
                _copy(selector, key, sink)
    for pipe, _target in pipes:
        pipe.close()


def _copy(selector: selectors.BaseSelector, key: selectors.SelectorKey, sink: Callable[[bytes], None]) -> None:
    piece = os.read(key.fd, _PIECE)
    if not piece:
        selector.unregister(key.fileobj)
        return
    sink(piece)  # first, so that whatever a reader has seen is recorded
    _write_through(key.data, piece)


def _write_through(target: int, data: bytes) -> None:
    """Writes to our own stdout or stderr; a reader that went away, such as ``head``, does not stop the record."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BlockingIOError:
            select.select([], [target], [])
        except OSError:
            return


@contextmanager
def _forwarding(pid: int) -> Iterator[list[int]]:
    """Sends the signals that would end us to the child instead, and collects them."""
    received: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if number in {signal.SIGINT, signal.SIGQUIT} and _terminal_is_ours():
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, forward) for number in FORWARDED if signal.getsignal(number) is not signal.SIG_IGN}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminal_is_ours() -> bool:
    """Whether the terminal sends what is typed to our process group, in which the child is too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _not_started(program: str, error: OSError, *, folder: Path, environment: Mapping[str, str]) -> Outcome:
    if not _is_there(program, folder, environment):
        return Outcome(exit_code=NOT_FOUND, problem=f"{program}: command not found")
    if error.errno == errno.ENOENT:
        return Outcome(exit_code=NOT_EXECUTABLE, problem=f"{program}: its interpreter was not found")
    reason = "not an executable file" if error.errno == errno.ENOEXEC else (error.strerror or "cannot be executed").lower()
    return Outcome(exit_code=NOT_EXECUTABLE, problem=f"{program}: {reason}")


def _is_there(program: str, folder: Path, environment: Mapping[str, str]) -> bool:
    if "/" in program:
        return os.path.lexists(folder / program)
    return shutil.which(program, path=environment.get("PATH"), mode=os.F_OK) is not None


def _flush_own_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
