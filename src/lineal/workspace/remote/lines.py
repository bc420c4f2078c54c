"""The lines of datasets' versions, here and at the server: what one side lacks travels, and the server's numbers count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lineal.errors import Conflict, LinealError, NotFound, PermissionDenied, Unavailable
from lineal.workspace.interface import Progress, silent
from lineal.workspace.remote.datasets import RemoteDatasets
from lineal.workspace.remotes import DEFAULT, address_of, remote_book

if TYPE_CHECKING:
    from lineal.records.dataset import DatasetVersion
    from lineal.records.remote import Transfer
    from lineal.workspace.exchange import Exchange
    from lineal.workspace.remote.client import Client
    from lineal.workspace.remote.link import Link
    from lineal.workspace.site import Site

NOTHING: tuple[str, ...] = ()
"""Contents are left at the server until they are wanted."""


class TeamLines:
    """Brings lines to the server and from there."""

    def __init__(self, site: Site, link: Link) -> None:
        self._site = site
        self._link = link

    def fetch(self, *names: str) -> None:
        """Brings what the server has of these datasets here, or of all, without their contents. One that it has not is passed over."""
        for name in names or ("",):
            try:
                self._with_server(_pulling(name))
            except NotFound:
                continue
            self._take_numbers(name)

    def fetch_if_reached(self, *names: str) -> None:
        """The same, where the server is there; else what is here must do."""
        try:
            self.fetch(*names)
        except Unavailable:
            return

    def fetch_unknown(self, name: str) -> None:
        """The same of a dataset that is not known here at all."""
        from lineal.workspace.lines import MAIN_LINES

        if self._site.store.ref(MAIN_LINES + name) is None:
            self.fetch_if_reached(name)

    def publish(self, version: DatasetVersion, progress: Progress) -> DatasetVersion:
        """Sends a version that was made here, with its line; it has the server's number then, and none while it has not travelled."""
        try:
            self._with_server(_pushing(version.name, progress))
            self._take_numbers(version.name)
        except (Unavailable, PermissionDenied) as error:
            self._tell(version, error)
        except Conflict as error:
            if error.kind != "remote-moved":
                raise
            self._tell(version, error)
        return self.numbered(version)

    def send(self) -> int:
        """Sends what was made here without a network; says how many datasets' lines moved at the server."""
        names = self.unsent()
        if not names:
            return 0
        moved = 0
        for name in names:
            try:
                done = self._with_server(_pushing(name))
            except (Conflict, NotFound, PermissionDenied):  # both sides moved on, or a role that does not suffice; the versions are safe here
                continue
            moved += any(line.before != line.after for line in done.lines)
            self._take_numbers(name)
        return moved

    def unsent(self) -> list[str]:
        """Datasets that have lines here which the server had otherwise when it was last seen."""
        from lineal.workspace.lines import BRANCHES, MAIN_LINES, REMOTES

        if not self._site.layout.store.exists():
            return []
        refs = self._site.store.refs()
        seen = f"{REMOTES}{DEFAULT}/"
        mine = {ref: tip for ref, tip in refs.items() if ref.startswith((MAIN_LINES, BRANCHES)) and f"/from-{DEFAULT}" not in ref}
        return sorted({ref.split("/")[1] for ref, tip in mine.items() if refs.get(seen + ref) != tip})

    def travelled(self, version: DatasetVersion) -> bool:
        """Whether the server had that version when it was last seen."""
        from lineal.workspace.lines import REMOTES

        prefix = f"{REMOTES}{DEFAULT}/"
        tips = [tip for ref, tip in self._site.store.refs(prefix).items() if ref.split("/")[3] == version.name]
        return version.commit in self._site.store.ancestors(tips)

    def numbered(self, version: DatasetVersion) -> DatasetVersion:
        """A version of here with the number that it has at the server; with none while it has not travelled."""
        from lineal.workspace.committing import version_at

        found = version_at(self._site, version.name, version.commit) or version
        return found if self.travelled(found) else replace(found, number=0)

    def _take_numbers(self, name: str) -> None:
        from lineal.ledger.datasets import renumber

        for each in [name] if name else self._names():
            numbers: dict[str, int] = {version.commit: version.number for version in _versions(self._link, each)}
            with self._site.ledger.write() as connection:
                renumber(connection, project_id=self._site.project_id, name=each, numbers=numbers)

    def _names(self) -> Sequence[str]:
        from lineal.workspace.lines import dataset_names

        return dataset_names(self._site)

    def _with_server(self, do: Callable[[Exchange], Transfer]) -> Transfer:
        def carried(client: Client) -> Transfer:
            client.get("/project")  # tells at once whether the server is there; what asks the store tries for longer
            with self._exchange() as exchange:
                return do(exchange)

        return self._link.reach(carried)

    @contextmanager
    def _exchange(self) -> Iterator[Exchange]:
        from lineal.store.repository import Repository
        from lineal.workspace.exchange import Exchange

        remote = remote_book(self._site).get(DEFAULT)
        far = Repository.at(address_of(remote, self._site), project_id=self._site.project_id, pages=self._site.pages)
        try:
            yield Exchange(self._site, remote, far)
        finally:
            far.close()

    def _tell(self, version: DatasetVersion, error: LinealError) -> None:
        from lineal.workspace.execution import tell

        tell(f"{replace(version, number=0).reference} is recorded here and has not travelled: {error.message}")
        if isinstance(error, Conflict) and error.hint:
            tell(error.hint)


def _pulling(name: str) -> Callable[[Exchange], Transfer]:
    return lambda exchange: exchange.pull([name] if name else [], only=NOTHING)


def _pushing(name: str, progress: Progress = silent) -> Callable[[Exchange], Transfer]:
    return lambda exchange: exchange.push([name], progress=progress)


def _versions(link: Link, name: str) -> Sequence[DatasetVersion]:
    """The server's versions, with those that only its store knows yet."""
    known = RemoteDatasets(link.client)
    try:
        known.get(f"data:{name}")
        return known.versions(name)
    except NotFound:
        return ()
