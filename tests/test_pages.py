import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lineal.bootstrap.compose import create_workspace
from lineal.errors import Unavailable
from lineal.pages import free_port


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "lineal.main", "ui", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield line.rpartition(" ")[2].strip(), process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)


def test_the_pages_are_served_until_ctrl_c(tmp_path: Path) -> None:
    create_workspace(tmp_path, name="birds")
    with served(tmp_path) as (address, process):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        assert httpx.get(f"{address}/api/v1/openapi.json").json()["info"]["title"] == "Lineal"
        assert httpx.get(address, headers={"host": "evil.example"}).status_code == 403
        process.send_signal(signal.SIGINT)
        _out, told = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in told
    assert told.endswith("stopped\n")


def test_two_projects_are_served_side_by_side(tmp_path: Path) -> None:
    for name in ("a", "b"):
        create_workspace(tmp_path / name)
    with served(tmp_path / "a") as (first, _one), served(tmp_path / "b") as (second, _two):
        assert first != second


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port, tries=50) != port
        with pytest.raises(Unavailable) as caught:
            free_port(port, tries=1)
    assert caught.value.kind == "port-in-use"


def test_without_a_project_there_are_no_pages(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lineal.main", "ui"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LINEAL_WORKSPACE": ""},
    )
    assert (done.returncode, "lineal init" in done.stderr) == (3, True)
