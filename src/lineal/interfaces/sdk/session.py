"""The workspace that a Python program works in: the one of the folder it runs in, opened once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineal.workspace.interface import Workspace

_opened: dict[tuple[int, str], Workspace] = {}


def open_workspace(start: str | os.PathLike[str] | None = None) -> Workspace:
    """The workspace of the project that ``start`` (the current folder unless given) lies in.

    Raises:
        NotFound: kind ``no-project``, if it is in none; make one with ``lineal init``.
    """
    from lineal.bootstrap.compose import open_workspace as compose

    folder = os.path.abspath(os.getcwd() if start is None else os.fspath(start))
    key = os.getpid(), folder  # a forked process opens its own
    if key not in _opened:
        _opened[key] = compose(None if start is None else Path(folder))
    return _opened[key]
