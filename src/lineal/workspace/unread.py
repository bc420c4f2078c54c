"""Which runs' journals have grown since they were last read in, told by their sizes: thousands of runs that are silent cost a look at each folder."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOOK_AGAIN_SECONDS = 10.0
"""After so long a run is read in although nothing was written: only then is it seen that it has been silent for too long."""

Sizes = tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Unread:
    """Remembers how journals looked. For one thread at a time."""

    _looked: dict[Path, dict[str, tuple[Sizes, float]]] = field(default_factory=dict)

    def take(self, journals: Path) -> Sequence[str]:
        """The runs in a folder of journals that are to be read in now, by id; the next call does not name them again unless they grow."""
        known, now = self._looked.get(journals, {}), time.monotonic()
        looked: dict[str, tuple[Sizes, float]] = {}
        wanted = []
        for name in sorted(os.listdir(journals)):
            sizes, (before, at) = _sizes(journals / name), known.get(name, ((), 0.0))
            if sizes != before or now - at > LOOK_AGAIN_SECONDS:
                wanted.append(name)
                at = now
            looked[name] = (sizes, at)
        self._looked[journals] = looked
        return wanted

    def forget(self) -> None:
        """Has everything be read in again: the last time it failed."""
        self._looked.clear()


def _sizes(folder: Path) -> Sizes:
    try:
        with os.scandir(folder) as items:
            return tuple(sorted((item.name, item.stat().st_size) for item in items))
    except (FileNotFoundError, NotADirectoryError):  # read in and cleared away meanwhile
        return ()
