"""Services as detached processes of this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from lineal.delivery.targets.interface import Handle, ServiceRequest, StartedService
from lineal.errors import Conflict, InvalidInput, Unavailable
from lineal.records.journal import FOLDER_VARIABLE, RUN_VARIABLE

MODULE = "lineal.serving"
BACKLOG = 256
_STEP_SECONDS = 0.02


class _Detached(subprocess.Popen[bytes]):
    """A child that is meant to outlive this process: leaving it running is no mistake to be warned of."""

    def __del__(self) -> None:
        pass


_children: dict[int, _Detached] = {}
"""Services that this process started: they are reaped when they are asked about, so that none stays as a zombie."""


class ProcessTarget:
    """`Target` of detached processes. A handle is a process id with its start time, so that a reused id is never taken for it."""

    name = "process"

    def start(self, request: ServiceRequest) -> StartedService:
        """Listens on the port, and hands the socket to a new process that outlives this one."""
        sock = _listen(request.host, request.port, beside=request.beside if request.beside and self.alive(request.beside) else None)
        with sock:
            port = int(sock.getsockname()[1])
            process = _spawn(request, sock.fileno())
        _children[process.pid] = process
        handle = {"pid": process.pid, "started": _start_time(process.pid), "port": port}
        host = f"[{request.host}]" if ":" in request.host else request.host
        return StartedService(handle=handle, url=f"http://{host}:{port}")

    def alive(self, handle: Handle) -> bool:
        """Whether a process of that id started at that time and runs a service."""
        return _find(handle) is not None

    def stop(self, handle: Handle, *, seconds: float = 15.0) -> bool:
        """SIGTERM, and SIGKILL after ``seconds``; only after proof that it is the same process."""
        process = _find(handle)
        if process is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while _find(handle) is not None:
            if time.monotonic() > deadline:
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    process.kill()
                deadline = float("inf")
            time.sleep(_STEP_SECONDS)
        return True


def _spawn(request: ServiceRequest, descriptor: int) -> _Detached:
    outside = ["env", "-u", RUN_VARIABLE, "-u", FOLDER_VARIABLE]  # a service that a recorded program starts is no part of its run
    command = [
        *outside,
        sys.executable,
        "-m",
        MODULE,
        "--bundle",
        str(request.bundle.absolute()),
        "--predictions",
        str(request.predictions.absolute()),
    ]
    try:
        with request.log.open("ab") as log:
            return _Detached(
                [*command, "--host", request.host, "--fd", str(descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=request.bundle,
                start_new_session=True,
                pass_fds=(descriptor,),
            )
    except OSError as error:
        raise Unavailable(f"the service cannot be started: {error.strerror}", kind="cannot-start") from error


def _listen(host: str, port: int, *, beside: Handle | None) -> socket.socket:
    """A listening socket that a successor may share. That nobody else has the port is found out first, by asking for it alone."""
    if not 0 <= port <= 65535:
        raise InvalidInput(f"{port} is no port", kind="bad-port", hint="Ports are 1 to 65535; 0 or none picks a free one.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if beside is None or beside.get("port") != port or not port:
            with socket.socket(family, socket.SOCK_STREAM) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind((host, port))
                port = int(alone.getsockname()[1])
        return _bind(family, host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} on {host} is in use by another program",
                kind="port-in-use",
                hint="Give another one with --port, or none for a free one.",
            ) from error
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}", kind="cannot-start") from error


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError:
        found.close()
        raise
    return found


def _find(handle: Handle) -> psutil.Process | None:
    """The handle's process, if it is the very one."""
    pid = handle.get("pid")
    if not isinstance(pid, int):
        return None
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
        return None
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or _start_time(pid) != handle.get("started"):
            return None
        return process if MODULE in process.cmdline() else None
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return None


def _start_time(pid: int) -> str:
    """When the process started, as a text that only it has: ticks since boot with the boot's id on Linux, seconds elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        try:
            return f"{psutil.Process(pid).create_time():.2f}" if not os.path.isdir("/proc/self") else ""
        except psutil.Error:
            return ""
    return f"{boot}:{fields[19]}"
