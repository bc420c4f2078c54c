"""Start-up: what `import lineal` and the command line cost.

CPU seconds beyond a bare interpreter, the median of 15 fresh processes.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from benchmarks.table import Row, peer_environment

RUNS = 15


def cpu_seconds(command: list[str]) -> float:
    figures = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)  # to the microsecond, where os.times counts in 10 ms
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
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
