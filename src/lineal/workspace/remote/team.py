"""The workspace of a folder that works in a server's project: recorded here, asked for there. docs/design/server.md has the plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineal.records.graph import Node
    from lineal.workspace.interface import Audit, Deployments, Lineage, Models, Monitors, Remotes, RunTable, Views
    from lineal.workspace.local import LocalWorkspace
    from lineal.workspace.remote.forwarding import Forwarding
    from lineal.workspace.remote.lines import TeamLines
    from lineal.workspace.remote.link import Link
    from lineal.workspace.remote.outbox import Outbox
    from lineal.workspace.remote.sending import Sender
    from lineal.workspace.remote.team_branches import TeamBranches
    from lineal.workspace.remote.team_datasets import TeamDatasets
    from lineal.workspace.remote.team_runs import TeamRuns
    from lineal.workspace.site import Site


class TeamWorkspace:
    """A `Workspace` of local parts and a server. A noun is imported when it is first asked for: recording a run needs few of them.

    Args:
        local: the workspace over the folder's own ledger and store.
        sender: makes what sends runs.
    """

    def __init__(self, local: LocalWorkspace, link: Link, sender: Callable[[], Sender]) -> None:
        self._local = local
        self._link = link
        self._sender = sender
        local.site.forward = self._forward

    @property
    def project(self) -> str:
        """The project's name."""
        return self._local.project

    @property
    def project_id(self) -> str:
        """The project's id."""
        return self._local.project_id

    @property
    def root(self) -> Path:
        """The folder here."""
        return self._local.root

    @property
    def site(self) -> Site:
        """The parts here, for whoever assembles a program."""
        return self._local.site

    @property
    def address(self) -> str:
        """Where the project is."""
        return self._link.address

    @cached_property
    def lines(self) -> TeamLines:
        """The lines of datasets' versions, here and there."""
        from lineal.workspace.remote.lines import TeamLines

        return TeamLines(self.site, self._link)

    @cached_property
    def outbox(self) -> Outbox:
        """What was recorded here and has not travelled."""
        from lineal.workspace.remote.outbox import Outbox

        return Outbox(self.site, self._link, self.lines, self._sender)

    @cached_property
    def runs(self) -> TeamRuns:
        """Executions, recorded."""
        from lineal.workspace.remote.team_runs import TeamRuns
        from lineal.workspace.tracking import LocalRuns

        local = LocalRuns(self.site, lambda: self.datasets)
        return TeamRuns(self.site, local, self._link, lambda: self.datasets, lambda: self.forwarding)

    @cached_property
    def table(self) -> RunTable:
        """Many runs at once."""
        from lineal.workspace.remote.run_table import TeamTable

        return TeamTable(self._local.table, self._link, self._local.runs.ingest)

    @cached_property
    def views(self) -> Views:
        """What the page of runs shows, under names."""
        from lineal.workspace.remote.saved_views import RemoteViews

        return RemoteViews(self._link.asking)

    @cached_property
    def forwarding(self) -> Forwarding:
        """Sends what this process records."""
        from lineal.workspace.remote.forwarding import Forwarding

        return Forwarding(self._sender)

    @cached_property
    def datasets(self) -> TeamDatasets:
        """Data, versioned."""
        from lineal.workspace.remote.team_datasets import TeamDatasets

        return TeamDatasets(self.site, self._local.datasets, self._link, self.lines)

    @cached_property
    def branches(self) -> TeamBranches:
        """Lines of versions."""
        from lineal.workspace.branching import LocalBranches
        from lineal.workspace.remote.team_branches import TeamBranches

        return TeamBranches(LocalBranches(self.site, self._local.datasets), self.datasets, self._link, self.lines)

    @property
    def remotes(self) -> Remotes:
        """Stores elsewhere; the server is one, called origin."""
        return self._local.remotes

    @cached_property
    def lineage(self) -> Lineage:
        """Where things came from and what may go."""
        from lineal.workspace.remote.lineage import RemoteLineage

        return RemoteLineage(self._link.asking)

    @cached_property
    def models(self) -> Models:
        """The model library."""
        from lineal.workspace.remote.models import RemoteModels

        return RemoteModels(self._link.asking)

    @cached_property
    def deployments(self) -> Deployments:
        """Models in production, on the server's machine."""
        from lineal.workspace.remote.deployments import RemoteDeployments

        return RemoteDeployments(self._link.asking)

    @cached_property
    def monitors(self) -> Monitors:
        """Watching what is deployed."""
        from lineal.workspace.remote.deployments import RemoteMonitors

        return RemoteMonitors(self._link.asking)

    @cached_property
    def audit(self) -> Audit:
        """Who did what, and whether what is stored is sound."""
        from lineal.workspace.remote.lineage import RemoteAudit

        return RemoteAudit(self._link.asking)

    def resolve(self, reference: str, *, kinds: Sequence[str] = ()) -> Node:
        """The one thing a reference names, at the server, or here where that has not travelled."""
        from lineal.workspace.remote.lineage import RemoteLineage

        def here() -> Node:
            self._local.runs.ingest()
            return self._local.resolve(reference, kinds=kinds)

        return self._link.ask_or_look(lambda client: RemoteLineage(client).resolve(self._at_home(reference), kinds=kinds), here)

    def close(self) -> None:
        """Closes what is open here; the connections belong to the process."""
        self._local.close()

    def _forward(self, run: str, deadline: float) -> bool:
        return self.forwarding.complete(run, deadline)

    def _at_home(self, reference: str) -> str:
        """A reference that the server understands: a path inside this folder as one inside the project, wherever the folder lies."""
        prefix, colon, body = reference.rpartition("path:")
        path = body.strip()
        root = os.path.join(os.path.abspath(self.root), "")
        return f"{prefix}{colon}{path[len(root) :]}" if path.startswith(root) else reference
