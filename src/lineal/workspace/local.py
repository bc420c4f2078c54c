"""The workspace of a project on this machine. A noun is imported when it is first asked for: recording a run needs few of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineal.records.graph import Node
    from lineal.workspace.interface import (
        Audit,
        Branches,
        Experiments,
        Intake,
        Library,
        Lineage,
        Monitors,
        Remotes,
        Requested,
        Runs,
        RunTable,
        Shelf,
        Uploads,
        Views,
    )
    from lineal.workspace.registry import LocalModels
    from lineal.workspace.shipping import LocalDeployments
    from lineal.workspace.site import Site
    from lineal.workspace.versioning import LocalDatasets


class LocalWorkspace:
    """A `Workspace` over the ledger and the store of one project."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def project(self) -> str:
        """The project's name."""
        return self._site.project

    @property
    def project_id(self) -> str:
        """The project's id."""
        return self._site.project_id

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self._site.layout.root

    @property
    def site(self) -> Site:
        """The parts it stands on, for whoever assembles a program."""
        return self._site

    @cached_property
    def experiments(self) -> Experiments:
        """Headings that runs stand under."""
        from lineal.workspace.experiments import LocalExperiments

        return LocalExperiments(self._site)

    @cached_property
    def requested(self) -> Requested:
        """Runs that are recorded by requests."""
        from lineal.workspace.requested import LocalRequested

        return LocalRequested(self._site)

    @cached_property
    def uploads(self) -> Uploads:
        """Files that arrive in parts."""
        from lineal.workspace.uploads import LocalUploads

        return LocalUploads(self._site, self.requested)

    @cached_property
    def library(self) -> Library:
        """Models as MLflow's clients keep them."""
        from lineal.workspace.library import LocalLibrary

        return LocalLibrary(self._site, self.requested, self.lineage)

    @cached_property
    def intake(self) -> Intake:
        """Journals of runs on other machines."""
        from lineal.workspace.intake import LocalIntake

        return LocalIntake(self._site)

    @cached_property
    def shelf(self) -> Shelf:
        """The store's files."""
        from lineal.workspace.shelf import Shelf

        return Shelf(self._site)

    @cached_property
    def runs(self) -> Runs:
        """Executions, recorded."""
        from lineal.workspace.tracking import LocalRuns

        return LocalRuns(self._site, lambda: self.datasets)

    @cached_property
    def table(self) -> RunTable:
        """Many runs at once."""
        from lineal.workspace.run_table import LocalTable

        return LocalTable(self._site)

    @cached_property
    def views(self) -> Views:
        """What the page of runs shows, under names."""
        from lineal.workspace.saved_views import LocalViews

        return LocalViews(self._site)

    @cached_property
    def branches(self) -> Branches:
        """Lines of versions."""
        from lineal.workspace.branching import LocalBranches

        return LocalBranches(self._site, self.datasets)

    @cached_property
    def datasets(self) -> LocalDatasets:
        """Data, versioned."""
        from lineal.workspace.versioning import LocalDatasets

        return LocalDatasets(self._site)

    @cached_property
    def remotes(self) -> Remotes:
        """Stores elsewhere."""
        from lineal.workspace.remoting import LocalRemotes

        return LocalRemotes(self._site, self.datasets)

    @cached_property
    def lineage(self) -> Lineage:
        """Where things came from and what may go."""
        from lineal.workspace.lineage import LocalLineage

        return LocalLineage(self._site, self.deployments)

    @cached_property
    def models(self) -> LocalModels:
        """The model library."""
        from lineal.workspace.registry import LocalModels

        return LocalModels(self._site, self.datasets)

    @cached_property
    def deployments(self) -> LocalDeployments:
        """Models in production."""
        from lineal.workspace.shipping import LocalDeployments

        return LocalDeployments(self._site, self.models)

    @cached_property
    def monitors(self) -> Monitors:
        """Watching what is deployed."""
        from lineal.workspace.observation import LocalMonitors

        return LocalMonitors(self._site, self.deployments, self.models)

    @cached_property
    def audit(self) -> Audit:
        """Who did what, and whether what is stored is sound."""
        from lineal.workspace.audit import LocalAudit

        return LocalAudit(self._site, self.datasets)

    def resolve(self, reference: str, *, kinds: Sequence[str] = ()) -> Node:
        """The one thing a reference names, among ``kinds`` where given."""
        from lineal.workspace.references import resolve

        return resolve(self._site, reference, kinds=tuple(kinds))

    def close(self) -> None:
        """Closes ledger and store."""
        self._site.close()
