"""What a request is about: the workspace, who asks, and where the project's addresses begin. Put into its scope before a route sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from lineal.workspace.hosted import Projects
    from lineal.workspace.interface import Workspace

from lineal.errors import NotFound, PermissionDenied
from lineal.records.access import Principal, Role

KEY = "lineal.asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request is about.

    Attributes:
        workspace: of the project; what is the server's own has none to ask.
        base: what stands before every address of the project, such as ``/projects/flights``; empty where there is only one.
        server: the projects, in a program that serves many.
    """

    workspace: Workspace
    base: str = ""
    principal: Principal = field(default_factory=Principal)
    server: Projects | None = None

    @property
    def projects(self) -> Projects:
        """The server's projects. Raises NotFound kind ``no-server`` in a program that serves one only."""
        if self.server is None:
            raise NotFound("this is no server of many projects", kind="no-server", hint="Start one with: lineal server")
        return self.server


def asked(scope: MutableMapping[str, Any]) -> Asked:
    """What the request of this scope is about."""
    return cast("Asked", scope[KEY])


def require_role(principal: Principal, needed: Role) -> None:
    """Raises PermissionDenied kind ``forbidden`` for somebody whose role does not suffice."""
    if not principal.role.covers(needed):
        raise PermissionDenied(
            f"this takes the role {needed.value}, and {principal.name or 'this token'} has {principal.role.value}",
            kind="forbidden",
            hint="Ask an admin of the server for it.",
        )


def visible_roles(principal: Principal, server: Projects) -> Mapping[str, Role]:
    """The projects, by name, in which somebody has a role that they may look at by this proof; empty for an admin, who has every one."""
    return server.people.user(principal.name).roles if principal.whole and not principal.admin else {}


def no_project(name: str) -> NotFound:
    """What is said of a project that is not there, and of one that somebody may not see: it must not be told which it is."""
    return NotFound(f"there is no project {name!r}", kind="unknown-project", hint="See which there are with: lineal project list")


class OneProject:
    """ASGI middleware of a program that serves one workspace to whoever can reach it."""

    def __init__(self, app: ASGIApp, *, workspace: Workspace) -> None:
        self._app = app
        self._asked = Asked(workspace=workspace)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        scope[KEY] = self._asked
        await self._app(scope, receive, send)
