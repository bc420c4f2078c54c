"""What a merge or a revert would do, before it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lineal.errors import Conflict, InvalidInput, InvalidState
from lineal.interfaces.web.links import page, place, with_query
from lineal.interfaces.web.pages import Page, Visit
from lineal.records.branching import MergeReport
from lineal.records.dataset import MAIN
from lineal.records.merging import KEEP

SHOWN = 200
CONFLICTS = {
    "both-changed": "both changed it",
    "both-added": "both added it",
    "changed-removed": "ours changed it, theirs removed it: it stays",
    "removed-changed": "theirs changed it, ours removed it: it stays",
    "file-folder": "a file on one side, a folder on the other",
    "mode": "both added it, one of them executable: it is executable",
}


def merge_page(visit: Visit) -> Page:
    """The preview of a merge; it is carried out by its button."""
    name, source = visit.path["name"], visit.word("source")
    branches = visit.workspace.branches.list(name)
    into = visit.word("into") or next((branch.name for branch in branches if branch.current), MAIN)
    keep = _keep(visit)
    others = [branch.name for branch in branches if branch.name != into]
    source = source or (others[0] if others else "")
    report, refused = _tried(lambda: visit.workspace.branches.plan_merge(name, source, into=into, keep=keep)) if source else (None, "")
    context = {
        **_context(visit, report, refused, keep),
        "branches": branches,
        "source": source,
        "into": into,
        "action": place(f"/api/v1/datasets/{name}/merge"),
        "fields": {"source": source, "into": into, "keep": keep},
    }
    return Page(
        template="merge.html", title=f"{name}: merge {source} into {into}", rail="data", value=report or {"refused": refused}, context=context
    )


def revert_page(visit: Visit) -> Page:
    """The preview of going back to a version, or of taking its changes back."""
    name, reference = visit.path["name"], visit.word("version")
    if not reference:
        raise InvalidInput("the address names no version to go back to", kind="missing-parameter", hint="Open it from the version's page.")
    version = visit.workspace.datasets.get(reference if "@" in reference else f"{name}@{reference}")
    branches = visit.workspace.branches.list(name)
    branch = visit.word("branch") or next((found.name for found in branches if found.current), MAIN)
    only, keep = visit.switched("only"), _keep(visit)
    lines = visit.workspace.branches
    if only:
        report, refused = _tried(lambda: lines.plan_undo(version.reference, branch=branch, keep=keep))
    else:
        report, refused = _tried(lambda: lines.plan_revert(version.reference, branch=branch))
    fields: dict[str, Any] = {"branch": branch, "only": only, **({"keep": keep} if only else {})}
    context = {
        **_context(visit, report, refused, keep),
        "branches": branches,
        "version": version,
        "branch": branch,
        "only": only,
        "action": place(f"/api/v1/datasets/{version.reference}/revert"),
        "fields": fields,
        **({"sides": ""} if only else {}),
    }
    what = f"without {version.reference}" if only else f"back to {version.reference}"
    return Page(template="revert.html", title=f"{name}: {what}", rail="data", value=report or {"refused": refused}, context=context)


def _context(visit: Visit, report: MergeReport | None, refused: str, keep: str) -> dict[str, Any]:
    name = visit.path["name"]
    changes = report.changes[:SHOWN] if report else ()
    total = report.added + report.removed + report.modified if report else 0
    sides = ""
    if report and report.ours and report.theirs and report.ours != report.theirs:
        sides = with_query(page("data", name, "diff"), {"a": report.ours, "b": report.theirs})
    return {
        "name": name,
        "report": report,
        "refused": refused,
        "keep": keep,
        "keeps": KEEP,
        "changes": changes,
        "left_out": total - len(changes),
        "sides": sides,
        "conflict_words": CONFLICTS,
    }


def _keep(visit: Visit) -> str:
    keep = visit.word("keep") or KEEP[0]
    if keep not in KEEP:
        raise InvalidInput(f"keep in the address must be one of {', '.join(KEEP)}, got {keep!r}", kind="bad-parameter")
    return keep


def _tried(plan: Callable[[], MergeReport]) -> tuple[MergeReport | None, str]:
    """The preview, or why it cannot be: the page then says so and lets something else be chosen."""
    try:
        return plan(), ""
    except (Conflict, InvalidState) as error:
        return None, f"{error.message}. {error.hint}"
