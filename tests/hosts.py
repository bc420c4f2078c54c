"""Machines of a cluster: each with a host name, processes, a home and a project folder of its own, before one real server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.lineal_server import RunningServer

_UNSHARE = ("unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")


class Host:
    """One machine."""

    def __init__(self, root: Path, url: str) -> None:
        self.name = root.name
        self.url = url
        self.folder, self.home = root / "project", root / "home"
        for folder in (self.folder, self.home):
            folder.mkdir(parents=True)
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Starts a program there; its output is a pipe. Killing what this gives kills everything that it started."""
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
        environment = {**kept, "HOME": str(self.home), "LINEAL_WORKSPACE": self.url, "PYTHONUNBUFFERED": "1", **variables}
        words = [*_UNSHARE, "sh", "-c", f'hostname {self.name}; exec "$@"', "sh", *command]
        self.processes.append(subprocess.Popen(words, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True))
        return self.processes[-1]

    def python(self, code: str, *before: str, **variables: str) -> subprocess.Popen[str]:
        """Starts a script, behind a command such as `lineal run --`."""
        script = self.folder / "train.py"
        script.write_text(textwrap.dedent(code))
        return self.start(*before, sys.executable, "train.py", **variables)

    def lineal(self, code: str, *options: str, **variables: str) -> subprocess.Popen[str]:
        """Starts a script by `lineal run`."""
        return self.python(code, sys.executable, "-m", "lineal.main", "run", *options, "--", **variables)


def terminate(process: subprocess.Popen[str]) -> None:
    """Sends SIGTERM to the first process of a host's program, as a cluster does."""
    (inner,) = psutil.Process(process.pid).children()
    inner.send_signal(signal.SIGTERM)


class Cluster:
    """Hosts before a server, and what the server says."""

    def __init__(self, server: RunningServer, root: Path) -> None:
        self._root = root
        self.url = f"{server.url}/projects/default"
        self.hosts: list[Host] = []

    def host(self, name: str) -> Host:
        self.hosts.append(Host(self._root / name, self.url))
        return self.hosts[-1]

    def runs(self) -> list[dict[str, Any]]:
        """Every run, whole."""
        found = httpx.get(f"{self.url}/api/v1/runs").raise_for_status().json()["runs"]
        return [httpx.get(f"{self.url}/api/v1/runs/{run['id']}").raise_for_status().json() for run in found]

    def run(self) -> dict[str, Any]:
        """The only one."""
        (run,) = self.runs()
        return run

    def series(self, key: str) -> list[tuple[list[int], list[float]]]:
        """Steps and values of the only run's metric, by rank."""
        answer = httpx.get(f"{self.url}/api/v1/runs/{self.run()['id']}/series", params={"key": key})
        return [(one["steps"], one["values"]) for one in answer.json()["series"]] if answer.is_success else []

    def await_run(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The only run, once it is as wanted."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self.runs()
            if len(found) == 1 and holds(found[0]):
                return found[0]
            time.sleep(0.1)
        raise AssertionError([{key: run[key] for key in ("id", "status", "attempt", "metrics")} for run in found])


@pytest.fixture
def cluster(new_server: Callable[..., RunningServer], tmp_path: Path) -> Iterator[Cluster]:
    """One whose server calls a run crashed that it did not hear of for three seconds."""
    try:
        subprocess.run([*_UNSHARE, "hostname", "probe"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"NO NAMESPACES: machines of their own cannot be made here, so several hosts are not tested: {error}")
    data = tmp_path / "server"
    data.mkdir()
    (data / "lineal.toml").write_text("[runs]\nheartbeat_seconds = 3\n")
    made = Cluster(new_server("--no-auth", folder=data), tmp_path)
    yield made
    for process in [process for host in made.hosts for process in host.processes]:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate(timeout=20)
    shutil.rmtree(tmp_path / "server", ignore_errors=True)
