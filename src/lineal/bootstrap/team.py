"""Which server a command means, and a connection to it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lineal.bootstrap.connection import http_client
from lineal.bootstrap.credentials import known_servers, origin
from lineal.bootstrap.settings import WORKSPACE_VARIABLE, environment, load_settings
from lineal.errors import InvalidInput, NotFound
from lineal.records.hosting import DEFAULT_PROJECT
from lineal.workspace.remote.attachment import names_server, read_attachment

if TYPE_CHECKING:
    from lineal.workspace.remote.people import RemoteMembers, RemoteServer


def server_address(url: str) -> str:
    """The server that is meant: the one named, that of this folder's workspace, or the only one that was logged in to.

    Raises:
        NotFound: kind ``no-server``. InvalidInput: kind ``bad-address`` or ``which-server``.
    """
    if url:
        return origin(url)
    named = environment().get(WORKSPACE_VARIABLE, "") or _of_folder()
    if names_server(named):
        return origin(named)
    known = known_servers()
    if not known:
        raise NotFound("no server is known here", kind="no-server", hint="Name one with --server URL, or sign in with: lineal login URL")
    if len(known) > 1:
        raise InvalidInput(f"several servers are known: {', '.join(known)}", kind="which-server", hint="Say which with --server URL.")
    return known[0]


def named_server() -> str:
    """The server's project that ``LINEAL_WORKSPACE`` or the setting ``workspace.url`` names; empty where they name none."""
    named = environment().get(WORKSPACE_VARIABLE, "")
    return named if names_server(named) else str(load_settings(None)["workspace.url"])


def project_address(url: str, project: str = "") -> str:
    """The address of a project: what a full address says, or ``project`` of its server, or the default one.

    >>> project_address("https://h/projects/a/"), project_address("https://h", "b"), project_address("https://h/")
    ('https://h/projects/a', 'https://h/projects/b', 'https://h/projects/default')
    """
    parts = urlsplit(url).path.strip("/").split("/")
    inside = unquote(parts[1]) if len(parts) >= 2 and parts[0] == "projects" else ""
    return f"{origin(url)}/projects/{project or inside or DEFAULT_PROJECT}"


def connect(url: str = "", *, token: str | None = None) -> RemoteServer:
    """A connection to a server; raises as `server_address` does."""
    from lineal.workspace.remote.client import Client
    from lineal.workspace.remote.people import RemoteServer

    return RemoteServer(Client(http_client(server_address(url), token=token)))


def connect_members(url: str, project: str) -> RemoteMembers:
    """A connection to the members of a server's project; raises as `server_address` does."""
    from lineal.workspace.remote.client import Client
    from lineal.workspace.remote.people import RemoteMembers

    return RemoteMembers(Client(http_client(project_address(origin(server_address(url)), project))))


def _of_folder() -> str:
    from lineal.bootstrap.compose import locate_project
    from lineal.errors import LinealError

    try:
        layout = locate_project().layout
    except LinealError:
        return str(load_settings(None)["workspace.url"])
    attachment = read_attachment(layout)
    return attachment.url if attachment is not None else str(load_settings(layout.root)["workspace.url"])
