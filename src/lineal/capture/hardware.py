"""What the machine has: processor, memory, graphics cards. Bounded in time: a driver that hangs costs two seconds, once."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

_GPU_SECONDS = 2.0


@lru_cache(maxsize=1)
def gpus() -> tuple[str, ...]:
    """The graphics cards with their memory, as NVIDIA's driver names them, such as ``NVIDIA H100 80GB HBM3, 81559 MiB, driver 550.54``."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    command = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=_GPU_SECONDS, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ()
    lines = answer.stdout.decode(errors="replace").splitlines()
    rows = [[part.strip() for part in line.split(",")] for line in lines if line.strip()]
    return tuple(f"{row[0]}, {row[1]}, driver {row[2]}" if len(row) == 3 else ", ".join(row) for row in rows)


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.processor() or platform.machine()
    return platform.machine()


def processor_count() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0


def memory_bytes() -> int:
    """Physical memory, or the control group's limit where that is lower."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = int(Path(path).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        return min(physical, limit)
    return physical
