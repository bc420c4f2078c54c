"""A real MLflow of its own virtual environment, made once outside the clone; its libraries never meet ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.lineal_server import free_port

VERSION = "3.17.2"
FOLDER = Path.home() / ".cache" / "lineal-tests" / f"mlflow-{VERSION}"
WANTED = (f"mlflow=={VERSION}", "lightgbm", "scikit-learn", "pandas", "matplotlib", "pillow", "psutil")


@pytest.fixture(scope="session")
def mlflow_python() -> Path:
    """The Python that has it."""
    python, ready = FOLDER / "bin" / "python", FOLDER / ".ready"
    if not ready.exists() or ready.read_text(encoding="ascii") != " ".join(WANTED):
        try:
            subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *WANTED], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"NO MLFLOW: its client cannot be installed here: {error}")
        ready.write_text(" ".join(WANTED), encoding="ascii")
    return python


@pytest.fixture(scope="session")
def mlflow_server(mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of MLflow's own server, on which nothing was recorded."""
    folder, port = tmp_path_factory.mktemp("mlflow-server"), free_port()
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    command = [str(mlflow_python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), *store]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "LINEAL_", "PYTHON"))}
    process = subprocess.Popen(command, cwd=folder, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("MLflow's server does not start")
            time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.HTTPError:
        return False
