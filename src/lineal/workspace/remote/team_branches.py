"""Branches of a team's datasets: lines come from the server, are worked on here, where the working copies are, and go back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lineal.errors import NotFound
from lineal.workspace.interface import Progress, silent
from lineal.workspace.remote.client import Client, part
from lineal.workspace.remotes import DEFAULT

if TYPE_CHECKING:
    from lineal.records.branching import Branch, MergeReport
    from lineal.records.dataset import DatasetVersion
    from lineal.workspace.branching import LocalBranches
    from lineal.workspace.remote.lines import TeamLines
    from lineal.workspace.remote.link import Link
    from lineal.workspace.remote.team_datasets import TeamDatasets


class TeamBranches:
    """`Branches` of a folder that works in a server's project."""

    def __init__(self, local: LocalBranches, datasets: TeamDatasets, link: Link, lines: TeamLines) -> None:
        self._local = local
        self._datasets = datasets
        self._link = link
        self._lines = lines

    def list(self, name: str) -> Sequence[Branch]:
        """A dataset's lines: the main one first, then branches by name."""
        self._lines.fetch_if_reached(_name(name))
        return tuple(_without_origin(branch) for branch in self._local.list(name))

    def create(self, name: str, branch: str, *, at: str = "") -> Branch:
        """Makes a branch here and at the server."""
        self._lines.fetch_if_reached(_name(name))
        made = _without_origin(self._local.create(name, branch, at=at))
        self._lines.publish(self._datasets.made_here(f"data:{_name(name)}@{branch}"), silent)
        return made

    def delete(self, name: str, branch: str, *, unmerged: bool = False) -> Sequence[DatasetVersion]:
        """Takes a branch away at the server and here; its versions stay in the log."""
        self._lines.fetch_if_reached(_name(name))

        def there(client: Client) -> None:
            client.post(f"/datasets/{part(_name(name))}/branches/{part(branch)}", {"unmerged": unmerged}, method="DELETE")

        try:
            self._link.ask(there)
        except NotFound:  # it never travelled
            return self._local.delete(name, branch, unmerged=unmerged)
        return self._local.delete(name, branch, unmerged=True)

    def plan_merge(self, name: str, source: str, *, into: str = "", keep: str = "both") -> MergeReport:
        """What `merge` would do; nothing is written."""
        self._lines.fetch_if_reached(_name(name))
        return self._local.plan_merge(name, source, into=into, keep=keep)

    def merge(self, name: str, source: str, *, into: str = "", keep: str = "both", message: str = "", progress: Progress = silent) -> MergeReport:
        """Brings a branch or version into another, and sends what came of it."""
        self._lines.fetch_if_reached(_name(name))
        return self._published(lambda: self._local.merge(name, source, into=into, keep=keep, message=message, progress=progress), progress)

    def plan_revert(self, reference: str, *, branch: str = "") -> MergeReport:
        """What `revert` would do."""
        self._lines.fetch_if_reached(_name(reference))
        return self._local.plan_revert(reference, branch=branch)

    def revert(self, reference: str, *, branch: str = "", message: str = "", progress: Progress = silent) -> MergeReport:
        """Makes a new version that is what an earlier one was, and sends it."""
        self._lines.fetch_if_reached(_name(reference))
        return self._published(lambda: self._local.revert(reference, branch=branch, message=message, progress=progress), progress)

    def plan_undo(self, reference: str, *, branch: str = "", keep: str = "both") -> MergeReport:
        """What `undo` would do."""
        self._lines.fetch_if_reached(_name(reference))
        return self._local.plan_undo(reference, branch=branch, keep=keep)

    def undo(self, reference: str, *, branch: str = "", keep: str = "both", message: str = "", progress: Progress = silent) -> MergeReport:
        """Makes a new version without what one version changed, and sends it."""
        self._lines.fetch_if_reached(_name(reference))
        return self._published(lambda: self._local.undo(reference, branch=branch, keep=keep, message=message, progress=progress), progress)

    def _published(self, do: Callable[[], MergeReport], progress: Progress) -> MergeReport:
        report = do()
        if not report.version:
            return report
        made = self._datasets.made_here(f"data:{report.version}")
        return replace(report, version=self._lines.publish(made, progress).reference)


def _without_origin(branch: Branch) -> Branch:
    """A branch without where the server was seen: that is where it is."""
    return replace(branch, remotes=tuple(tip for tip in branch.remotes if tip.remote != DEFAULT))


def _name(reference: str) -> str:
    return reference.removeprefix("data:").partition("@")[0]
