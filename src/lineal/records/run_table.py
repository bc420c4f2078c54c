"""A table of runs: of each run only what a table shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lineal.records.run import RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as a row.

    Attributes:
        started_at, ended_at: microseconds UTC.
        params: values by name, all or the wanted ones.
        metrics: last values by name, likewise; of several ranks that of the lowest.
    """

    id: str
    name: str
    status: RunStatus
    number: int = 0
    experiment: str = ""
    author: str = ""
    started_at: int = 0
    ended_at: int | None = None
    exit_code: int | None = None
    mistake: str = ""
    note: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPage:
    """Rows in the order that was asked for.

    Attributes:
        after: a cursor: the same search goes on behind it, whatever arrived meanwhile; empty where nothing comes behind.
    """

    rows: tuple[RunRow, ...]
    after: str = ""
