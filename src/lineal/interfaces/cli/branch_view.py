"""Branches, merges and the history of a dataset as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lineal.interfaces.cli.dataset_view import MOST_PATHS, show_changes
from lineal.interfaces.cli.output import add_row, heading, now_us, show, styled, table, what_next
from lineal.interfaces.cli.wording import ago, count, short_id, size, visible
from lineal.records.dataset import MAIN
from lineal.records.history import drawn, lanes

if TYPE_CHECKING:
    from lineal.records.branching import Branch, MergeReport
    from lineal.records.dataset import DatasetVersion, PathConflict

CONFLICTS = {
    "both-changed": "both changed it",
    "both-added": "both added it",
    "changed-removed": "theirs removed it, ours changed it: it stays",
    "removed-changed": "ours removed it, theirs changed it: it stays",
    "file-folder": "a file on one side, a folder on the other",
    "mode": "both added it, one of them executable: it is",
}


def show_branches(branches: Sequence[Branch]) -> None:
    """Prints a dataset's lines, the working copy's marked."""
    made = table("Branch", "", "Version", "Against main", "Changed", "Remotes")
    for branch in branches:
        ends = "" if branch.name == MAIN else apart(branch.ahead, branch.behind)
        remotes = ", ".join(f"{remote.remote}: {apart(remote.ahead, remote.behind)}" for remote in branch.remotes)
        here = "here" if branch.current else ""
        cells = [visible(branch.name), here, visible(branch.version), ends, ago(branch.updated_at, now_us()), visible(remotes)]
        add_row(made, cells, style="bold" if branch.current else "")
    show(made)


def apart(ahead: int, behind: int) -> str:
    """How far two lines are apart.

    >>> apart(2, 0), apart(0, 1), apart(2, 1), apart(0, 0)
    ('2 ahead', '1 behind', '2 ahead, 1 behind', 'the same')
    """
    words = [f"{number} {word}" for number, word in ((ahead, "ahead"), (behind, "behind")) if number]
    return ", ".join(words) or "the same"


def show_merge(report: MergeReport) -> None:
    """Prints what a merge or a revert did, or would do."""
    show(styled(_outcome(report), "bold"))
    show_changes(report.changes)
    _show_conflicts(report.conflicts, "theirs" if report.outcome == "merged" else "what was before")
    if report.left_behind:
        show(styled(f"The working copy is as it was: {visible(report.left_behind)}", "yellow"))
    elif report.written:
        show(styled(f"{count(report.written, 'path')} of the working copy brought up to date", "dim"))
    if not report.preview and report.outcome in {"merged", "reverted"}:
        what_next(f"lineal data diff {visible(report.ours)} {visible(report.version)}", f"lineal data log {visible(report.dataset)}")


def _outcome(report: MergeReport) -> str:
    line = f"{visible(report.dataset)}@{visible(report.into)}"
    would = "would be" if report.preview else "is now"
    counts = [
        f"{number:,} {word}" for number, word in ((report.added, "added"), (report.removed, "removed"), (report.modified, "modified")) if number
    ]
    told = f" ({', '.join(counts)})" if counts else ""
    if report.outcome == "up-to-date":
        return f"{line} has all of it already: it stays {visible(report.version)}"
    if report.outcome == "fast-forward":
        return f"{line} {would} {visible(report.version)}, which stands on {visible(report.ours)}: nothing had to be merged{told}"
    made = visible(report.version) or "a new version"
    how = f"merged of {visible(report.ours)} and {visible(report.theirs)}"
    if report.outcome == "reverted":
        back = report.theirs == report.source
        how = f"what {visible(report.source)} was" if back else f"without what {visible(report.source)} changed"
    return f"{line} {would} {made}, {how}{told}"


def _show_conflicts(conflicts: Sequence[PathConflict], theirs: str) -> None:
    if not conflicts:
        return
    show(heading(count(len(conflicts), "conflict")))
    for conflict in conflicts[:MOST_PATHS]:
        show(styled(f"conflict  {visible(conflict.path)}  ", "yellow").append(CONFLICTS.get(conflict.kind, conflict.kind), style="default"))
        if conflict.beside:
            show(f"          {theirs} is at {visible(conflict.beside)}")
        counts = [f"{conflict.rows[key]:,} {key}" for key in ("added", "removed", "changed") if conflict.rows.get(key)]
        if counts:
            show(f"          rows, {theirs} against ours: {', '.join(counts)}")
    if len(conflicts) > MOST_PATHS:
        show(styled(f"and {len(conflicts) - MOST_PATHS:,} more; all of them with --json", "dim"))


def show_log(versions: Sequence[DatasetVersion], branches: Sequence[Branch]) -> None:
    """Prints versions, newest first; with a drawing of their lines where there is more than one."""
    parted = len(branches) > 1 or any(len(version.parents) > 1 or version.branch != MAIN for version in versions)
    graph = [drawn(row) for row in lanes([(version.commit, version.parents) for version in versions])] if parted else []
    at: dict[str, list[str]] = {}
    for branch in branches if parted else ():
        at.setdefault(branch.commit, []).append(branch.name + ("*" if branch.current else ""))
    columns = ["Version", "Added", "By", "Files", "Size", "New", "Commit", "Message"]
    made = table(*(["Lines", *columns, "Branches"] if parted else columns), right=["Files", "Size", "New"])
    made.columns[int(parted)].min_width = max((len(version.reference) for version in versions), default=0)  # a name that is cut names nothing
    for place, version in enumerate(versions):
        sizes = [f"{version.files:,}", size(version.size), size(version.stored_bytes)]
        cells = [
            visible(version.reference),
            ago(version.created_at, now_us()),
            visible(version.author),
            *sizes,
            short_id(version.commit),
            _note(version),
        ]
        tips = visible(", ".join(at.get(version.commit, ())))
        add_row(made, [graph[place], *cells, tips] if parted else cells, style="dim strike" if version.deleted_at else "")
    show(made)


def _note(version: DatasetVersion) -> str:
    label = str(version.tracked.get("label", ""))
    conflicts = f"({count(len(version.conflicts), 'conflict')})" if version.conflicts else ""
    return "  ".join(part for part in (f"[{label}]" if label else "", visible(version.message), conflicts) if part)
