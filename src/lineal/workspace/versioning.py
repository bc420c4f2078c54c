"""Datasets, versioned: a folder or a file becomes a commit in the store, and rows and a node in the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lineal.errors import Conflict, Integrity, InvalidInput, LinealError, NotFound
from lineal.ledger.standing import Standing, read_location, read_roots
from lineal.records.address import clean_path
from lineal.records.dataset import MAIN, Dataset, DatasetStatus, DatasetVersion, TreeEntry, VerifyReport, VersionDiff
from lineal.records.digest import Digest
from lineal.records.garbage import Collection
from lineal.records.location import PROJECT, Location
from lineal.records.redaction import Redactor
from lineal.records.standing_in import stand_in
from lineal.store.copyindex import forget_indexes, load_index, save_index
from lineal.store.statindex import StatIndex
from lineal.workspace import importing
from lineal.workspace.checkouts import check_out_elsewhere, check_out_in_place, line_named
from lineal.workspace.committing import commit_version, version_at
from lineal.workspace.comparing import version_diff
from lineal.workspace.facts import text_of
from lineal.workspace.heads import head_of
from lineal.workspace.interface import Progress, silent
from lineal.workspace.lines import head_to_add_to, tip
from lineal.workspace.site import Site, storing
from lineal.workspace.viewing import LocalView
from lineal.workspace.workingcopies import place_of, standings, status_of

if TYPE_CHECKING:
    from lineal.records.mount import Mount

_NO_DATA = frozenset({b".git", b".lineal"})
"""Folders in which programs look for what to run."""


class LocalDatasets:
    """The `Datasets` of a local workspace."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @storing
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
        """Stores a folder or file as the next version of a dataset; what has not changed is no new version.

        It goes on the branch that is given, which the working copy is on from then on; else on the one that it is on. Nothing half done is left:
        until the last step, the ref's, the version does not exist, and after it, it always gets its row.

        Raises:
            NotFound: kind ``unknown-path``, ``file-vanished`` or ``unknown-branch``.
            InvalidInput: kind ``bad-name``, ``bad-path``, ``not-a-file`` or ``link-loop``.
            Conflict: kind ``file-changed`` if a file changed while it was read; kind ``name-taken`` if the name made from the path is another
                folder's dataset.
            PermissionDenied: kind ``file-unreadable``.
        """
        from lineal.ledger import datasets as rows

        full = importing.checked_path(self._site, path)
        location = importing.location_of(self._site, full)
        chosen = importing.checked_name(name or self._name_at(location), full)
        self._refuse_other_place(chosen, location, given=name)
        line = branch or head_of(self._site, chosen).branch
        head = head_to_add_to(self._site, chosen, line)
        stored_before = self._site.store.written_bytes
        taken = self._taken(version_at(self._site, chosen, head), full, md5=md5, progress=progress)
        version = DatasetVersion(
            name=chosen,
            number=0,
            commit=Digest(""),
            path=rows.shown_path(location),
            root=location.root,
            single_file=not os.path.isdir(full),
            stored_bytes=self._site.store.written_bytes - stored_before,
            message=message,
            author=self._site.actor,
            source=Redactor().text(source),
            branch=line,
            **taken.facts,
        )
        added = commit_version(self._site, version, location)
        if taken.index is not None:
            save_index(self._site.layout.copies, full, taken.index)
        return added

    @storing
    def track(
        self, source: str, *, name: str = "", branch: str = "", message: str = "", md5: bool = False, progress: Progress = silent
    ) -> DatasetVersion:
        """Records what lies at a URL or in a folder as the next version of a dataset, without storing a byte of it.

        Args:
            source: ``s3://``, ``gs://``, ``az://`` or ``https://`` URL, or a path.
            branch: where it goes; the one that the dataset is on unless given.
            md5: read every new or changed file for its MD5, too.

        Raises:
            NotFound: kind ``unknown-source`` or ``unknown-branch``; PermissionDenied: kind ``source-denied``; Unavailable: kind ``source-unavailable``.
            InvalidInput: kinds ``bad-source``, ``bad-path``, ``bad-name``, ``foreign-redirect``, ``nothing-to-go-by``; Conflict: kind ``name-taken``.
        """
        from lineal.store.sources import open_source
        from lineal.workspace import fixed_points

        place = open_source(source, base=Path.cwd())
        location = fixed_points.place_of(self._site, place)
        chosen = fixed_points.name_of(place, name or self._name_at(location))
        self._refuse_other_place(chosen, location, given=name)
        line = branch or head_of(self._site, chosen).branch
        head = head_to_add_to(self._site, chosen, line)
        before = version_at(self._site, chosen, head)
        version = fixed_points.fixed_point(self._site, place, name=chosen, before=before, md5=md5, message=message, progress=progress)
        return commit_version(self._site, replace(version, branch=line), location)

    def list(self) -> Sequence[Dataset]:
        """Every dataset, by name."""
        from lineal.ledger import datasets as rows

        with self._site.ledger.read() as connection:
            return rows.list_datasets(connection, project_id=self._site.project_id, tip=lambda name: tip(self._site, name, MAIN))

    def versions(self, name: str) -> Sequence[DatasetVersion]:
        """A dataset's versions, newest first. Raises NotFound kind ``unknown-reference``."""
        from lineal.ledger import datasets as rows

        plain_name = name.removeprefix("data:")
        with self._site.ledger.read() as connection:
            found = rows.versions_of(connection, project_id=self._site.project_id, name=plain_name)
        return found or (self.get(f"data:{plain_name}"),)

    def get(self, reference: str) -> DatasetVersion:
        """The version that a reference names; a dataset's name alone is its latest."""
        return self._numbered(reference) or self._named(reference)

    def _named(self, reference: str) -> DatasetVersion:
        from lineal.ledger import datasets as rows
        from lineal.workspace.references import resolve as resolve_reference

        node = resolve_reference(self._site, reference, kinds=("data",))
        with self._site.ledger.read() as connection:
            found = rows.version_of_occurrence(connection, project_id=self._site.project_id, occurrence=node.id)
        if found is None:
            raise NotFound(f"{reference!r} is no dataset version", kind="unknown-reference", hint="See what there is with: lineal data log")
        return found

    def entries(self, reference: str, *, prefix: str = "", limit: int = 1000, after: str = "") -> Sequence[TreeEntry]:
        """Files of a version in the order of their paths; ``after`` is the last path of the page before."""
        version = self.get(reference)
        return tuple(self._site.store.entries(version.digest, prefix=os.fsencode(prefix), after=os.fsencode(after), limit=limit))

    def open(self, reference: str, path: str) -> BinaryIO:
        """A file of a version, read lazily. Raises NotFound kind ``unknown-path``."""
        view = self.view(reference)
        entry = view.follow(clean_path(os.fsencode(path))) if path else view.single
        if entry is None or entry.mode == "folder":
            raise NotFound(f"{view.version.reference} has no file {path!r}", kind="unknown-path", hint="See its files with: lineal data log --files")
        view.note(entry)
        return view.open(entry)

    def view(self, reference: str) -> LocalView:
        """A version to read where it lies, without a checkout."""
        return LocalView(self._site, self.get(reference))

    def mount(self, reference: str, folder: Path) -> Mount:
        """Makes a version a read-only folder; see `lineal.workspace.mounting.mount_version`."""
        from lineal.workspace.mounting import mount_version

        return mount_version(self._site, self.get(reference), folder)

    def serve(self, reference: str, folder: Path) -> None:
        """The same until it is unmounted or Ctrl-C is pressed."""
        from lineal.workspace.mounting import serve_version

        serve_version(self._site, self.get(reference), folder)

    def unmount(self, folder: Path, *, force: bool = False) -> Mount | None:
        """Takes a mounted version away; see `lineal.workspace.mounting.unmount`."""
        from lineal.workspace.mounting import unmount

        return unmount(self._site, folder, force=force)

    def mounts(self) -> Sequence[Mount]:
        """What is mounted; see `lineal.workspace.mounting.list_mounts`."""
        from lineal.workspace.mounting import list_mounts

        return list_mounts(self._site)

    def status(self, name: str = "") -> Sequence[DatasetStatus]:
        """What the working copies look like against their latest versions: of one dataset, or of all."""
        with importing.stat_index(self._site) as index:
            return tuple(self._status(standing, index) for standing in self._standings(name))

    def _status(self, standing: Standing, index: StatIndex) -> DatasetStatus:
        if not standing.tracked:
            return self._placed(status_of(self._site, standing, index), standing)
        from lineal.workspace.fetching import tracked_status

        return tracked_status(self._site, self.get(f"data:{standing.reference}"))

    def _placed(self, status: DatasetStatus, standing: Standing) -> DatasetStatus:
        """With the branch that the working copy is on, and what was in it last where that is not the branch's latest."""
        head = head_of(self._site, standing.name)
        base = version_at(self._site, standing.name, head.commit) if head.commit not in {None, standing.commit} else None
        return replace(status, branch=head.branch, base=base.reference if base else "")

    def _standings(self, name: str) -> Sequence[Standing]:
        """Where datasets lie and what their latest versions are, the quick way if there is one."""
        quick = standings(self._site)
        if quick is not None and not name:
            return quick
        if quick is not None and (named := [standing for standing in quick if standing.name == name.removeprefix("data:")]):
            return named
        names = [self.get(name).name] if name else [dataset.name for dataset in self.list()]
        return [self._standing(self._current(chosen)) for chosen in names]

    def diff(self, before: str, after: str) -> VersionDiff:
        """What differs between two versions, for tables row by row."""
        return version_diff(self._site, self.get(before), self.get(after))

    def checkout(self, reference: str, target: Path | None = None, *, progress: Progress = silent) -> int:
        """Makes a folder (the dataset's own, if none is given) what the version is; returns how many paths that changed.

        The dataset's own folder is on a branch afterwards, if the reference named one (or the dataset alone: its main line).

        Raises:
            Conflict: kind ``would-overwrite``, naming what is recorded in no version; nothing is changed then.
            InvalidInput: kinds ``bad-path`` and ``not-a-folder``, of the target; kind ``untrusted-place``, if the dataset's own folder is one
                that only its commit names.
            Integrity: kind ``unsafe-tree``.
        """
        version = self.get(reference)
        chosen = importing.checked_target(self._site, target, single_file=version.single_file) if target is not None else None
        if version.tracked:
            from lineal.workspace.fetching import check_out_tracked

            return check_out_tracked(self._site, version, target, progress=progress)
        roots = read_roots(self._site.ledger_url, self._site.project_id, version.name) or {some.digest for some in self.versions(version.name)}
        if chosen is not None:
            return check_out_elsewhere(self._site, version, chosen, roots, beside=tuple(self._places(version)), progress=progress)
        full = self._trusted_place(version)
        return check_out_in_place(self._site, version, full, roots, line=line_named(self._site, reference), progress=progress)

    def working_copy_is(self, version: DatasetVersion) -> bool | None:
        """Whether the dataset's own folder or file holds just what a version does; None where there is none."""
        standing = self._standing(version)
        if version.tracked or self._site.is_served or not os.path.lexists(place_of(self._site, standing.location)):
            return None
        with importing.stat_index(self._site) as index:
            return status_of(self._site, standing, index).clean

    def verify(self, reference: str = "", *, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Rereads every content of a version (of every one, if none is given), and the working copy where its MD5 was recorded.

        Of a tracked version the source is asked what has changed since; if none is given, of each dataset's latest, as far as it answers.
        """
        from lineal.workspace.fetching import ask_source, ask_source_if_it_answers

        if reference:
            version = self.get(reference)
            report = self._verify(version, progress)
            ask = ask_source_if_it_answers if self._site.is_served else ask_source
            return (ask(self._site, version, report, progress=progress) if version.tracked else report,)
        reports = []
        for dataset in self.list():
            for version in self.versions(dataset.name):
                report = self._verify(version, progress)
                asks = version.tracked and version.reference == dataset.latest
                reports.append(ask_source_if_it_answers(self._site, version, report, progress=progress) if asks else report)
        return tuple(reports)

    def verify_sample(self, reference: str = "", *, share: float, seed: int, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Rereads a random share of the contents of a version (of every one, if none is given); the same seed chooses the same ones."""
        from lineal.workspace.sampling import verify_samples

        named = (self.get(reference),) if reference else (each for dataset in self.list() for each in self.versions(dataset.name))
        return verify_samples(self._site, named, share=share, seed=seed, progress=progress)

    def preview_collection(self, *, grace: float | None = None, progress: Progress = silent) -> Collection:
        """What `collect` would free and keep; changes nothing."""
        from lineal.workspace.disposal import preview_collection

        return preview_collection(self._site, grace=grace, progress=progress)

    def collect(self, *, grace: float | None = None, progress: Progress = silent) -> Collection:
        """Frees what nobody needs: what was condemned ``grace`` seconds ago (the setting's, if None) goes, what is garbage now is condemned.

        Raises:
            Conflict: kind ``gc-running``. InvalidState: kind ``shared-store``. InvalidInput: kind ``grace-too-short``.
            Integrity: kind ``damaged-store``; nothing is changed then.
        """
        from lineal.workspace.disposal import collect

        return collect(self._site, grace=grace, progress=progress)

    def _numbered(self, reference: str) -> DatasetVersion | None:
        """The version that a name with a number is, where that can be had without SQLAlchemy: most that is read is read by its number."""
        from lineal.ledger.standing import read_numbered

        name, _at, number = stand_in(reference.removeprefix("data:"), self._site.stand_ins).partition("@")
        return read_numbered(self._site.ledger_url, self._site.project_id, name, int(number)) if number.isdecimal() else None

    def _current(self, name: str) -> DatasetVersion:
        """The latest version of the branch that the working copy is on."""
        line = head_of(self._site, name).branch
        return self.get(f"data:{name}" if line == MAIN else f"data:{name}@{line}")

    def _taken(self, latest: DatasetVersion | None, full: bytes, *, md5: bool, progress: Progress) -> importing.Snapshot:
        with importing.stat_index(self._site) as index:
            known = self._known(latest, full, index)
            try:
                return importing.take_snapshot(self._site.store, full, known=known, md5=md5, progress=progress)
            except Integrity:
                if known.base is None and known.latest is None:
                    raise
                unknown = importing.Known(index=index)  # the version before is damaged: everything that is still here is stored anew
                return importing.take_snapshot(self._site.store, full, known=unknown, md5=md5, progress=progress)

    def _known(self, latest: DatasetVersion | None, full: bytes, index: StatIndex) -> importing.Known:
        """What need not be read: what the working copy was last compared with counts if a version has it, which keeps it from being collected."""
        from lineal.ledger import datasets as rows

        base = load_index(self._site.layout.copies, full)
        with self._site.ledger.read() as connection:
            if base is not None and not rows.is_version(connection, project_id=self._site.project_id, digest=base.root):
                base = None
        return importing.Known(index=index, base=base, latest=None if latest is None or latest.deleted_at else latest)

    def name_for(self, path: Path, name: str = "") -> str:
        """The name of the dataset that `add` would make a version of. Raises as that does."""
        full = importing.checked_path(self._site, path)
        return importing.checked_name(name or self._name_at(importing.location_of(self._site, full)), full)

    def _name_at(self, location: Location) -> str:
        """The name of the dataset that already lies there, or an empty string."""
        from lineal.ledger import datasets as rows

        with self._site.ledger.read() as connection:
            return rows.dataset_at(connection, project_id=self._site.project_id, location=location) or ""

    def _refuse_other_place(self, name: str, location: Location, *, given: str) -> None:
        from lineal.ledger import datasets as rows

        with self._site.ledger.read() as connection:
            place = rows.dataset_location(connection, project_id=self._site.project_id, name=name)
        if given or place is None or place == location:
            return
        raise Conflict(
            f"the dataset {name} lies at {rows.shown_path(place)}, not at {rows.shown_path(location)}",
            kind="name-taken",
            hint=f"Give a name with --name; --name {name} adds a version of that dataset from here.",
        )

    def _place(self, version: DatasetVersion) -> bytes:
        return place_of(self._site, self._standing(version).location)

    def _trusted_place(self, version: DatasetVersion) -> bytes:
        """A dataset's own place. A commit from elsewhere must not choose one outside of the project: there, this machine must know it already."""
        from lineal.store.tree import is_confined

        location, full = self._standing(version).location, self._place(version)
        confined = not location.path or is_confined(location.path)
        if self._site.is_served:
            raise _placeless(version)
        if location.root == PROJECT and confined and not _NO_DATA & set(location.path.split(b"/")):
            return full
        with importing.stat_index(self._site) as index:
            if index.copy_of(full) is not None or (version.single_file and os.path.isfile(full)):
                return full
        raise InvalidInput(
            f"{version.reference} says that it lies at {os.fsdecode(full)}, where it never was on this machine",
            kind="untrusted-place",
            hint=f"Say where to: lineal data checkout {version.reference} DIR",
        )

    def _places(self, version: DatasetVersion) -> Iterator[bytes]:
        with suppress(InvalidInput):
            yield self._place(version)

    def _standing(self, version: DatasetVersion) -> Standing:
        location = read_location(self._site.ledger_url, self._site.project_id, version.name) or self._location(version)
        return Standing(
            name=version.name,
            number=version.number,
            commit=version.commit,
            digest=version.digest,
            single_file=version.single_file,
            location=location,
            shown=version.path,
            tracked=str(version.tracked.get("label", "")),
        )

    def _location(self, version: DatasetVersion) -> Location:
        from lineal.ledger import datasets as rows

        with self._site.ledger.read() as connection:
            location = rows.dataset_location(connection, project_id=self._site.project_id, name=version.name)
        if location is None:
            raise _placeless(version)
        return location

    def _verify(self, version: DatasetVersion, progress: Progress) -> VerifyReport:
        step = importing.throttled(f"verifying {version.reference}", progress)
        try:
            report = self._site.store.verify_tree(version.digest, lambda _what, done, total: step(done, total))
        except Integrity as error:
            report = VerifyReport(subject="", objects=0, bytes=0, damaged=(error.message,))
        else:
            report = replace(report, damaged=report.damaged + tuple(self._wrong_md5(version)))
        if report.damaged:
            forget_indexes(self._site.layout.copies)  # adding again must read what is to be stored again
        return replace(report, subject=f"data:{version.reference}")

    def _wrong_md5(self, version: DatasetVersion) -> Iterator[str]:
        """Files of the latest version's working copy whose bytes are not what was recorded, whatever their times say."""
        if not version.md5 or self._site.is_served or self._current(version.name).commit != version.commit:
            return
        full = self._place(version)
        for entry in self._site.store.entries(version.digest):
            path = full if version.single_file else os.path.join(full, entry.path)
            recorded = version.md5.get(text_of(entry.path))
            with suppress(LinealError):  # not there, or not readable: status says so, and nothing of it is damaged
                if recorded is not None and (actual := importing.md5_of_file(path)) != recorded:
                    yield f"{os.fsdecode(path)}: the working copy's MD5 is {actual}, recorded was {recorded}"


def _placeless(version: DatasetVersion) -> InvalidInput:
    return InvalidInput(f"{version.reference} has no place of its own", kind="bad-path", hint="Say where to: lineal data checkout REF DIR")
