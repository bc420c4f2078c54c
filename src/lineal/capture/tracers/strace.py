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

TRACE = "strace.log"
_CALLS = "open,openat,openat2,creat,rename,renameat,renameat2,link,linkat,truncate,execve,chdir,fchdir,clone,clone3,fork,vfork"
_LINE = re.compile(rb"(?P<pid>\d+) +(?P<time>\d+\.\d+) (?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)(?P<rest>.*)\Z")
_UNFINISHED = re.compile(rb"(?P<pid>\d+) +(?P<time>\d+\.\d+) (?P<call>\w+)\((?P<arguments>.*) <unfinished \.\.\.>\Z")
_RESUMED = re.compile(rb"(?P<pid>\d+) +\d+\.\d+ <\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)\Z")
_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)")


class Strace:
    """The brand ``strace``."""

    name = "strace"

    def unavailable(self) -> str:
        """Why it does not work here: not installed, too old, or not allowed."""
        return _try_out()

    def watch(self, command: Sequence[str], *, journals: Path, environment: Mapping[str, str]) -> Watch:
        """The command under strace, which writes what it sees beside the journals."""
        del environment
        options = ["-f", "--seccomp-bpf", "-qqq", "-ttt", "-xx", "-s", "4096", "-y", "-e", f"trace={_CALLS}", "-e", "signal=none"]
        return Watch(command=("strace", *options, "-o", str(journals / TRACE), "--", *command))

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
        for seen, mode in read_trace(path):
            watcher.traced(seen, mode)
        path.unlink()
        return ()


def read_trace(path: Path) -> Iterator[tuple[bytes, str]]:
    """The opened files in a trace: absolute path and mode (``r``, ``w`` or ``rw``), in their order; calls that failed are left out."""
    open_calls: dict[bytes, re.Match[bytes]] = {}
    with path.open("rb") as lines:
        for raw in lines:
            line = raw.rstrip(b"\n")
            if match := _UNFINISHED.match(line):
                open_calls[match["pid"]] = match
                continue
            if (resumed := _RESUMED.match(line)) and (begun := open_calls.pop(resumed["pid"], None)):
                line = b"%s %s %s(%s%s" % (begun["pid"], begun["time"], begun["call"], begun["arguments"], resumed["rest"])
            if (whole := _LINE.match(line)) and int(whole["result"]) >= 0:
                yield from _uses(whole)


def _uses(match: re.Match[bytes]) -> Iterator[tuple[bytes, str]]:
    call = match["call"]
    if call in {b"open", b"openat", b"openat2", b"creat"}:
        opened = _opened_path(match["rest"])
        if opened:
            yield opened, "w" if call == b"creat" else _mode(match["arguments"])
        return
    paths = [_unescape(text) for text in _TEXT.findall(match["arguments"])]
    if call.startswith((b"rename", b"link")) and len(paths) >= 2 and all(path.startswith(b"/") for path in paths[:2]):
        yield paths[0], "r"
        yield paths[1], "w"
    elif call == b"truncate" and paths and paths[0].startswith(b"/"):
        yield paths[0], "rw"


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
