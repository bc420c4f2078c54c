"""Datasets of a team: versioned and checked out here, their lines kept by the server, contents read from wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lineal.errors import NotFound, Unavailable
from lineal.workspace.interface import Progress, silent
from lineal.workspace.lines import named
from lineal.workspace.remote.datasets import RemoteDatasets

if TYPE_CHECKING:
    from lineal.records.dataset import Dataset, DatasetStatus, DatasetVersion, TreeEntry, VerifyReport, VersionDiff
    from lineal.records.garbage import Collection
    from lineal.records.mount import Mount
    from lineal.workspace.interface import VersionView
    from lineal.workspace.remote.lines import TeamLines
    from lineal.workspace.remote.link import Link
    from lineal.workspace.site import Site
    from lineal.workspace.versioning import LocalDatasets


class TeamDatasets:
    """`Datasets` of a folder that works in a server's project."""

    def __init__(self, site: Site, local: LocalDatasets, link: Link, lines: TeamLines) -> None:
        self._site = site
        self._local = local
        self._link = link
        self._lines = lines

    def add(
        self,
        path: Path,
        *,
        name: str = "",
        branch: str = "",
        message: str = "",
        md5: bool = False,
        source: str = "",
        progress: Progress = silent,
    ) -> DatasetVersion:
        """Stores a folder or file as the next version of a dataset here, and sends it; without a network it travels later.

        It stands on the newest version that this folder knows, not on one that it never had: where somebody else was faster, both sides are
        kept, and told.
        """
        self._lines.fetch_unknown(self._local.name_for(path, name))
        added = self._local.add(path, name=name, branch=branch, message=message, md5=md5, source=source, progress=progress)
        return self._lines.publish(added, progress)

    def track(
        self, source: str, *, name: str = "", branch: str = "", message: str = "", md5: bool = False, progress: Progress = silent
    ) -> DatasetVersion:
        """Records what lies at a URL or in a folder, as it is seen from here."""
        if name:
            self._lines.fetch_unknown(name)
        return self._lines.publish(self._local.track(source, name=name, branch=branch, message=message, md5=md5, progress=progress), progress)

    def list(self) -> Sequence[Dataset]:
        """Every dataset, by name; one with versions that have not travelled as it is here."""
        found = {dataset.name: dataset for dataset in self._link.ask_or_look(lambda client: RemoteDatasets(client).list(), self._local.list)}
        unsent = self._lines.unsent()
        if unsent:
            here = {dataset.name: dataset for dataset in self._local.list()}
            found |= {name: replace(here[name], latest=self.get(here[name].latest).reference) for name in unsent if name in here}
        return tuple(found[name] for name in sorted(found))

    def versions(self, name: str) -> Sequence[DatasetVersion]:
        """A dataset's versions, newest first; those that have not travelled have no number yet."""

        def here() -> Sequence[DatasetVersion]:
            return tuple(self._lines.numbered(version) for version in self._local.versions(name))

        if name.removeprefix("data:") not in self._lines.unsent():
            return self._link.ask_or_look(lambda client: RemoteDatasets(client).versions(name), here)
        try:
            there = self._link.ask(lambda client: RemoteDatasets(client).versions(name))
        except (Unavailable, NotFound):
            there = ()
        known = {version.commit for version in there}
        return (*(version for version in here() if version.commit not in known), *there)

    def get(self, reference: str) -> DatasetVersion:
        """The version that a reference names; of a dataset that has versions here which have not travelled, as it is here."""

        def here() -> DatasetVersion:
            return self._lines.numbered(self._local.get(reference))

        if _name(reference) in self._lines.unsent():
            try:
                return here()
            except NotFound:
                return self._link.ask(lambda client: RemoteDatasets(client).get(reference))
        return self._link.ask_or_look(lambda client: RemoteDatasets(client).get(reference), here)

    def entries(self, reference: str, *, prefix: str = "", limit: int = 1000, after: str = "") -> Sequence[TreeEntry]:
        """Files of a version in the order of their paths."""
        words = {"prefix": prefix, "after": after}
        return self._link.ask_or_look(
            lambda client: RemoteDatasets(client).entries(reference, limit=limit, **words),
            lambda: self._local.entries(reference, limit=limit, **words),
        )

    def open(self, reference: str, path: str) -> BinaryIO:
        """A file of a version, read lazily from wherever it is."""
        return self._local.open(self._brought(reference), path)

    def view(self, reference: str) -> VersionView:
        """A version to read where it lies."""
        return self._local.view(self._brought(reference))

    def mount(self, reference: str, folder: Path) -> Mount:
        """Makes a version a read-only folder here."""
        return self._local.mount(self._brought(reference), folder)

    def serve(self, reference: str, folder: Path) -> None:
        """The same until it is unmounted or Ctrl-C is pressed."""
        self._local.serve(self._brought(reference), folder)

    def unmount(self, folder: Path, *, force: bool = False) -> Mount | None:
        """Takes a mounted version away."""
        return self._local.unmount(folder, force=force)

    def mounts(self) -> Sequence[Mount]:
        """What is mounted here."""
        return self._local.mounts()

    def status(self, name: str = "") -> Sequence[DatasetStatus]:
        """What the working copies here look like against their latest versions."""
        return self._local.status(self._brought(name) if name else "")

    def diff(self, before: str, after: str) -> VersionDiff:
        """What differs between two versions."""
        return self._local.diff(self._brought(before), self._brought(after))

    def checkout(self, reference: str, target: Path | None = None, *, progress: Progress = silent) -> int:
        """Makes a folder what the version is; contents that are not here come from the server."""
        return self._local.checkout(self._brought(reference), target, progress=progress)

    def working_copy_is(self, version: DatasetVersion) -> bool | None:
        """Whether the dataset's own folder or file holds just what a version does; None where there is none."""
        return self._local.working_copy_is(version)

    def verify(self, reference: str = "", *, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Rereads every content of a version, or of every one, at the server; the source of a tracked one is asked from here."""
        if reference and self.get(reference).tracked:
            return self._local.verify(self._brought(reference), progress=progress)
        return self._link.ask_or_look(
            lambda client: RemoteDatasets(client).verify(reference, progress=progress), lambda: self._local.verify(reference, progress=progress)
        )

    def verify_sample(self, reference: str = "", *, share: float, seed: int, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Rereads a share of the contents of a version, or of every one, at the server."""
        return self._link.ask_or_look(
            lambda client: RemoteDatasets(client).verify_sample(reference, share=share, seed=seed, progress=progress),
            lambda: self._local.verify_sample(reference, share=share, seed=seed, progress=progress),
        )

    def preview_collection(self, *, grace: float | None = None, progress: Progress = silent) -> Collection:
        """What a collection of the server's store would free and keep."""
        return self._link.ask(lambda client: RemoteDatasets(client).preview_collection(grace=grace, progress=progress))

    def collect(self, *, grace: float | None = None, progress: Progress = silent) -> Collection:
        """Frees what nobody needs any more in the server's store."""
        return self._link.ask(lambda client: RemoteDatasets(client).collect(grace=grace, progress=progress))

    def made_here(self, reference: str) -> DatasetVersion:
        """The version of a reference as this folder knows it, whether it has travelled or not."""
        return self._local.get(reference)

    def _brought(self, reference: str) -> str:
        """The reference under which the version is known here, after its line was brought here if it was not.

        A branch or a dataset's name stays one, so that a checkout is on it afterwards.
        """
        if _name(reference) in self._lines.unsent():
            return reference
        version = self.get(reference)
        if self._here(reference) != version.commit:
            self._lines.fetch_if_reached(version.name)
        return reference if self._here(reference) == version.commit else f"data:{named(self._site, version.name, version.commit)}"

    def _here(self, reference: str) -> str:
        try:
            return self._local.get(reference).commit
        except NotFound:
            return ""


def _name(reference: str) -> str:
    return reference.removeprefix("data:").partition("@")[0]
