"""The workspace that a Python program works in: the one of the folder it runs in, opened once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineal.workspace.interface import Workspace


def open_workspace(start: str | os.PathLike[str] | None = None) -> Workspace:
    """The workspace of the project that ``start`` (the current folder unless given) lies in.

    Raises:
        NotFound: kind ``no-project``, if it is in none; make one with ``lineal init``.
    """
    from lineal.bootstrap.session import shared_workspace

    return shared_workspace(start)
