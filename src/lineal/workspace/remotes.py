"""Which remotes a project knows: names and addresses in one file of its own, without secrets."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lineal.errors import Conflict, Integrity, InvalidInput, InvalidState, NotFound
from lineal.records.remote import Remote
from lineal.store.backends.address import Address, parse_address
from lineal.store.durable import replacing

if TYPE_CHECKING:
    from lineal.workspace.site import Site

FORMAT = 1
DEFAULT = "origin"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


class RemoteBook:
    """The file `remotes.json`. Safe among processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> tuple[Remote, ...]:
        """Every remote, by name.

        Raises:
            Integrity: kind ``damaged-remotes``.
        """
        try:
            body = json.loads(self._path.read_bytes())
            newer = body["format"] > FORMAT
            found = [Remote(name=item["name"], url=item["url"], lends=bool(item.get("lends"))) for item in body["remotes"]]
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Integrity(f"{self._path} is damaged: {error}", kind="damaged-remotes", hint="Take it away, and add the remotes again.") from error
        if newer:
            raise InvalidState(f"{self._path} was made by a newer Lineal", kind="newer-format", hint="Upgrade with: pip install --upgrade lineal")
        return tuple(sorted(found, key=lambda remote: remote.name))

    def get(self, name: str) -> Remote:
        """The remote of that name; if it is empty, the only one, or `DEFAULT` of several.

        Raises:
            NotFound: kind ``no-remote`` or ``unknown-remote``; InvalidInput: kind ``which-remote``.
        """
        known = {remote.name: remote for remote in self.all()}
        if not known:
            raise NotFound("this project has no remote", kind="no-remote", hint="Add one with: lineal remote add NAME s3://bucket/prefix")
        if not name and len(known) == 1:
            return next(iter(known.values()))
        if not name and DEFAULT not in known:
            raise InvalidInput(f"there are several remotes: {', '.join(known)}", kind="which-remote", hint="Say which with --remote NAME.")
        found = known.get(name or DEFAULT)
        if found is None:
            raise NotFound(f"there is no remote {name!r}", kind="unknown-remote", hint=f"There are: {', '.join(known)}")
        return found

    def add(self, remote: Remote) -> Remote:
        """Adds a remote. Raises Conflict kind ``name-taken``, if another address has its name."""
        if not _NAME.match(remote.name):
            raise InvalidInput(f"{remote.name!r} cannot be a remote's name", kind="bad-name", hint="Use letters, digits and . _ - (at most 100).")
        with self._locked() as known:
            there = known.get(remote.name)
            if there is not None and there.url != remote.url:
                raise Conflict(
                    f"the remote {remote.name} is {there.url}", kind="name-taken", hint=f"Take it away first: lineal remote remove {remote.name}"
                )
            known.setdefault(remote.name, remote)
        return known[remote.name]

    def remove(self, name: str) -> Remote:
        """Forgets a remote; nothing in it changes."""
        with self._locked() as known:
            if name not in known:
                raise NotFound(f"there is no remote {name!r}", kind="unknown-remote", hint="See them with: lineal remote list")
            return known.pop(name)

    def lend(self, name: str) -> None:
        """Notes that contents are left at that remote until they are wanted."""
        with self._locked() as known:
            if name in known:
                known[name] = replace(known[name], lends=True)

    @contextmanager
    def _locked(self) -> Iterator[dict[str, Remote]]:
        """The remotes to change, written back at the end."""
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            known = {remote.name: remote for remote in self.all()}
            yield known
            body = [{"name": remote.name, "url": remote.url, "lends": remote.lends} for remote in known.values()]
            with replacing(self._path) as stream:
                stream.write(json.dumps({"format": FORMAT, "remotes": body}, indent=1).encode() + b"\n")
        finally:
            os.close(descriptor)


def remote_book(site: Site) -> RemoteBook:
    """The project's remotes."""
    return RemoteBook(site.layout.state / "remotes.json")


def address_of(remote: Remote, site: Site) -> Address:
    """Where a remote lies."""
    return parse_address(remote.url, base=site.layout.root)


def read_address(text: str, *, base: Path) -> Address:
    """The address in a text; raises as `parse_address` does."""
    return parse_address(text, base=base)


def chosen_project(address: Address, wanted: str) -> tuple[str, str]:
    """Id and name of the project in a store that is meant: the only one, or the one of that name or beginning of its id.

    Raises:
        NotFound: kinds ``no-store unknown-project``; InvalidInput: kind ``which-project``.
    """
    from lineal.store.repository import Repository

    store = Repository.existing(address, project_id="none")
    try:
        found = store.projects()
    finally:
        store.close()
    shown = ", ".join(f"{name or 'without a name'} ({project[:8]})" for project, name in found.items()) or "none"
    fitting = [project for project, name in found.items() if not wanted or wanted == name or project.startswith(wanted)]
    if not fitting:
        raise NotFound(f"{address.place} has no project {wanted!r}".replace(" ''", ""), kind="unknown-project", hint=f"There is: {shown}")
    if len(fitting) > 1:
        raise InvalidInput(f"{address.place} has several projects", kind="which-project", hint=f"Say which with --project: {shown}")
    return fitting[0], found[fitting[0]] or fitting[0][:8]


def lenders(site: Site) -> Sequence[Remote]:
    """The remotes that have what partial pulls left there."""
    return [remote for remote in remote_book(site).all() if remote.lends]
