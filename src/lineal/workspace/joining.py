"""What would become of a branch: a merge, a way back, or one version's changes taken back; worked out, and written only when it is committed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lineal.errors import InvalidInput, NotFound
from lineal.ledger.datasets import dataset_location
from lineal.records.branching import FAST_FORWARD, MERGED, REVERTED, UP_TO_DATE, MergeReport
from lineal.records.dataset import DatasetVersion
from lineal.records.digest import Digest
from lineal.records.history import apart
from lineal.workspace import projection
from lineal.workspace.lines import History, named, version_of
from lineal.workspace.merging import Joined, Summary, join, merged_facts, summary, take_back
from lineal.workspace.site import Site

_MOST_RECORDED = 1000

Told = dict[str, Any]
"""Fields of a report that are known before it is worked out: ``dataset``, ``into`` and ``source``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What would become of a branch.

    Attributes:
        head: the branch's commit that it was worked out for.
        made: the version to commit, still without a commit and with our tree; None where nothing is to be made.
        target: the commit that the branch moves to, where that is there already.
        joined: the merge, where there is one.
    """

    report: MergeReport
    head: Digest
    made: DatasetVersion | None = None
    target: Digest | None = None
    joined: Joined | None = None


def merge_step(site: Site, ours: DatasetVersion, theirs: DatasetVersion, told: Told, *, keep: str, message: str = "") -> Step:
    """The merge of theirs into ours, or the way to it where nothing has to be merged."""
    told = {**told, "ours": ours.reference, "theirs": theirs.reference}
    ahead, behind = apart(History(site, ours.name), ours.commit, theirs.commit)
    if not behind:
        return _nothing(ours, told, theirs.reference)
    if not ahead:
        found = summary(site.store.diff(ours.digest, theirs.digest))
        report = _report(told, (ours.reference,), FAST_FORWARD, found)
        return Step(report=replace(report, version=theirs.reference), head=ours.commit, target=theirs.commit)
    joined = join(site, ours, theirs, keep=keep)
    made = replace(ours, **merged_facts(ours, theirs, joined.merge), message=message or f"Merge {told['source']} into {told['into']}")
    return Step(
        report=_joined_report(site, told, joined, MERGED),
        head=ours.commit,
        made=_to_make(made, told["into"], parents=(ours.commit, theirs.commit)),
        joined=joined,
    )


def revert_step(site: Site, ours: DatasetVersion, version: DatasetVersion, told: Told, *, message: str = "") -> Step:
    """A new version that is what an earlier one was."""
    told = {**told, "ours": ours.reference, "theirs": version.reference}
    if version.digest == ours.digest:
        return _nothing(ours, told, version.reference)
    report = _report(told, (version.reference,), REVERTED, summary(site.store.diff(ours.digest, version.digest)))
    back = {key: getattr(version, key) for key in ("digest", "files", "size", "md5", "schema", "single_file", "tracked")}
    made = replace(ours, **back, message=message or f"Back to {version.reference}")
    return Step(report=report, head=ours.commit, made=_to_make(made, told["into"], parents=(ours.commit,), reverts=version.commit))


def undo_step(site: Site, ours: DatasetVersion, version: DatasetVersion, told: Told, *, keep: str, message: str = "") -> Step:
    """A new version without what one version changed.

    Raises:
        InvalidInput: kind ``nothing-left``, for the first version of a dataset that is one file.
    """
    before = version_of(site, version.name, version.parents[0]) if version.parents else None
    if before is None and version.single_file:
        raise InvalidInput(
            f"{version.reference} is the first version of one file: nothing would be left", kind="nothing-left", hint="Go back to another version."
        )
    told = {**told, "ours": ours.reference, "theirs": before.reference if before else ""}
    joined = take_back(site, ours, version, before.digest if before else None, keep=keep)
    report = _joined_report(site, told, joined, REVERTED)
    if not joined.merge.changes:
        return Step(report=replace(report, outcome=UP_TO_DATE, version=ours.reference), head=ours.commit)
    facts = merged_facts(ours, before or replace(version, md5={}, schema={}), joined.merge)
    made = replace(ours, **facts, message=message or f"Without what {version.reference} changed")
    return Step(report=report, head=ours.commit, made=_to_make(made, told["into"], parents=(ours.commit,), reverts=version.commit), joined=joined)


def commit_step(site: Site, made: DatasetVersion, joined: Joined | None) -> Digest:
    """Writes what a step makes: the few tree nodes that are new, and the commit. No ref leads to it yet."""
    store = site.store
    before = store.written_bytes
    digest = store.edit_tree(made.digest, joined.merge.changes) if joined else made.digest
    conflicts = joined.conflicts[:_MOST_RECORDED] if joined else ()
    version = replace(made, author=site.actor, digest=digest, conflicts=conflicts, created_at=site.clock(), stored_bytes=store.written_bytes - before)
    with site.ledger.read() as connection:
        location = dataset_location(connection, project_id=site.project_id, name=made.name)
    if location is None:
        raise NotFound(f"no dataset is called {made.name}", kind="unknown-reference", hint="See what there is with: lineal data log")
    return store.commit(digest, parents=made.parents, meta=projection.commit_meta(version, location), schema=made.schema)


def _nothing(ours: DatasetVersion, told: Told, base: str) -> Step:
    report = MergeReport(**told, base=(base,), outcome=UP_TO_DATE, version=ours.reference, preview=True)
    return Step(report=report, head=ours.commit)


def _joined_report(site: Site, told: Told, joined: Joined, outcome: str) -> MergeReport:
    base = tuple(named(site, told["dataset"], commit) for commit in joined.bases)
    merge = joined.merge
    found = summary((merge.before[path], entry) for path, entry in merge.changes.items())
    return replace(_report(told, base, outcome, found), conflicts=joined.conflicts)


def _report(told: Told, base: tuple[str, ...], outcome: str, found: Summary) -> MergeReport:
    counted: dict[str, Any] = {key: getattr(found, key) for key in ("changes", "added", "removed", "modified")}
    return MergeReport(**told, base=base, outcome=outcome, preview=True, **counted)


def _to_make(version: DatasetVersion, line: str, *, parents: tuple[Digest, ...], reverts: str = "") -> DatasetVersion:
    """A version to be made of another: what only that one had is gone."""
    return replace(
        version,
        number=0,
        commit=Digest(""),
        parents=parents,
        branch=line,
        source="",
        author="",
        reverts=reverts,
        conflicts=(),
        occurrence="",
        deleted_at=None,
    )
