"""Runs that are recorded by requests and not by a process that Lineal watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lineal.records.digest import Digest
from lineal.records.run import RunStatus

Point = tuple[str, float, int, int]
"""Name, value, time in microseconds UTC, step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedRun:
    """What is known of such a run without asking the ledger.

    Attributes:
        params: by name, as texts: whoever records by requests may not say two things.
        started_at, ended_at: microseconds UTC.
        deleted: whether nothing may be written to it.
    """

    id: str
    name: str
    experiment: str = ""
    author: str = ""
    status: RunStatus = RunStatus.RUNNING
    started_at: int = 0
    ended_at: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedData:
    """Data that such a run used, as its maker names it; the bytes were never here.

    Attributes:
        digest: the maker's own, which is compared with its like and nothing else.
        role: such as ``train``.
        rows: how many it has, where that was said.
    """

    name: str
    digest: str
    role: str = ""
    source: str = ""
    source_type: str = ""
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that such a run sent.

    Attributes:
        path: relative, with slashes.
    """

    path: str
    digest: Digest
    size: int
