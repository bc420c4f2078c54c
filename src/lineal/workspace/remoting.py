"""The `Remotes` of a local workspace: stores elsewhere that its datasets go to and come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lineal.errors import InvalidInput
from lineal.records.digest import Digest
from lineal.records.remote import Remote, Transfer
from lineal.store.backends.address import FOLDER, parse_address
from lineal.store.format import FORMAT_KEY
from lineal.store.repository import Repository
from lineal.workspace.exchange import Exchange
from lineal.workspace.interface import Datasets, Progress, silent
from lineal.workspace.remotes import address_of, remote_book
from lineal.workspace.site import Site


class LocalRemotes:
    """Remotes by name. What they hold is theirs: removing one here changes nothing there."""

    def __init__(self, site: Site, datasets: Datasets) -> None:
        self._site = site
        self._datasets = datasets
        self._book = remote_book(site)

    def add(self, name: str, url: str) -> Remote:
        """Gives a store elsewhere a name; nothing is asked of it yet.

        Raises:
            InvalidInput: kinds ``bad-address secret-in-address bad-name not-a-folder folder-not-empty``; Conflict: kind ``name-taken``.
        """
        address = parse_address(url, base=self._site.layout.root)
        if address.scheme == FOLDER:
            _refuse_foreign(Path(address.path))
        made = self._book.add(Remote(name=name, url=address.url))
        self._event("remote.added", made)
        return made

    def remove(self, name: str) -> Remote:
        """Forgets a remote. Raises NotFound kind ``unknown-remote``."""
        gone = self._book.remove(name)
        self._event("remote.removed", gone)
        return gone

    def push(self, names: Sequence[str] = (), *, remote: str = "", only: Sequence[str] | None = None, progress: Progress = silent) -> Transfer:
        """Brings datasets to a remote; see `Exchange.push`."""
        known = self._book.get(remote)
        far = Repository.at(address_of(known, self._site), project_id=self._site.project_id, pages=self._site.pages)
        with _closing(far):
            done = Exchange(self._site, known, far).push(names, only=only, progress=progress)
        self._moved("dataset.pushed", done)
        return done

    def pull(self, names: Sequence[str] = (), *, remote: str = "", only: Sequence[str] | None = None, progress: Progress = silent) -> Transfer:
        """Brings a remote's datasets here, or what was left there of a version that is here; see `Exchange.pull`."""
        known = self._book.get(remote)
        far = Repository.existing(address_of(known, self._site), project_id=self._site.project_id, pages=self._site.pages)
        with _closing(far):
            exchange = Exchange(self._site, known, far)
            version = self._version_here(names)
            if version is not None:
                return exchange.fill(version, only=only, progress=progress)
            done = exchange.pull(names, only=only, progress=progress)
        self._moved("dataset.pulled", done)
        return done

    def list(self) -> Sequence[Remote]:
        """Every remote, by name."""
        return self._book.all()

    def _version_here(self, names: Sequence[str]) -> Digest | None:
        """The root of the one version that is named by number or commit and known here; branches and datasets move, and are no such thing."""
        if len(names) != 1 or "@" not in names[0]:
            return None
        version = names[0].partition("@")[2]
        if not (version.isdigit() or version.startswith("~")):
            return None
        return self._datasets.get(f"data:{names[0].removeprefix('data:')}").digest

    def _event(self, action: str, remote: Remote) -> None:
        with self._site.ledger.write() as connection:
            self._site.record_event(connection, action, subject=f"remote:{remote.name}", payload={"url": remote.url})

    def _moved(self, action: str, done: Transfer) -> None:
        moved = [line for line in done.lines if line.before != line.after]
        if not moved:
            return
        with self._site.ledger.write() as connection:
            for line in moved:
                payload = {"remote": done.remote, "branch": line.branch, "commit": line.after, "outcome": line.outcome}
                self._site.record_event(connection, action, subject=f"data:{line.name}", payload=payload)


@contextmanager
def _closing(store: Repository) -> Iterator[Repository]:
    try:
        yield store
    finally:
        store.close()


def _refuse_foreign(folder: Path) -> None:
    """Raises InvalidInput if a store at a folder would lie among other things; what cannot be looked at is judged when it is used."""
    with suppress(FileNotFoundError, PermissionError):
        if not folder.is_dir() and folder.exists():
            raise InvalidInput(f"{folder} is not a folder", kind="not-a-folder", hint="Name a folder, or a path where nothing is yet.")
        if any(folder.iterdir()) and not (folder / FORMAT_KEY).is_file():
            raise InvalidInput(
                f"{folder} holds something else than a store",
                kind="folder-not-empty",
                hint=f"Name a folder of its own, such as {folder / 'lineal-store'}",
            )
