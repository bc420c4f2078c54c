"""What a laptop has recorded that its server does not know yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A run with something that has not travelled.

    Attributes:
        bytes: of its journals and its output.
        since: when the oldest of that was written, microseconds UTC; right to the file.
        problem: why the server would not take it, or empty: it was not reached, or not asked yet.
    """

    run: str
    bytes: int
    since: int
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What travelled, and what is left.

    Attributes:
        runs: how many sent something.
        bytes: of journals; objects, content_bytes: of contents.
        left: runs with something that did not travel.
        datasets: names of those with versions that did not travel.
        reason: why nothing or not all of it did, or empty.
    """

    runs: int = 0
    bytes: int = 0
    objects: int = 0
    content_bytes: int = 0
    left: tuple[Unsent, ...] = ()
    datasets: tuple[str, ...] = ()
    reason: str = ""
