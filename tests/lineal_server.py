"""A real `lineal server`, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest


@dataclass
class RunningServer:
    """A server that answers.

    Attributes:
        link: what signs the first admin in; empty where nobody is asked, or an admin is there.
    """

    url: str
    folder: Path
    link: str
    process: subprocess.Popen[bytes]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)


def start_server(folder: Path, *options: str, port: int = 0) -> RunningServer:
    """Starts one on a free port, and waits until it says where it is."""
    port = port or free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LINEAL_") and key != "PYTHONDONTWRITEBYTECODE"}
    said = folder.parent / f"{folder.name}.out"
    command = [sys.executable, "-c", "from lineal.main import main; main()", "server", "--data", str(folder), "--port", str(port), *options]
    with said.open("wb") as out, said.with_suffix(".err").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/ready").is_success and b"stops it" in said.with_suffix(".err").read_bytes():
                break
        time.sleep(0.05)
    else:
        process.kill()
        process.wait()
        raise AssertionError(said.with_suffix(".err").read_text())
    link = re.search(r"http\S+/sign-in\?code=\w+", said.read_text())
    return RunningServer(url=f"http://127.0.0.1:{port}", folder=folder, link=link[0] if link else "", process=process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def admin_token(server: RunningServer) -> str:
    """A token of the first admin, made as a person would."""
    with httpx.Client(base_url=server.url) as client:
        client.post("/api/v1/server/sign-in", json={"code": server.link.partition("code=")[2]}).raise_for_status()
        return str(client.post("/api/v1/server/tokens", json={"note": "test"}).raise_for_status().json()["secret"])


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers, and stops them at the end."""
    started: list[RunningServer] = []

    def start(*options: str, folder: Path | None = None, port: int = 0) -> RunningServer:
        started.append(start_server(folder or tmp_path / f"server{len(started)}", *options, port=port))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One that asks nobody who they are, for a whole session of tests."""
    server = start_server(tmp_path_factory.mktemp("open") / "server", "--no-auth")
    yield server
    server.stop()
