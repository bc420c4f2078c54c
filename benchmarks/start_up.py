"""Start-up: what `import lineal` and the command line cost.

CPU seconds beyond a bare interpreter, the median of 15 fresh processes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from benchmarks.table import Row, peer_environment

RUNS = 15


def cpu_seconds(command: list[str]) -> float:
    figures = []
    for _ in range(RUNS):
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        figures.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return statistics.median(figures)


def measure() -> list[Row]:
    bare = cpu_seconds([sys.executable, "-c", "pass"])
    ours = cpu_seconds([sys.executable, "-c", "import lineal"]) - bare
    command = cpu_seconds([sys.executable, "-m", "lineal.main", "--help"]) - bare
    peer_python = str(peer_environment("mlflow", "mlflow-skinny==3.17.2", "sqlalchemy", "alembic"))
    peer_bare = cpu_seconds([peer_python, "-c", "pass"])
    peer = cpu_seconds([peer_python, "-c", "import mlflow"]) - peer_bare
    peer_command = cpu_seconds([peer_python, "-m", "mlflow", "--help"]) - peer_bare
    return [
        Row(work="import", unit="ms CPU", ours=ours * 1000, peer=peer * 1000, peer_name="mlflow-skinny", goal="≤ 60", met=ours <= 0.06),
        Row(work="--help", unit="ms CPU", ours=command * 1000, peer=peer_command * 1000, peer_name="mlflow-skinny"),
    ]
