"""A mount that a command holds in the foreground, and what it cost when it has ended."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tools import Command, CommandFailed

READY_SECONDS = 60.0


@dataclass(slots=True)
class Mount:
    """How many seconds it took until it answered; and once it has ended, the CPU seconds of the process that served it."""

    ready: float = 0.0
    cpu: float = 0.0


@contextmanager
def mounted(command: Command, place: Path, *, folder: Path, environment: Mapping[str, str]) -> Iterator[Mount]:
    """Mounts at ``place`` for the block.

    Raises:
        CommandFailed: if it ends before it answers.
    """
    place.mkdir(exist_ok=True)
    mount = Mount()
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        try:
            while not place.is_mount():
                if process.poll() is not None or time.perf_counter() - began > READY_SECONDS:
                    said.seek(0)
                    words = said.read()[-600:].decode(errors="replace").strip()
                    raise CommandFailed(f"{' '.join(command[-4:])}: {words}")
                time.sleep(0.002)
            mount.ready = time.perf_counter() - began
            yield mount
        finally:
            if process.poll() is None:
                subprocess.run(("fusermount", "-u", str(place)), check=False)
                _pid, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                mount.cpu = usage.ru_utime + usage.ru_stime
