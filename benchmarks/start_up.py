"""Start-up: what `import lineal` and the command line cost.

CPU seconds beyond a bare interpreter: each in turn in fresh processes, 25 times, and the least of each, which is the figure without noise.
"""

from __future__ import annotations

import resource
import subprocess
import sys

from benchmarks.table import Row, peer_environment

RUNS = 25


def cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)  # to the microsecond, where os.times counts in 10 ms
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def beyond_bare(python: str, *commands: list[str]) -> list[float]:
    """Milliseconds of CPU that each command takes more than an interpreter that does nothing."""
    figures = [[cpu_seconds([python, *words]) for words in (["-c", "pass"], *commands)] for _ in range(RUNS)]
    bare, *least = (min(column) for column in zip(*figures, strict=True))
    return [(figure - bare) * 1000 for figure in least]


def measure() -> list[Row]:
    importing, helping = beyond_bare(sys.executable, ["-c", "import lineal"], ["-m", "lineal.main", "--help"])
    peer_python = str(peer_environment("mlflow", "mlflow-skinny==3.17.2", "sqlalchemy", "alembic"))
    peer, peer_help = beyond_bare(peer_python, ["-c", "import mlflow"], ["-m", "mlflow", "--help"])
    return [
        Row(work="import", unit="ms CPU", ours=importing, peers={"mlflow-skinny": peer}, goal="≤ 60", met=importing <= 60),
        Row(work="--help", unit="ms CPU", ours=helping, peers={"mlflow-skinny": peer_help}),
    ]
