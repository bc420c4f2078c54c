"""A real MLflow of its own virtual environment, made once outside the clone; its libraries never meet ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VERSION = "3.17.2"
FOLDER = Path.home() / ".cache" / "lineal-tests" / f"mlflow-{VERSION}"
WANTED = (f"mlflow=={VERSION}", "lightgbm", "scikit-learn", "pandas", "matplotlib", "pillow")


@pytest.fixture(scope="session")
def mlflow_python() -> Path:
    """The Python that has it."""
    python, ready = FOLDER / "bin" / "python", FOLDER / ".ready"
    if not ready.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *WANTED], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"NO MLFLOW: its client cannot be installed here: {error}")
        ready.touch()
    return python
