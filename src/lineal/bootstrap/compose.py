"""Picks the parts of a workspace and puts them together."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.bootstrap.settings import WORKSPACE_VARIABLE, environment, load_settings, stand_ins, template
from lineal.errors import InvalidInput, InvalidState, LinealError, NotFound
from lineal.ledger.mounts import MOUNTS, network_file_system
from lineal.store.backends.door import Door
from lineal.workspace.local import LocalWorkspace
from lineal.workspace.project import Project, create_project, find_project, load_project
from lineal.workspace.remote.attachment import names_server, read_attachment
from lineal.workspace.site import Layout, Site

if TYPE_CHECKING:
    from lineal.workspace.remote.team import TeamWorkspace


def open_workspace(start: Path | None = None) -> LocalWorkspace | TeamWorkspace:
    """The workspace of the project that ``start`` (the current folder unless given) lies in.

    Opens neither ledger nor store, and asks no server. ``LINEAL_WORKSPACE`` names the project's folder outright, unless ``start`` is given; or
    the server's project that the folder works in, as does the setting ``workspace.url``: where the folder is no project yet it becomes one.

    Raises:
        NotFound: kind ``no-project``.
        InvalidState: kind ``newer-format``, or ``network-file-system`` where SQLite would lose what it writes.
        InvalidInput: a setting does not make sense.
        Conflict: kind ``other-project``. Unavailable: kind ``server-unavailable``, where a folder begins to work in a server's project.
    """
    named = _named_workspace() if start is None else ""
    if names_server(named):
        return join_workspace(named, Path.cwd())
    try:
        project = locate_project(start)
    except NotFound:
        url = load_settings(None)["workspace.url"]
        if named or start is not None or not url:
            raise
        return join_workspace(url, Path.cwd())
    url = load_settings(project.layout.root)["workspace.url"]
    return join_workspace(url, project.layout.root) if url else _opened(project)


def locate_project(start: Path | None = None) -> Project:
    """The project that `open_workspace` would open, if there is one already."""
    named = _named_workspace() if start is None else ""
    return find_project(start or Path.cwd(), home=Path(named).absolute() if named and not names_server(named) else None)


def join_workspace(url: str, folder: Path, *, project: str = "") -> TeamWorkspace:
    """Has a folder work in a server's project, and opens it; raises as `lineal.bootstrap.joining.join` does."""
    from lineal.bootstrap.joining import join, team_workspace

    joined = join(url, folder, name=project, configuration=template())
    attachment = read_attachment(joined.layout)
    if attachment is None:  # join has just written it
        raise NotFound(f"{folder} works in no server's project", kind="no-server")
    return team_workspace(_assemble(joined), attachment)


def _opened(project: Project) -> LocalWorkspace | TeamWorkspace:
    attachment = read_attachment(project.layout)
    local = _assemble(project)
    if attachment is None:
        return local
    from lineal.bootstrap.joining import team_workspace

    return team_workspace(local, attachment)


def _named_workspace() -> str:
    return environment().get(WORKSPACE_VARIABLE, "")


def create_workspace(folder: Path, *, name: str = "") -> LocalWorkspace:
    """Makes ``folder`` a project where it is none, and opens it."""
    if not load_settings(folder)["ledger.url"]:
        refuse_network(folder.absolute())
    return _assemble(create_project(folder, name=name, configuration=template()))


def clone_workspace(url: str, folder: Path | None, *, project: str = "") -> LocalWorkspace:
    """Makes ``folder`` (one of the project's name here, unless given) a copy of a project whose datasets are in a store elsewhere, and opens it.

    It is the same project: its id is the other's, and the store is its remote ``origin``. Nothing is fetched yet. A folder that is such a copy
    already is opened again, so that a clone that died is gone on with.

    Args:
        project: name or beginning of the id, where the store has several.

    Raises:
        NotFound: kinds ``no-store unknown-project``; InvalidInput: kinds ``bad-address which-project not-a-folder
        folder-not-empty``.
    """
    from lineal.workspace.remotes import DEFAULT, chosen_project, read_address

    address = read_address(url, base=Path.cwd())
    identifier, name = chosen_project(address, project)
    target = (folder or Path(name)).absolute()
    if target.exists() and not target.is_dir():
        raise InvalidInput(f"{target} is not a folder", kind="not-a-folder", hint="Name another folder: lineal clone URL DIR")
    if target.exists() and any(target.iterdir()) and not _is_copy(target, identifier):
        raise InvalidInput(f"{target} is not empty", kind="folder-not-empty", hint="Name another folder: lineal clone URL DIR")
    if not load_settings(target)["ledger.url"]:
        refuse_network(target)
    made = _assemble(create_project(target, name=name, configuration=template(), entropy=lambda _size: bytes.fromhex(identifier)))
    made.remotes.add(DEFAULT, address.url)
    return made


def _is_copy(folder: Path, identifier: str) -> bool:
    try:
        return load_project(Layout(root=folder)).id == identifier
    except LinealError:
        return False


def refuse_network(folder: Path, *, mounts: Path = MOUNTS) -> None:
    """Raises InvalidState kind ``network-file-system`` if a SQLite ledger in ``folder`` would lie on one."""
    kind = network_file_system(folder, mounts=mounts)
    if kind:
        raise InvalidState(
            f"{folder} lies on a network file system ({kind}), where SQLite loses what it writes",
            kind="network-file-system",
            hint="Keep the project on a local disk, or name a PostgreSQL ledger: LINEAL_LEDGER_URL=postgresql+psycopg://…",
        )


def _assemble(project: Project) -> LocalWorkspace:
    Door.connect = _connect
    settings = load_settings(project.layout.root)
    url = settings["ledger.url"]
    if not url:
        refuse_network(project.layout.state)
        url = _sqlite_url(project.layout)
    return LocalWorkspace(
        Site(
            layout=project.layout,
            project_id=project.id,
            project=project.name,
            ledger_url=url,
            actor=actor_of(settings),
            settings=settings,
            stand_ins=stand_ins(),
        )
    )


def _connect(place: str) -> Any:
    """A connection to the server of a store's address, made when it is first asked for something."""
    from lineal.bootstrap.connection import shared_client

    return shared_client(place)


def _sqlite_url(layout: Layout) -> str:
    path = str(layout.ledger).replace("%", "%25").replace("?", "%3F")  # what a URL would take for its own; other bytes pass as they are
    return f"sqlite:///{path}"


def actor_of(settings: Mapping[str, Any]) -> str:
    """Who acts: the setting, else the user of this process."""
    if settings["user.name"]:
        return str(settings["user.name"])
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's numeric user has no name
        return "unknown"
