"""How two versions of a dataset differ: path by path, and tables row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lineal.records.dataset import DatasetVersion, PathChange, TreeEntry, VersionDiff
from lineal.workspace.facts import text_of
from lineal.workspace.site import Site
from lineal.workspace.tables import row_diff, suffix

LARGEST_TABLE = 256 * 1024 * 1024
_MOST_TABLES = 20


def version_diff(site: Site, before: DatasetVersion, after: DatasetVersion) -> VersionDiff:
    """What differs; the first tables that changed are compared row by row, if both sides are at most ``data.diff_max_bytes``."""
    changes: list[PathChange] = []
    tables = 0
    for old, new in site.store.diff(before.digest, after.digest):
        change = change_of(old, new)
        if change.change == "modified" and old is not None and new is not None and tables < _MOST_TABLES and _is_table(old, new):
            tables += 1
            change = _with_rows(change, table_rows(site, old, new))
        changes.append(change)
    changes = _renamed(site, changes, before, after)
    counts = {kind: sum(change.change == kind for change in changes) for kind in ("added", "removed", "modified", "mode")}
    return VersionDiff(
        before=before.reference,
        after=after.reference,
        changes=tuple(changes),
        added=counts["added"],
        removed=counts["removed"],
        modified=counts["modified"] + counts["mode"],
    )


def change_of(before: TreeEntry | None, after: TreeEntry | None) -> PathChange:
    """How one path differs; at least one side is there."""
    either = after or before
    if either is None:
        raise ValueError("a change has a side")
    return PathChange(
        path=text_of(either.path),
        change=_kind(before, after),
        before=None if before is None else before.digest,
        after=None if after is None else after.digest,
        size_before=0 if before is None else before.size,
        size_after=0 if after is None else after.size,
    )


def table_rows(site: Site, before: TreeEntry, after: TreeEntry) -> Mapping[str, Any]:
    """How the rows of two versions of a table file differ, or an empty mapping where that cannot be told."""
    if max(before.size, after.size) > site.settings.get("data.diff_max_bytes", LARGEST_TABLE):
        return {}
    with site.store.open_content(before.digest) as old, site.store.open_content(after.digest) as new:
        return row_diff(text_of(after.path), old, new)


def _is_table(before: TreeEntry, after: TreeEntry) -> bool:
    """Whether both sides can be read as tables here; the bytes of tracked files lie elsewhere."""
    return suffix(text_of(after.path)) != "" and "tracked" not in {before.mode, after.mode}


def _kind(before: TreeEntry | None, after: TreeEntry | None) -> str:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    return "mode" if before.digest == after.digest else "modified"


def _with_rows(change: PathChange, rows: Mapping[str, Any]) -> PathChange:
    return replace(change, rows=rows)


def _renamed(site: Site, changes: list[PathChange], before: DatasetVersion, after: DatasetVersion) -> list[PathChange]:
    """Two datasets of one file each are compared as that file, whatever it is called."""
    if not (before.single_file and after.single_file) or len(changes) != 2:
        return changes
    old, new = (next(site.store.entries(version.digest, limit=1)) for version in (before, after))
    if old.digest == new.digest:
        return changes
    return [_with_rows(change_of(old, new), table_rows(site, old, new))]
