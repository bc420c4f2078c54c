"""What every use case of the local workspace stands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineal.ledger.database import Ledger
from lineal.store.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things lie in a project. ``.lineal/`` survives moving the folder: nothing in it holds an absolute path that matters."""

    root: Path

    @property
    def state(self) -> Path:
        """``.lineal``."""
        return self.root / ".lineal"

    @property
    def format(self) -> Path:
        """Names the format version of ledger and store, and the project's id."""
        return self.state / "format.json"

    @property
    def ledger(self) -> Path:
        """The SQLite database."""
        return self.state / "ledger.db"

    @property
    def store(self) -> Path:
        """Packs, indexes and refs."""
        return self.state / "store"

    @property
    def journals(self) -> Path:
        """One folder per run that is not wholly ingested, named by its id."""
        return self.state / "journals"

    @property
    def deployments(self) -> Path:
        """One folder per deployment: bundle, service log, captured predictions."""
        return self.state / "deployments"

    @property
    def temporary(self) -> Path:
        """Scratch space on the same file system."""
        return self.state / "tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The parts of one open local workspace.

    Attributes:
        clock: microseconds UTC.
        entropy: that many random bytes.
        actor: who acts, for events and authorship.
        limits: the bounds of what is kept and how long is waited, from the settings, by name.
    """

    layout: Layout
    project_id: str
    project: str
    ledger: Ledger
    store: Repository
    clock: Callable[[], int]
    entropy: Callable[[int], bytes]
    actor: str
    limits: Mapping[str, Any]
