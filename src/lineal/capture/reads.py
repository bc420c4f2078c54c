"""Noting what was read from a URL, for code that only knows that it may run inside a recorded run.

It loads nothing that recording has not loaded, and never raises: what cannot be noted must not keep the program from its data.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from lineal.records.journal import FOLDER_VARIABLE, RUN_VARIABLE
from lineal.records.redaction import public_url

_HOOKS = ("lineal_hook", "lineal.capture.tracers.inject.lineal_hook")
"""The watcher's module: found through ``PYTHONPATH`` under ``lineal run``, in the package where a program records itself."""

_unwatched: dict[str, Any] = {}
"""Watchers that only write, by folder of journals, for runs whose programs nobody watches from inside."""


def note_read(url: str, facts: Mapping[str, Any] | None = None, *, role: str = "", direction: str = "input") -> bool:
    """Notes in the journal of every run that this process is part of that it read (or, as ``output``, wrote) what has that URL.

    The same thing in the same state is noted once for each process; noting it again costs a set look-up.

    Args:
        url: secrets are taken out of it.
        facts: what is known of it: ``size etag version md5 modified``, of a ``lineal://`` address ``commit digest size``. None counts as unknown.
        role: a role that was declared, or empty.

    Returns:
        Whether there is such a run.
    """
    known = {key: value for key, value in (facts or {}).items() if value is not None}
    try:
        loaded = [sys.modules[name] for name in _HOOKS if name in sys.modules]
        noted = [module.note(public_url(url), known, direction, role) for module in loaded]
        return any(noted) or _note_unwatched(public_url(url), known, direction=direction, role=role)
    except Exception:  # noqa: BLE001 - whatever is wrong with the record, the program goes on
        return False


def _note_unwatched(url: str, facts: dict[str, Any], *, direction: str, role: str) -> bool:
    from lineal.capture.environment import process_variables
    from lineal.capture.tracers.inject import lineal_hook

    variables = process_variables()
    folder = variables.get(FOLDER_VARIABLE, "")
    if not folder or not os.path.isdir(folder):
        return False
    watcher = _unwatched.get(folder)
    if watcher is None:
        run, project, root = (variables.get(name, "") for name in (RUN_VARIABLE, lineal_hook.PROJECT, lineal_hook.ROOT))
        watcher = _unwatched[folder] = lineal_hook.Watcher(folder=folder, run=run, project=project, root=root or os.sep)
    watcher.noted(url, facts, direction, role)
    return True


def _after_fork() -> None:
    for watcher in _unwatched.values():
        watcher.after_fork()


os.register_at_fork(after_in_child=_after_fork)
