"""Versions, written into folders: the dataset's own, which is on a branch, or another."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace

from lineal.errors import Conflict
from lineal.records.dataset import MAIN, DatasetVersion, TreeEntry
from lineal.records.digest import Digest
from lineal.store.checkout import check_out, check_out_file
from lineal.workspace import importing
from lineal.workspace.heads import Head, head_of, set_head
from lineal.workspace.interface import Progress
from lineal.workspace.lines import tip
from lineal.workspace.site import Site


def check_out_in_place(site: Site, version: DatasetVersion, full: bytes, roots: Collection[Digest], *, line: str, progress: Progress) -> int:
    """Brings the dataset's own folder or file up to date; returns how many paths that changed.

    Until it is, it is noted where it is going: what a checkout that died left behind is nobody's change.

    Args:
        roots: trees of the dataset's versions; what is in one of them may be overwritten.
    """
    before = head_of(site, version.name)
    set_head(site, version.name, replace(before, going=version.commit))
    try:
        written = _check_out(site, version, full, roots, (), progress)
    except Conflict:  # something is in the way, and nothing was written
        set_head(site, version.name, before)
        raise
    set_head(site, version.name, Head(branch=line or before.branch, commit=version.commit))
    return written


def check_out_elsewhere(
    site: Site, version: DatasetVersion, full: bytes, roots: Collection[Digest], *, beside: Sequence[bytes], progress: Progress
) -> int:
    """Makes another folder what the version is; a single file goes into it under its own name.

    Args:
        roots: as in `check_out_in_place`.
        beside: folders that may hold the same files already.
    """
    if version.single_file and os.path.isdir(full):
        full = os.path.join(full, next(site.store.entries(version.digest, limit=1)).path)
    return _check_out(site, version, full, roots, beside, progress)


def line_named(site: Site, reference: str) -> str:
    """The branch that a reference names; empty where it names a version."""
    name, at, which = reference.removeprefix("data:").partition("@")
    if not at or which in {MAIN, "latest"}:
        return MAIN
    return which if tip(site, name, which) is not None else ""


def _check_out(  # noqa: PLR0917 - private, and both callers have them all
    site: Site, version: DatasetVersion, full: bytes, roots: Collection[Digest], beside: Sequence[bytes], progress: Progress
) -> int:
    step = importing.throttled("writing", progress)
    recorded = _Recorded(site, roots)
    with importing.stat_index(site) as index:
        if not version.single_file:
            return check_out(site.store, version.digest, full, index=index, recorded=recorded, step=step, beside=beside)
        entry = next(site.store.entries(version.digest, limit=1))
        return check_out_file(site.store, entry, full, index=index, recorded=recorded)


class _Recorded:
    """Whether an entry is in any version of a dataset at the same path; its executable bit does not matter."""

    def __init__(self, site: Site, roots: Collection[Digest]) -> None:
        self._store = site.store
        self._roots = roots

    def __call__(self, entry: TreeEntry) -> bool:
        found = (self._store.entry(root, entry.path) for root in self._roots)
        return any(other is not None and other.digest == entry.digest and (other.mode == "symlink") == (entry.mode == "symlink") for other in found)
