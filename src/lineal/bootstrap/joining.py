"""Folders that work in a server's project: how one begins to, and its workspace."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.errors import NotFound, Unavailable
from lineal.workspace.project import Project, create_project, find_project
from lineal.workspace.remote.attachment import Attachment, attach, read_attachment
from lineal.workspace.remote.link import UNREACHED, Link
from lineal.workspace.remote.team import TeamWorkspace

if TYPE_CHECKING:
    from lineal.store.repository import Repository
    from lineal.workspace.local import LocalWorkspace
    from lineal.workspace.remote.client import Client
    from lineal.workspace.remote.sending import Sender
    from lineal.workspace.site import Layout, Site

SEND_SECONDS = 60.0
"""What has not travelled is sent for at most so long before something is asked."""
_BUSY_SECONDS = 5.0


def join(url: str, folder: Path, *, name: str = "", configuration: str = "") -> Project:
    """Has the project that ``folder`` lies in work in a server's project; where it lies in none, the folder is made one.

    Only the first time the server is asked which project that is; from then on the folder knows.

    Args:
        url: of the server's project, or of the server and ``name``.
        configuration: text of a new ``lineal.toml``.

    Raises:
        Conflict: kind ``other-project``, if the folder is another project.
        Unavailable: kind ``server-unavailable``, the first time.
        NotFound: kind ``unknown-project``.
    """
    from lineal.bootstrap.team import project_address

    address = project_address(url, name)
    if (known := _joined(folder, address)) is not None:
        return known
    asked = _asked(address)
    with _one_at_a_time(folder):  # ranks of a training begin in the same moment
        if (known := _joined(folder, address)) is not None:
            return known
        found = _project_of(folder)
        project = found or create_project(folder, name=asked.name, configuration=configuration, entropy=lambda _size: bytes.fromhex(asked.id))
        attach(project.layout, project.id, asked)
        _borrow(project.layout, address)
    return project


def _joined(folder: Path, address: str) -> Project | None:
    """The project that the folder lies in, if that works in the server's project at ``address`` already."""
    found = _project_of(folder)
    known = read_attachment(found.layout) if found is not None else None
    return found if known is not None and known.url == address else None


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """While others wait that have the same folder join."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def team_workspace(local: LocalWorkspace, attachment: Attachment) -> TeamWorkspace:
    """The workspace of a folder that works in a server's project. Nothing is asked of the server yet."""
    site = local.site

    @cache
    def sender() -> Sender:
        from lineal.workspace.remote.sending import Sender

        return Sender(site, link.client, lambda: _far(site, attachment))

    link = Link(attachment.url, connect=lambda: _client(attachment.url), send=lambda: _send(site, link, sender))
    return TeamWorkspace(local, link, sender)


def _send(site: Site, link: Link, sender: Callable[[], Sender]) -> int:
    """Lines of datasets first: runs may have read them."""
    from lineal.workspace.remote.lines import TeamLines

    moved = TeamLines(site, link).send()
    return moved + (_send_runs(site, link, sender()) if _has_entries(site.layout.journals) else 0)


def _send_runs(site: Site, link: Link, sender: Sender) -> int:
    from lineal.workspace.collection import collect_pending
    from lineal.workspace.remote.sending import BUSY

    collect_pending(site)
    deadline = time.monotonic() + SEND_SECONDS
    sent = sender.send(deadline=deadline)
    while sent.reason == BUSY and time.monotonic() < deadline - SEND_SECONDS + _BUSY_SECONDS:
        time.sleep(0.05)
        sent = sender.send(deadline=deadline)
    if sent.runs:
        link.client.post("/ingest")  # so that what was sent is found by what is asked next
    return sent.runs


def _far(site: Site, attachment: Attachment) -> Repository:
    from lineal.store.backends.address import parse_address
    from lineal.store.repository import Repository

    return Repository.at(parse_address(attachment.url, base=site.layout.root), project_id=site.project_id, pages=site.pages)


def _client(url: str) -> Client:
    from lineal.bootstrap.connection import shared_client
    from lineal.workspace.remote.client import Client

    return Client(shared_client(url))


def _asked(address: str) -> Attachment:
    client = _client(address)
    try:
        body: dict[str, Any] = client.get("/project")
        return Attachment(url=address, name=str(body["name"]), id=str(body["id"]))
    except KeyError as error:
        raise Unavailable(f"{address} is no project of a Lineal server", kind="bad-answer", hint="Check the address.") from error
    except Unavailable as error:
        if error.kind == UNREACHED:
            error.hint = "The first time the server must be there, to say which project this is; afterwards everything is recorded without it, too."
        raise


def _project_of(folder: Path) -> Project | None:
    try:
        return find_project(folder)
    except NotFound:
        return None


def _borrow(layout: Layout, address: str) -> None:
    """Has the store read from the server what is not here."""
    from lineal.records.remote import Remote
    from lineal.workspace.remotes import DEFAULT, RemoteBook

    book = RemoteBook(layout.state / "remotes.json")
    there = {remote.name: remote for remote in book.all()}
    if DEFAULT in there and there[DEFAULT].url != address:
        book.remove(DEFAULT)
    book.add(Remote(name=DEFAULT, url=address, lends=True))
    book.lend(DEFAULT)


def _has_entries(folder: Path) -> bool:
    try:
        return any(True for _entry in folder.iterdir())
    except FileNotFoundError:
        return False
