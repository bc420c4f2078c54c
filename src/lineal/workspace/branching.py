"""Branches of datasets: made, listed, deleted, merged, and taken back to earlier versions. Nothing of that destroys a version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lineal.errors import Conflict, InvalidInput, InvalidState, LinealError, NotFound
from lineal.ledger.datasets import version_of_commit
from lineal.records.branching import Branch, MergeReport, RemoteTip
from lineal.records.dataset import MAIN, DatasetVersion
from lineal.records.digest import Digest
from lineal.records.history import ancestors, apart
from lineal.records.merging import BOTH, KEEP
from lineal.workspace import projection
from lineal.workspace.heads import head_of, head_or_none
from lineal.workspace.interface import Progress, silent
from lineal.workspace.joining import Step, commit_step, merge_step, revert_step, undo_step
from lineal.workspace.lines import (
    REMOTES,
    History,
    checked_branch,
    closed_ref,
    known_tip,
    line_of,
    line_ref,
    named,
    names_version,
    tips,
    unnumbered,
    version_of,
)
from lineal.workspace.site import Site, storing
from lineal.workspace.versioning import LocalDatasets

_ATTEMPTS = 20


class LocalBranches:
    """The `Branches` of a local workspace."""

    def __init__(self, site: Site, datasets: LocalDatasets) -> None:
        self._site = site
        self._datasets = datasets

    def list(self, name: str) -> Sequence[Branch]:
        """A dataset's lines: the main one first, then branches by name. Raises NotFound kind ``unknown-reference``."""
        name = self._known(name)
        found = tips(self._site, name)
        history = History(self._site, name)
        seen = self._remote_tips(name)
        return tuple(self._branch(name, line, found, history, seen) for line in found)

    @storing
    def create(self, name: str, branch: str, *, at: str = "") -> Branch:
        """Makes a branch that begins at a version: the one of the reference or number ``at``, else the latest of where the working copy is.

        Raises:
            InvalidInput: kind ``bad-name``; Conflict: kind ``branch-exists``.
        """
        name, branch = self._known(name), checked_branch(branch)
        start = self._version(name, at or head_of(self._site, name).branch)
        try:
            self._site.store.move_ref(line_ref(name, branch), start.commit, expected=None)
        except Conflict as error:
            if error.kind != "ref-moved":
                raise
            raise Conflict(
                f"{name} has a branch {branch} already", kind="branch-exists", hint=f"Give another name, or see: lineal data branch {name}"
            ) from error
        self._record("dataset.branched", f"{name}@{branch}", {"commit": start.commit, "version": start.reference})
        return next(found for found in self.list(name) if found.name == branch)

    def delete(self, name: str, branch: str, *, unmerged: bool = False) -> Sequence[DatasetVersion]:
        """Takes a branch away; its versions stay in the log and in the store. Returns those that are on no other branch.

        Args:
            unmerged: whether it may have such versions.

        Raises:
            NotFound: kind ``unknown-branch``; InvalidInput: kind ``main-line``; InvalidState: kinds ``current-branch`` and ``unmerged-branch``.
        """
        name = self._known(name)
        head = known_tip(self._site, name, branch)
        self._refuse_kept(name, branch)
        own = self._only_here(name, branch, head)
        if own and not unmerged:
            shown = ", ".join(version.reference for version in own[:8]) + (f" and {len(own) - 8} more" if len(own) > 8 else "")
            raise InvalidState(
                f"{shown} would be on no branch any more",
                kind="unmerged-branch",
                hint=f"Merge it first: lineal data merge {name} {branch}; or delete it all the same with --force. The versions stay in the log.",
            )
        if own:
            self._keep(name, branch, head)
        self._site.store.move_ref(line_ref(name, branch), None, expected=head)
        self._record("dataset.branch-deleted", f"{name}@{branch}", {"commit": head, "versions": [version.reference for version in own]})
        return own

    def plan_merge(self, name: str, source: str, *, into: str = "", keep: str = BOTH) -> MergeReport:
        """What `merge` would do; nothing is written."""
        name = self._known(name)
        return self._merge_step(name, source, self._into(name, into), keep=_checked_keep(keep)).report

    @storing
    def merge(self, name: str, source: str, *, into: str = "", keep: str = BOTH, message: str = "", progress: Progress = silent) -> MergeReport:
        """Brings a branch (or a version) into another, that of the working copy unless given; both sides of a conflict are kept.

        The working copy follows where it is on that branch. The branch moves in one step, and only when everything else is durable.

        Raises:
            NotFound: kind ``unknown-branch`` or ``unknown-reference``.
            InvalidState: kind ``unsaved-changes``, if the working copy is on the branch and has what no version has; kind ``file-and-folder``.
            Conflict: kind ``merge-conflict`` where both sides changed the one file that the dataset is; kind ``ref-moved``.
        """
        name, keep = self._known(name), _checked_keep(keep)
        line = self._into(name, into)
        return self._carry_out(name, line, lambda: self._merge_step(name, source, line, keep=keep, message=message), progress)

    def plan_revert(self, reference: str, *, branch: str = "") -> MergeReport:
        """What `revert` would do."""
        version = self._datasets.get(reference)
        return self._revert_step(version, self._into(version.name, branch)).report

    @storing
    def revert(self, reference: str, *, branch: str = "", message: str = "", progress: Progress = silent) -> MergeReport:
        """Makes a new version that is what an earlier one was; all versions between stay. Raises as `merge`."""
        version = self._datasets.get(reference)
        line = self._into(version.name, branch)
        return self._carry_out(version.name, line, lambda: self._revert_step(version, line, message=message), progress)

    def plan_undo(self, reference: str, *, branch: str = "", keep: str = BOTH) -> MergeReport:
        """What `undo` would do."""
        version = self._datasets.get(reference)
        return self._undo_step(version, self._into(version.name, branch), keep=_checked_keep(keep)).report

    @storing
    def undo(self, reference: str, *, branch: str = "", keep: str = BOTH, message: str = "", progress: Progress = silent) -> MergeReport:
        """Makes a new version without what one version changed; what others changed stays. Of a merge, what it brought in is taken back.

        Raises: as `merge`.
        """
        version, keep = self._datasets.get(reference), _checked_keep(keep)
        line = self._into(version.name, branch)
        return self._carry_out(version.name, line, lambda: self._undo_step(version, line, keep=keep, message=message), progress)

    def _merge_step(self, name: str, source: str, line: str, *, keep: str, message: str = "") -> Step:
        told = {"dataset": name, "into": line, "source": source}
        return merge_step(self._site, self._tip_version(name, line), self._version(name, source), told, keep=keep, message=message)

    def _revert_step(self, version: DatasetVersion, line: str, *, message: str = "") -> Step:
        told = {"dataset": version.name, "into": line, "source": version.reference}
        return revert_step(self._site, self._tip_version(version.name, line), version, told, message=message)

    def _undo_step(self, version: DatasetVersion, line: str, *, keep: str, message: str = "") -> Step:
        told = {"dataset": version.name, "into": line, "source": version.reference}
        return undo_step(self._site, self._tip_version(version.name, line), version, told, keep=keep, message=message)

    def _carry_out(self, name: str, line: str, work_out: Callable[[], Step], progress: Progress) -> MergeReport:
        """Crash order: tree and commit, then the ref, then the rows, then the working copy, which `lineal data checkout` brings up to date, too."""
        follows = self._follows(name, line)
        for _attempt in range(_ATTEMPTS):
            step = work_out()
            target = step.target if step.made is None else commit_step(self._site, step.made, step.joined)
            if target is None:
                report = replace(step.report, preview=False)
                return self._followed(report, progress) if follows else report
            try:
                self._site.store.move_ref(line_ref(name, line), target, expected=step.head)
            except Conflict as error:
                if error.kind != "ref-moved":
                    raise
                continue
            projection.project(self._site, name, (target,))
            if step.made is None:
                self._record("dataset.forwarded", f"{name}@{line}", {"from": step.head, "to": target})
            report = replace(step.report, version=version_of(self._site, name, target).reference, preview=False)
            return self._followed(report, progress) if follows else report
        raise Conflict(f"{name}@{line} is being changed by too many at once", kind="ref-moved", hint="Try again in a moment.")

    def _followed(self, report: MergeReport, progress: Progress) -> MergeReport:
        """Brings the working copy up to date. What stands in its way is said and no failure: the branch has moved for good."""
        try:
            return replace(report, written=self._datasets.checkout(f"data:{report.dataset}@{report.into}", progress=progress))
        except LinealError as error:
            return replace(report, left_behind=error.message)

    def _follows(self, name: str, line: str) -> bool:
        """Whether the working copy is on the branch, and so goes where it goes.

        Raises:
            InvalidState: kind ``unsaved-changes``, if it has what no version of the branch has.
        """
        head = head_of(self._site, name)
        if head.branch != line:
            return False
        if head.going is not None:  # a checkout died: what it left is no change of anybody, and what is one is in its way
            self._datasets.checkout(f"data:{name}@{line}")
        latest = self._tip_version(name, line)
        before = [version_of(self._site, name, head.commit)] if head.commit not in {None, latest.commit} and head.commit else []
        found = [self._datasets.working_copy_is(version) for version in (latest, *before)]  # the one before: a merge died before it wrote
        if found[0] is None:
            return False
        if not any(found):
            raise InvalidState(
                f"{latest.path} has changes that are in no version of {name}",
                kind="unsaved-changes",
                hint=f"Add them first: lineal data add {latest.path}; or bring back what was there: lineal data checkout {latest.reference}",
            )
        return True

    def _refuse_kept(self, name: str, branch: str) -> None:
        if branch == MAIN:
            raise InvalidInput(f"{name}'s main line cannot be deleted", kind="main-line", hint=f"Delete the dataset with: lineal rm data:{name}")
        head = head_or_none(self._site, name)
        if head is not None and head.branch == branch:
            raise InvalidState(
                f"the working copy of {name} is on {branch}", kind="current-branch", hint=f"Go elsewhere first: lineal data checkout {name}"
            )

    def _only_here(self, name: str, branch: str, head: Digest) -> Sequence[DatasetVersion]:
        """Versions that no other line leads to, newest first."""
        history = History(self._site, name)
        others = [commit for line, commit in tips(self._site, name).items() if line != branch]
        own = ancestors(history, [head]) - ancestors(history, others)
        return tuple(version for version in self._datasets.versions(name) if version.commit in own)

    def _keep(self, name: str, branch: str, head: Digest) -> None:
        """A deleted branch's versions stay: a ref goes on leading to them."""
        ref = closed_ref(name, branch, head)
        if self._site.store.ref(ref) is None:
            self._site.store.move_ref(ref, head, expected=None)

    def _branch(self, name: str, line: str, found: dict[str, Digest], history: History, seen: dict[str, dict[str, Digest]]) -> Branch:
        commit = found[line]
        ahead, behind = apart(history, commit, found.get(MAIN, commit))
        with self._site.ledger.read() as connection:
            version = version_of_commit(connection, project_id=self._site.project_id, name=name, commit=commit)
        current = head_of(self._site, name).branch == line
        return Branch(
            dataset=name,
            name=line,
            version=version.reference if version else unnumbered(name, commit),
            commit=commit,
            updated_at=version.created_at if version else 0,
            current=current,
            ahead=ahead,
            behind=behind,
            remotes=tuple(self._remote(name, remote, lines[line], commit, history) for remote, lines in seen.items() if line in lines),
        )

    def _remote(self, name: str, remote: str, theirs: Digest, ours: Digest, history: History) -> RemoteTip:
        ahead, behind = apart(history, ours, theirs)
        reference = named(self._site, name, theirs)
        return RemoteTip(remote=remote, commit=theirs, version="" if "@~" in reference else reference, ahead=ahead, behind=behind)

    def _remote_tips(self, name: str) -> dict[str, dict[str, Digest]]:
        """By remote and line: where it was last seen."""
        found: dict[str, dict[str, Digest]] = {}
        for ref, commit in self._site.store.refs(REMOTES).items():
            remote, _slash, theirs = ref.removeprefix(REMOTES).partition("/")
            if line := line_of(theirs, name):
                found.setdefault(remote, {})[line] = commit
        return found

    def _known(self, name: str) -> str:
        plain = name.removeprefix("data:")
        if "@" in plain:
            raise InvalidInput(f"{plain!r} names a version, but a dataset is wanted here", kind="bad-name", hint=f"Say {plain.partition('@')[0]}.")
        return self._datasets.get(f"data:{plain}").name

    def _into(self, name: str, branch: str) -> str:
        line = branch or head_of(self._site, name).branch
        known_tip(self._site, name, line)
        return line

    def _version(self, name: str, which: str) -> DatasetVersion:
        """A dataset's version by a branch, a number, a commit or a whole reference."""
        plain = which.removeprefix("data:")
        if "@" in plain:
            found = self._datasets.get(f"data:{plain}")
            if found.name != name:
                raise InvalidInput(f"{plain} is a version of another dataset than {name}", kind="other-dataset", hint=f"Name one of {name}'s.")
            return found
        if names_version(plain):
            return self._datasets.get(f"data:{name}@{plain}")
        return self._tip_version(name, plain)

    def _tip_version(self, name: str, line: str) -> DatasetVersion:
        """The newest version of a line. Raises NotFound kind ``deleted``: a deleted one is to be brought back before anything is made of it."""
        commit = known_tip(self._site, name, line)
        projection.project(self._site, name, (commit,))
        version = version_of(self._site, name, commit)
        if version.deleted_at is not None:
            raise NotFound(
                f"{version.reference}, the latest of {line}, is deleted",
                kind="deleted",
                hint=f"Bring it back with: lineal undelete data:{version.reference}",
            )
        return version

    def _record(self, action: str, subject: str, payload: dict[str, Any]) -> None:
        with self._site.ledger.write() as connection:
            self._site.record_event(connection, action, subject=f"data:{subject}", payload=payload)


def _checked_keep(keep: str) -> str:
    if keep not in KEEP:
        raise InvalidInput(f"keep must be one of {', '.join(KEEP)}, got {keep!r}", kind="bad-parameter")
    return keep
