"""An experiment: a heading that runs of a project stand under, as MLflow has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT = "Default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment of a project.

    Attributes:
        id: counts up from 0, which is `DEFAULT`; runs without an experiment belong to it.
        deleted_at: since when it is hidden, microseconds UTC, or None.
    """

    id: int
    name: str
    created_at: int = 0
    updated_at: int = 0
    deleted_at: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What a run of it has as its experiment."""
        return "" if self.id == 0 else self.name
