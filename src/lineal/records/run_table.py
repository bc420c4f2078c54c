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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How far a project's runs are.

    Attributes:
        number: of the newest run.
        sequence: of the newest event.
        running: runs that go on, by id, with a text that changes whenever the run does.
        touched: ids of runs that people changed behind the event that was asked from.
    """

    number: int = 0
    sequence: int = 0
    running: Mapping[str, str] = field(default_factory=dict)
    touched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What happened between two pulses: how many runs are new, and which changed."""

    new: int = 0
    changed: tuple[str, ...] = ()


def news_between(before: Pulse, now: Pulse) -> News:
    """What a page that showed the first pulse has to show now.

    >>> news_between(Pulse(number=3, running={"a": "1", "b": "1"}), Pulse(number=5, running={"a": "2", "c": "1"}, touched=("d",)))
    News(new=2, changed=('a', 'b', 'c', 'd'))
    """
    moved = {run for run in {*before.running, *now.running} if before.running.get(run) != now.running.get(run)}
    return News(new=max(0, now.number - before.number), changed=tuple(sorted(moved | set(now.touched))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A metric's last values over many runs; ``runs`` have it."""

    runs: int
    minimum: float
    mean: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGroup:
    """Runs that have something in common.

    Attributes:
        value: what they share; None of those that have nothing there.
        count: how many they are.
        where: the filter that finds them among those that were grouped.
        metrics: by name; those that no run of the group has are left out.
    """

    value: Any
    count: int
    where: str
    metrics: Mapping[str, Spread] = field(default_factory=dict)
