"""What a request is about: the workspace, who asks, and where the project's addresses begin. Put into its scope before a route sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from lineal.workspace.interface import Workspace

from lineal.records.access import Principal

KEY = "lineal.asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request is about.

    Attributes:
        base: what stands before every address of the project, such as ``/projects/flights``; empty where there is only one.
    """

    workspace: Workspace
    base: str = ""
    principal: Principal = field(default_factory=Principal)


def asked(scope: MutableMapping[str, Any]) -> Asked:
    """What the request of this scope is about."""
    return cast("Asked", scope[KEY])


class OneProject:
    """ASGI middleware of a program that serves one workspace to whoever can reach it."""

    def __init__(self, app: ASGIApp, *, workspace: Workspace) -> None:
        self._app = app
        self._asked = Asked(workspace=workspace)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        scope[KEY] = self._asked
        await self._app(scope, receive, send)
