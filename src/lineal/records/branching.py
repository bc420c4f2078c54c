"""Branches of a dataset, and what it means to bring them together."""

from __future__ import annotations

from dataclasses import dataclass

from lineal.records.dataset import PathChange, PathConflict
from lineal.records.digest import Digest

UP_TO_DATE, FAST_FORWARD, MERGED, REVERTED = "up-to-date", "fast-forward", "merged", "reverted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTip:
    """Where a remote's branch of the same name was when it was last seen.

    Attributes:
        version: its reference; empty where this project has not got it.
        ahead: how many versions the branch has here that the remote has not; behind: the other way round.
    """

    remote: str
    commit: Digest
    version: str = ""
    ahead: int = 0
    behind: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A line of a dataset's versions.

    Attributes:
        version: its newest version; commit: that version's.
        current: whether the working copy is on it.
        ahead: how many versions it has that the main line has not; behind: the other way round.
    """

    dataset: str
    name: str
    version: str
    commit: Digest
    updated_at: int
    current: bool = False
    ahead: int = 0
    behind: int = 0
    remotes: tuple[RemoteTip, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport:
    """What a merge or a revert does, or did.

    Attributes:
        into: the branch that gets it; source: what is brought in, or the version that is gone back to or taken back.
        ours: the branch's version before; theirs: the source's; base: what both stand on, several where lines were merged crosswise.
        outcome: ``up-to-date``, ``fast-forward``, ``merged`` or ``reverted``.
        changes: what changes for the branch, at most 1,000; added, removed and modified count all.
        version: what the branch is at afterwards; empty in a preview that makes a new version.
        written: paths of the working copy that were brought up to date.
        left_behind: why the working copy was not, although it is on that branch.
    """

    dataset: str
    into: str
    source: str
    ours: str
    theirs: str
    base: tuple[str, ...]
    outcome: str
    changes: tuple[PathChange, ...] = ()
    added: int = 0
    removed: int = 0
    modified: int = 0
    conflicts: tuple[PathConflict, ...] = ()
    version: str = ""
    preview: bool = False
    written: int = 0
    left_behind: str = ""
