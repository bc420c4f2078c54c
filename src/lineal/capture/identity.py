"""Which process this is, and whether another one is dead: what turns a silent run into a crashed one.

A pid alone proves nothing (it is used again), and neither does a missing one (another machine or container may have it). The start time of the
process, the machine's boot id and the pid namespace together do.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_HAS_PROC = (_PROC / "self/stat").exists()


def process_identity() -> dict[str, Any]:
    """Facts that name this process for ever: ``host machine boot namespace pid pid_started``."""
    return dict(_identity(os.getpid()))


@lru_cache(maxsize=1)
def _identity(pid: int) -> Mapping[str, Any]:
    """It stays the same until the process forks."""
    return {
        "host": os.uname().nodename,
        "machine": _machine(),
        "boot": boot_id(),
        "namespace": _pid_namespace(),
        "pid": pid,
        "pid_started": process_start(pid) or "",
    }


def proven_dead(process: Mapping[str, Any]) -> bool:
    """Whether the process that `process_identity` described is certainly gone; False where this machine cannot know.

    A process that ended and waits for its parent to notice (a zombie) is dead.
    """
    if not process.get("pid"):
        return False
    if process.get("boot") != boot_id():
        return bool(process.get("machine")) and process.get("machine") == _machine()
    if process.get("namespace", "") != _pid_namespace():
        return False
    return process_start(int(process["pid"])) != process.get("pid_started")


def proven_alive(process: Mapping[str, Any]) -> bool:
    """Whether the process that `process_identity` described is certainly there; False where this machine cannot know."""
    if not process.get("pid") or process.get("boot") != boot_id() or process.get("namespace", "") != _pid_namespace():
        return False
    return process_start(int(process["pid"])) == process.get("pid_started")


def boot_id() -> str:
    """Names this machine's current boot."""
    found = _first_line(_PROC / "sys/kernel/random/boot_id")
    if found or _HAS_PROC:
        return found
    import psutil  # where there is no /proc

    return str(int(psutil.boot_time()))


def process_start(pid: int) -> str | None:
    """When a process started, in the system's own unit; None where it does not run (any more)."""
    if not _HAS_PROC:
        return _process_start_elsewhere(pid)
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return None if fields[0] in "ZX" else fields[19]


def _process_start_elsewhere(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.Error:
        return None


def _pid_namespace() -> str:
    try:
        return os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return ""


def _machine() -> str:
    """Names the machine without telling its id, which is confidential. Source: machine-id(5)."""
    identifier = _first_line(Path("/etc/machine-id"))
    return hashlib.sha256(f"lineal:{identifier}".encode()).hexdigest()[:16] if identifier else ""


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
