"""What watches a command's files: one brand per file, chosen by the setting ``capture.tracer``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How a command is started so that it is watched.

    Attributes:
        command: the words to run instead of the user's.
        environment: variables to add.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


class Tracer(Protocol):
    """Sees which files a tree of processes opens.

    What it sees is in the run's folder of journals as `OPENED` and `SPAWNED` entries once the command has ended and `settle` was called.
    It never changes what the command does, and never stops it: where it fails, it says what could not be seen.
    """

    @property
    def name(self) -> str:
        """Its name in the setting and in `lineal.records.run.Capture.tracers`."""

    def unavailable(self) -> str:
        """Why it does not work here, one sentence, or an empty string."""

    def watch(self, command: Sequence[str], *, folder: Path, journals: Path, environment: Mapping[str, str]) -> Watch:
        """What to run so that ``command`` is watched.

        Args:
            folder: what the command will be started in.
            journals: the run's folder of journals.
            environment: what the command would be started with; names of `lineal.records.journal` are set already.
        """

    def settle(self, *, journals: Path) -> Sequence[str]:
        """Brings what was seen into the journals once the command has ended; says what could not be seen, one sentence each."""
