"""Other stores that a project knows by name, and what went to and fro."""

from __future__ import annotations

from dataclasses import dataclass

CURRENT, NEW, MOVED, AHEAD, DIVERGED, PARTLY = "current", "new", "moved", "ahead", "diverged", "partly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A store elsewhere.

    Attributes:
        url: where it lies; holds no secret.
        lends: whether contents that a partial pull left there are read from it when they are wanted.
    """

    name: str
    url: str
    lends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMove:
    """What happened to one line of a dataset's versions.

    Attributes:
        branch: ``main`` or a branch.
        outcome: ``current`` (both have the same), ``new`` (the receiver had no such line), ``moved`` (it got newer versions), ``ahead`` (the
            receiver has all and more), ``diverged`` (both have versions that the other lacks), ``partly`` (contents travelled, the line stays).
        before, after: the commits that the receiver's line was at and is at; empty where there is none.
        kept_as: of a diverged line: the branch that the other side's versions came in as.
    """

    name: str
    branch: str
    outcome: str
    before: str = ""
    after: str = ""
    kept_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What a push or a pull did.

    Attributes:
        objects, packs, bytes: what travelled; bytes as they are stored.
        requests: how many were made of an object store; 0 for a folder.
    """

    remote: str
    direction: str
    lines: tuple[LineMove, ...] = ()
    objects: int = 0
    packs: int = 0
    bytes: int = 0
    requests: int = 0
