"""Sees what Python programs open, from inside, through audit events (PEP 578): nothing to install, no slower.

Not seen: files that libraries written in other languages open by themselves (pyarrow datasets, polars, duckdb, HDF5), and programs that are not
Python; both are told of.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lineal.capture.tracers.interface import Watch

INJECTED = Path(__file__).parent / "inject"


class PythonHook:
    """The brand ``python``."""

    name = "python"

    def unavailable(self) -> str:
        """It works wherever Lineal does."""
        return ""

    def watch(self, command: Sequence[str], *, folder: Path, journals: Path, environment: Mapping[str, str]) -> Watch:
        """The same command, with our folder first on ``PYTHONPATH``: each Python process of the tree then starts a watcher."""
        from lineal.capture.tracers.inject import lineal_hook

        if command and not lineal_hook.is_python(command[0]):
            watcher = lineal_hook.Watcher(
                folder=str(journals),
                run=environment.get(lineal_hook.RUN, ""),
                project=environment.get(lineal_hook.PROJECT, ""),
                root=environment.get(lineal_hook.ROOT, os.sep),
            )
            watcher.unwatched(command[0], lineal_hook.split_words(list(command)), str(folder))
        return Watch(command=tuple(command), environment=injection(environment))

    def settle(self, *, journals: Path) -> Sequence[str]:
        """Nothing is left to do: the watchers wrote to the journals themselves."""
        del journals
        return ()


def injection(environment: Mapping[str, str]) -> dict[str, str]:
    """What makes every Python process start a watcher."""
    before = environment.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(part for part in (str(INJECTED), before) if part)}
