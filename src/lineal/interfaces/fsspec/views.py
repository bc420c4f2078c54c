"""The versions that a file system has at hand, found by reference."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lineal.bootstrap.session import shared_workspace
from lineal.errors import Conflict, InvalidInput, NotFound
from lineal.records.standing_in import is_fixed

if TYPE_CHECKING:
    from lineal.records.dataset import Dataset
    from lineal.workspace.interface import VersionView, Workspace

FRESH_SECONDS = 1.0
"""What a name without a version stands for is looked up again after this long."""


class Views:
    """Views of one project's versions, each opened once for a process. Thread safe.

    Args:
        start: a folder of the project; None for the current one at each call.
    """

    def __init__(self, start: str | None) -> None:
        self._start = start
        self._held: dict[tuple[int, Workspace, str], tuple[float, VersionView]] = {}

    def project(self) -> Path:
        """The project's folder."""
        return self._workspace().root

    def datasets(self) -> Sequence[Dataset]:
        """Every dataset."""
        return self._workspace().datasets.list()

    def view(self, reference: str) -> VersionView:
        """The version that a reference names. Raises FileNotFoundError where it names none."""
        workspace = self._workspace()
        key = os.getpid(), workspace, reference
        until, view = self._held.get(key, (0.0, None))
        if view is not None and time.monotonic() < until:
            return view
        with translated():
            view = workspace.datasets.view(f"data:{reference}")
        self._held[key] = (float("inf") if is_fixed(reference) else time.monotonic() + FRESH_SECONDS, view)
        return view

    def forget(self) -> None:
        """Looks everything up again when it is asked for next."""
        self._held.clear()

    def _workspace(self) -> Workspace:
        with translated():
            return shared_workspace(self._start)


@contextmanager
def translated() -> Iterator[None]:
    """Says in the words of a file system that something is not there: libraries act on that."""
    try:
        yield
    except (NotFound, InvalidInput, Conflict) as error:
        raise FileNotFoundError(str(error)) from error
