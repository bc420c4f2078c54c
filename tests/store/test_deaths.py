"""A kill at any moment: before every write, fsync, rename, unlink and new folder of a use case; everything finished stands, and doing it again succeeds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.dying import SCENARIOS

FEWEST_STEPS = {"add": 20, "gc": 60, "checkout": 2, "merge": 40, "push": 40, "pull": 40}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_wherever_it_is_killed_what_was_finished_stands_and_doing_it_again_succeeds(name: str, in_memory: Path) -> None:
    command = [sys.executable, "-m", "tests.dying", name, str(in_memory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not found["wrong"], "\n".join([*found["wrong"], done.stderr])
    assert found["steps"] >= FEWEST_STEPS[name]
