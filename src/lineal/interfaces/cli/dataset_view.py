"""Dataset versions and their differences as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lineal.interfaces.cli.output import add_row, facts, heading, now_us, show, styled, table, what_next
from lineal.interfaces.cli.wording import DASH, ago, count, moment, short_id, size, visible

if TYPE_CHECKING:
    from lineal.records.dataset import DatasetVersion, PathChange, VersionDiff
    from lineal.workspace.interface import Workspace

MOST_PATHS = 30
MOST_EXAMPLES = 3
CHANGE_STYLES = {"added": "green", "removed": "red", "modified": "yellow", "mode": "yellow"}


def show_version(space: Workspace, version: DatasetVersion) -> None:
    """Prints what a dataset version is and what is in it."""
    show(styled(visible(version.reference), "bold").append("  dataset", style="dim"), facts(version_facts(version)))
    made = table("Path", "Size", "Digest", "MD5", right=["Size"])
    entries = space.datasets.entries(f"data:{version.reference}", limit=MOST_PATHS)
    for entry in entries:
        path = entry.path.decode("utf-8", "surrogateescape")
        add_row(made, [visible(path), size(entry.size), short_id(entry.digest), version.md5.get(path, DASH)])
    show(heading("Files"), made)
    if version.files > len(entries):
        show(styled(f"and {version.files - len(entries):,} more", "dim"))
    _show_schema(version.schema)
    reference = visible(version.reference)
    what_next(f"lineal lineage {reference} --down", f"lineal data checkout {reference} TARGET")


def version_facts(version: DatasetVersion) -> list[tuple[str, Any]]:
    """Names and values of a version."""
    return [
        ("path", visible(version.path)),
        ("files", f"{count(version.files, 'file')}, {size(version.size)}"),
        ("stored", f"{size(version.stored_bytes)} new"),
        ("tracked", _tracked(version)),
        ("branch", visible(version.branch) if version.branch != "main" else ""),
        ("message", visible(version.message)),
        ("conflicts", ", ".join(visible(conflict.path) for conflict in version.conflicts[:MOST_PATHS])),
        ("source", visible(version.source)),
        ("added", f"{moment(version.created_at)} by {visible(version.author)} ({ago(version.created_at, now_us())})"),
        ("commit", version.commit),
        ("digest", version.digest),
        ("deleted", moment(version.deleted_at) if version.deleted_at else ""),
    ]


def _tracked(version: DatasetVersion) -> str:
    if not version.tracked:
        return ""
    words = {
        "restorable": "restorable: the source keeps versions, and those are recorded",
        "notice-only": "notice-only: a change at the source is noticed, and what was there before is gone",
    }
    label = str(version.tracked.get("label", ""))
    return words.get(label, label)


def _show_schema(schema: Mapping[str, Any]) -> None:
    for path, found in list(schema.items())[:MOST_PATHS]:
        if isinstance(found, Mapping):
            columns = found.get("columns") or ()
            names = [str(column.get("name", "")) if isinstance(column, Mapping) else str(column) for column in columns]
            rows = f"{count(found['rows'], 'row')}, " if isinstance(found.get("rows"), int) else ""
            show(heading(visible(path)), visible(f"{rows}{count(len(names), 'column')}: {', '.join(names)}"))


def show_changes(changes: Sequence[PathChange]) -> None:
    """Prints which paths differ, and which rows where both sides are tables."""
    for change in changes[:MOST_PATHS]:
        sizes = {"added": size(change.size_after), "removed": size(change.size_before), "mode": ""}
        moved = sizes.get(change.change, f"{size(change.size_before)} → {size(change.size_after)}")
        show(styled(f"{change.change:10}", CHANGE_STYLES.get(change.change, "")).append(f"{visible(change.path)}  {moved}", style="default"))
        _show_rows(change.rows)
    if len(changes) > MOST_PATHS:
        show(styled(f"and {len(changes) - MOST_PATHS:,} more; all of them with --json", "dim"))


def _show_rows(rows: Mapping[str, Any]) -> None:
    counts = [f"{rows[key]:,} {key}" for key in ("added", "removed", "changed") if rows.get(key)]
    if counts:
        show(f"          rows: {', '.join(counts)}")
    for example in rows.get("examples", ())[:MOST_EXAMPLES]:
        show(styled(f"          row {example.get('row')}: {_example(example)}", "dim"))


def _example(example: Mapping[str, Any]) -> str:
    if "column" in example:
        return visible(f"{example['column']} {example.get('before')} → {example.get('after')}")
    values = ", ".join(f"{key} {found}" for key, found in (example.get("values") or {}).items())
    return visible(f"{example.get('change')}: {values}")


def show_diff(diff: VersionDiff) -> None:
    """Prints the difference of two versions."""
    words = [f"{number:,} {what}" for number, what in ((diff.added, "added"), (diff.removed, "removed"), (diff.modified, "modified")) if number]
    show(styled(f"{visible(diff.before)} → {visible(diff.after)}", "bold").append("  " + (", ".join(words) or "no difference"), style="dim"))
    show_changes(diff.changes)
