"""The workspaces that a Python program works in: each opened once for a process, however it comes in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineal.workspace.local import LocalWorkspace
    from lineal.workspace.remote.team import TeamWorkspace

_opened: dict[tuple[int, str, str], LocalWorkspace | TeamWorkspace] = {}


def shared_workspace(start: str | os.PathLike[str] | None = None) -> LocalWorkspace | TeamWorkspace:
    """The workspace of the project that ``start`` (the current folder, or ``LINEAL_WORKSPACE``, unless given) lies in.

    Raises:
        NotFound: kind ``no-project``, if it is in none.
    """
    from lineal.bootstrap.compose import open_workspace
    from lineal.bootstrap.settings import WORKSPACE_VARIABLE, environment

    folder = os.path.abspath(os.getcwd() if start is None else os.fspath(start))
    named = environment().get(WORKSPACE_VARIABLE, "") if start is None else ""
    key = os.getpid(), folder, named  # a forked process opens its own
    if key not in _opened:
        _opened[key] = open_workspace(None if start is None else Path(folder))
    return _opened[key]


def close_shared() -> None:
    """Closes every workspace that this process opened."""
    for key in [key for key in _opened if key[0] == os.getpid()]:
        _opened.pop(key).close()
