"""One row per piece of work, and the table they make."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path.home() / ".cache" / "lineal-bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured.

    Attributes:
        ours: in ``unit``; None where it could not be measured, which the note then explains.
        peers: by name, in ``unit``.
        goal: what was aimed at, in words.
        met: whether ``ours`` meets the goal; None where there is none.
    """

    work: str
    unit: str
    ours: float | None
    peers: Mapping[str, float] = field(default_factory=dict)
    goal: str = ""
    met: bool | None = None
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        verdict = {True: "met", False: "**falls short**", None: "–"}[self.met]
        if self.ours is None:
            verdict = "**not measured**"
        beside = "; ".join(f"{_figure(figure)} {name}{self._ratio(figure)}" for name, figure in self.peers.items())
        return (self.work, self.unit, _figure(self.ours), beside or "–", self.goal or "–", verdict, self.note)

    def _ratio(self, peer: float) -> str:
        return f" ({peer / self.ours:.1f}×)" if self.ours else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """At most ``limit``, in the row's unit, or where ``of`` names a peer, ``limit`` times that one's figure."""

    words: str
    limit: float
    of: str = ""

    def met(self, ours: float | None, peers: Mapping[str, float]) -> bool | None:
        """Whether it is reached; None where the peer has no figure."""
        if ours is None:
            return False
        if not self.of:
            return ours <= self.limit
        return ours <= self.limit * peers[self.of] if self.of in peers else None


HEADINGS = ("work", "unit", "Lineal", "peers (peer ÷ ours)", "goal", "", "note")


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
