"""Datasets and their versions. A version's identity is its commit id; the number is given by the workspace that owns the ref."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lineal.records.digest import Digest

MAIN = "main"
"""The line of versions that a dataset begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """One path of a version.

    Attributes:
        path: bytes, POSIX, relative to the dataset's folder; ``b""`` never occurs.
        mode: ``file``, ``executable``, ``symlink``, ``folder`` (only empty folders are entries), or ``tracked``: a file that lies elsewhere.
        size: bytes of the content; a symlink's content is its target; of a tracked file its size at the source.
        digest: content id of the plain bytes; of a tracked file that of what is known of it (`lineal.records.tracked.SourceFacts`).
    """

    path: bytes
    mode: str
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class PathConflict:
    """A path that two sides changed in ways that do not go together, and what became of it.

    Attributes:
        kind: ``both-changed``, ``both-added``, ``changed-removed``, ``removed-changed``, ``file-folder`` or ``mode``.
        beside: the path at which theirs was put, where both were kept; empty where one of them is at ``path`` alone.
        rows: for a table: how many rows theirs has otherwise than ours.
    """

    path: str
    kind: str
    base: Digest | None = None
    ours: Digest | None = None
    theirs: Digest | None = None
    beside: str = ""
    rows: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A named line of versions."""

    name: str
    path: str
    versions: int
    latest: str
    size: int
    files: int
    updated_at: int
    deleted_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One immutable state of a dataset.

    Attributes:
        number: 1, 2, …; 0 while it has none (made offline).
        commit: content id of the commit object.
        digest: the tree's root.
        path: the folder or file it was added from, relative to the project where it lies in it.
        single_file: whether the dataset is one file rather than a folder.
        md5: MD5 hex by path, where asked for.
        schema: per table file: columns with types, row count and null counts.
        tracked: of a version whose bytes lie elsewhere: ``url``, ``kind`` (``bucket``, ``web`` or ``folder``), ``label`` (``restorable`` or
            ``notice-only``), ``md5`` and ``options``; else empty.
        occurrence: its node in the graph.
        branch: the line on which it was made.
        reverts: commit of the version that it goes back to, or takes the changes of back.
        conflicts: of a merge: what both sides had changed.
    """

    name: str
    number: int
    commit: Digest
    digest: Digest
    parents: tuple[Digest, ...] = ()
    path: str = ""
    root: str = "project"
    single_file: bool = False
    files: int = 0
    size: int = 0
    stored_bytes: int = 0
    message: str = ""
    author: str = ""
    created_at: int = 0
    source: str = ""
    md5: Mapping[str, str] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)
    tracked: Mapping[str, Any] = field(default_factory=dict)
    occurrence: str = ""
    deleted_at: int | None = None
    branch: str = MAIN
    reverts: str = ""
    conflicts: tuple[PathConflict, ...] = ()

    @property
    def reference(self) -> str:
        """``name@number``, or ``name@~abcd`` while it has no number."""
        return f"{self.name}@{self.number}" if self.number else f"{self.name}@~{self.commit.partition(':')[2][:4]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChange:
    """How one path differs between two trees.

    Attributes:
        change: ``added``, ``removed``, ``modified`` or ``mode``.
        rows: for a table both sides can be read as: added, removed and changed row counts and examples.
    """

    path: str
    change: str
    before: Digest | None = None
    after: Digest | None = None
    size_before: int = 0
    size_after: int = 0
    rows: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """What differs between two versions."""

    before: str
    after: str
    changes: tuple[PathChange, ...]
    added: int
    removed: int
    modified: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetStatus:
    """What the working copy of a dataset looks like against the latest version of the branch it is on.

    Attributes:
        tracked: the label of a version whose bytes lie elsewhere; a source on the network is not asked.
        base: the version that was added from it or checked out to it last, where that is not the latest.
        there: whether there is a working copy at all; in a clone there is none before the first checkout.
    """

    name: str
    path: str
    latest: str
    changes: tuple[PathChange, ...]
    clean: bool
    there: bool = True
    tracked: str = ""
    branch: str = MAIN
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What reading everything back found.

    Attributes:
        damaged: what is damaged, one sentence each, with path and digest.
        changed: how the source of a tracked version differs from it now; that is no damage.
        label: ``restorable`` or ``notice-only`` of a tracked version.
        chosen_from: how many contents there are, where only some of them were chosen at random to be read; else 0.
        seed: what chose them.
        damaged_below: with 95% confidence less than this share of them is damaged; None where damage was found, or everything was read.
    """

    subject: str
    objects: int
    bytes: int
    damaged: tuple[str, ...] = ()
    changed: tuple[PathChange, ...] = ()
    label: str = ""
    chosen_from: int = 0
    seed: int | None = None
    damaged_below: float | None = None

    @property
    def sound(self) -> bool:
        """Whether everything that was read is what it should be."""
        return not self.damaged
