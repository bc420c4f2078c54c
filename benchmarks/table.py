"""One row per piece of work, and the table they make."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE = Path.home() / ".cache" / "lineal-bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured.

    Attributes:
        ours, peer: in ``unit``; None where it does not apply.
        goal: what was aimed at, in words.
        met: whether ``ours`` meets the goal; None where there is none.
    """

    work: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str = ""
    goal: str = ""
    met: bool | None = None
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        peer = f"{_figure(self.peer)} ({self.peer_name})" if self.peer is not None else "–"
        ratio = f"{self.peer / self.ours:.1f}×" if self.peer is not None and self.ours else "–"
        verdict = {True: "met", False: "**falls short**", None: "–"}[self.met]
        return (self.work, self.unit, _figure(self.ours), peer, ratio, self.goal or "–", verdict, self.note)


HEADINGS = ("work", "unit", "Lineal", "peer", "peer ÷ ours", "goal", "", "note")


def markdown(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join(lines)


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {platform.system()}"


def peer_environment(name: str, *requirements: str) -> Path:
    """A virtual environment of the peer's own, made once; its Python."""
    folder = CACHE / name
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements], check=True)
        ready.touch()
    return python


def cpu_of(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds (user and system, children included) and wall seconds of one call."""
    before, started = os.times(), time.perf_counter()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4]), time.perf_counter() - started


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
