"""Sees every file that any program of the tree opens, whatever it is written in, through ``strace -f --seccomp-bpf``.

Costs about 20 µs per opened file and nothing otherwise. Needs strace 5.3 or newer and the right to trace (not in some containers).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from lineal.capture.tracers.interface import Watch
from lineal.capture.tracers.python_hook import injection

TRACE = "strace.log"
_CALLS = "open,openat,openat2,creat,rename,renameat,renameat2,link,linkat,truncate,execve,chdir,fchdir,clone,clone3,fork,vfork"
_LINE = re.compile(rb"(?P<pid>\d+) +(?P<time>\d+\.\d+) (?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)(?P<rest>.*)\Z")
_UNFINISHED = re.compile(rb"(?P<pid>\d+) +(?P<time>\d+\.\d+) (?P<call>\w+)\((?P<arguments>.*) <unfinished \.\.\.>\Z")
_RESUMED = re.compile(rb"(?P<pid>\d+) +\d+\.\d+ <\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)\Z")
_PATH = re.compile(rb'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)")


class Strace:
    """The brand ``strace``."""

    name = "strace"

    def unavailable(self) -> str:
        """Why it does not work here: not installed, too old, or not allowed."""
        return _try_out()

    def watch(self, command: Sequence[str], *, folder: Path, journals: Path, environment: Mapping[str, str]) -> Watch:
        """The command under strace, which writes what it sees beside the journals; Python programs also tell which interpreter they are."""
        (journals / TRACE).with_suffix(".folder").write_bytes(os.fsencode(os.path.abspath(folder)))
        options = ["-f", "--seccomp-bpf", "-qqq", "-ttt", "-xx", "-s", "4096", "-y", "-e", f"trace={_CALLS}", "-e", "signal=none"]
        return Watch(command=("strace", *options, "-o", str(journals / TRACE), "--", *command), environment=injection(environment))

    def settle(self, *, journals: Path) -> Sequence[str]:
        """Turns strace's text into `OPENED` entries and removes it."""
        from lineal.capture.tracers.inject import lineal_hook

        path = journals / TRACE
        if not path.exists():
            return ("strace wrote nothing, so no file was seen",)
        watcher = lineal_hook.Watcher(
            folder=str(journals),
            run=journals.name,
            project="",
            root=os.fspath(journals.parents[2]),
            home=os.path.expanduser("~"),
        )
        note = path.with_suffix(".folder")
        for seen, mode in read_trace(path, Path(os.fsdecode(note.read_bytes()))):
            watcher.traced(seen, mode)
        path.unlink()
        note.unlink()
        return ()


def read_trace(path: Path, folder: Path) -> Iterator[tuple[bytes, str]]:
    """The opened files in a trace: absolute path and mode (``r``, ``w`` or ``rw``), in their order; calls that failed are left out.

    Args:
        folder: what the first process started in.
    """
    folders = _Folders(os.fsencode(folder))
    for match in _whole_calls(path):
        call, pid = match["call"], match["pid"]
        if call in {b"open", b"openat", b"openat2", b"creat"}:
            opened = _opened_path(match["rest"])
            if opened:
                yield opened, "w" if call == b"creat" else _mode(match["arguments"])
            continue
        paths = [folders.absolute(pid, base, _unescape(text)) for base, text in _PATH.findall(match["arguments"])]
        if call.startswith((b"rename", b"link")) and len(paths) >= 2:
            yield paths[0], "r"
            yield paths[1], "w"
        elif call == b"truncate" and paths:
            yield paths[0], "rw"
        elif call == b"chdir" and paths:
            folders.moved(pid, paths[0])
        elif call in {b"clone", b"clone3", b"fork", b"vfork"}:
            folders.forked(pid, match["result"])


class _Folders:
    """Which folder each process works in."""

    def __init__(self, first: bytes) -> None:
        self._first = first
        self._of: dict[bytes, bytes] = {}

    def absolute(self, pid: bytes, base: bytes, path: bytes) -> bytes:
        """The path that a process means; ``base`` is the folder descriptor's, where the call has one."""
        return os.path.normpath(os.path.join(_unescape(base) or self._of.get(pid, self._first), path))

    def moved(self, pid: bytes, folder: bytes) -> None:
        """Notes a change of folder."""
        self._of[pid] = folder

    def forked(self, pid: bytes, child: bytes) -> None:
        """A child works where its parent does."""
        self._of[child] = self._of.get(pid, self._first)


def _whole_calls(path: Path) -> Iterator[re.Match[bytes]]:
    """Calls that succeeded, those that strace printed in two parts put together."""
    begun: dict[bytes, re.Match[bytes]] = {}
    with path.open("rb") as lines:
        for raw in lines:
            line = raw.rstrip(b"\n")
            if match := _UNFINISHED.match(line):
                begun[match["pid"]] = match
                continue
            if (resumed := _RESUMED.match(line)) and (first := begun.pop(resumed["pid"], None)):
                line = b"%s %s %s(%s%s" % (first["pid"], first["time"], first["call"], first["arguments"], resumed["rest"])
            if (whole := _LINE.match(line)) and int(whole["result"]) >= 0:
                yield whole


def _opened_path(rest: bytes) -> bytes:
    """The real path that ``-y`` prints in angle brackets behind a descriptor."""
    match = re.match(rb"<([^>]*)>", rest)
    path = _unescape(match[1]) if match else b""
    return path if path.startswith(b"/") else b""


def _mode(arguments: bytes) -> str:
    if b"O_WRONLY" not in arguments and b"O_RDWR" not in arguments:
        return "r"
    return "w" if b"O_TRUNC" in arguments or b"O_CREAT" in arguments else "rw"


def _unescape(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes([int(match[1][1:], 16)]) if match[1][:1] == b"x" and len(match[1]) == 3 else match[1], text)


@lru_cache(maxsize=1)
def _try_out() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed"
    try:
        answer = subprocess.run(
            ["strace", "-f", "--seccomp-bpf", "-qqq", "-o", os.devnull, "-e", "trace=openat", "--", "true"],
            capture_output=True,
            timeout=5,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if answer.returncode == 0 else answer.stderr.decode(errors="replace").strip().splitlines()[-1] or "strace may not trace here"
