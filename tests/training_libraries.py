"""Real training libraries in a virtual environment of their own, made once outside the clone; they never meet ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PINNED = (
    "torch==2.13.0",  # its build for processors alone where that can be had; PyPI's brings gigabytes for graphics cards
    "lightning==2.6.6",
    "keras==3.15.1",
    "transformers==5.24.0",
    "accelerate==1.15.0",
    "tensorboard==2.21.0",
    "tensorboardX==2.6.5",
)
FOLDER = Path.home() / ".cache" / "lineal-tests" / "training-1"
"""Its number counts up when `PINNED` changes."""


@pytest.fixture(scope="session")
def training_python() -> Path:
    """The Python that has them, and what Lineal itself needs."""
    python, ready = FOLDER / "bin" / "python", FOLDER / ".ready"
    if not ready.exists():
        own = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
        try:
            subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
            install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PINNED, *own]
            subprocess.run(install, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"NO TRAINING LIBRARIES: they cannot be installed here: {error}")
        ready.touch()
    return python
