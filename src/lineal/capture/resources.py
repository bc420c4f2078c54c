"""Watches what a run's processes use of the machine, from a thread of their own, every few seconds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from shutil import which
from typing import Any

from lineal.records import resources

_GPU_SECONDS = 5.0


class ResourceWatch:
    """Samples a process and all below it until it is stopped. A run that is shorter than the interval has no sample.

    Args:
        note: takes the figures of one moment, by series, and the number of the sample.
        seconds: between samples; 0 for none.
        process: id of the topmost process; this one unless given.
    """

    def __init__(self, note: Callable[[Mapping[str, float], int], object], *, seconds: float, process: int | None = None) -> None:
        self._note = note
        self._seconds = seconds
        self._process = process or os.getpid()
        self._over = threading.Event()
        self._pid = os.getpid()
        if seconds > 0:
            threading.Thread(target=self._work, name="lineal-resources", daemon=True).start()

    def stop(self) -> None:
        """Takes no further sample; does not wait."""
        self._over.set()

    def _work(self) -> None:
        if self._over.wait(self._seconds):
            return
        with contextlib.suppress(Exception):  # a machine that does not tell, a process that is gone: a run goes on without
            self._sample_until_over()

    def _sample_until_over(self) -> None:
        import psutil

        before = _Usage(psutil, self._process)
        start, network = time.monotonic(), psutil.net_io_counters()
        number = 0
        while not self._over.wait(self._seconds) and os.getpid() == self._pid:
            now = _Usage(psutil, self._process)
            elapsed = time.monotonic() - start
            figures = now.since(before, elapsed)
            start, before = time.monotonic(), now
            moved = psutil.net_io_counters()
            figures[resources.RECEIVED] = float(moved.bytes_recv - network.bytes_recv)
            figures[resources.SENT] = float(moved.bytes_sent - network.bytes_sent)
            self._note({**figures, **_graphics()}, number)
            number += 1


class _Usage:
    """What a process and all below it have used so far."""

    def __init__(self, psutil: Any, process: int) -> None:
        self.cpu: dict[int, float] = {}
        self.memory = self.read = self.written = 0.0
        top = psutil.Process(process)
        for one in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.Error), one.oneshot():
                times = one.cpu_times()
                self.cpu[one.pid] = times.user + times.system
                self.memory += one.memory_info().rss
                moved = one.io_counters() if hasattr(one, "io_counters") else None
                self.read += moved.read_bytes if moved else 0
                self.written += moved.write_bytes if moved else 0

    def since(self, before: _Usage, seconds: float) -> dict[str, float]:
        """The figures of the time since then. A process that is gone took its counters along."""
        used = sum(max(0.0, cpu - before.cpu.get(pid, 0.0)) for pid, cpu in self.cpu.items())
        return {
            resources.CPU: 100 * used / max(seconds, 1e-6),
            resources.MEMORY: self.memory,
            resources.DISK_READ: self.read,
            resources.DISK_WRITTEN: self.written,
        }


def _graphics() -> dict[str, float]:
    """Use and memory of each graphics card, as NVIDIA's driver tells them."""
    program = which("nvidia-smi")
    if program is None:
        return {}
    command = [program, "--query-gpu=index,utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=_GPU_SECONDS, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return {}
    return read_graphics(answer.stdout.decode(errors="replace"))


def read_graphics(text: str) -> dict[str, float]:
    r"""The series in what the driver printed: index, percent and MiB in each line.

    >>> read_graphics("0, 37, 1024\n1, [N/A], 0\n")
    {'system/gpu_0_percent': 37.0, 'system/gpu_0_memory_bytes': 1073741824.0, 'system/gpu_1_memory_bytes': 0.0}
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        index, *figures = [part.strip() for part in line.split(",")]
        for name, figure, scale in zip(("percent", "memory_bytes"), figures, (1, 1 << 20), strict=False):
            with contextlib.suppress(ValueError):
                found[f"{resources.PREFIX}gpu_{index}_{name}"] = float(figure) * scale
    return found
