"""Routes found by their whole path: what is asked for most is not compared with a hundred others first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Match, Route

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class Exact(BaseRoute):
    """Stands before the routes that it is made of, and passes on to those that have no names in their paths.

    What it does not know is compared with the routes behind it, as ever: so nothing is answered otherwise than without it.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes: dict[tuple[str, str], Route] = {}
        before: list[BaseRoute] = []
        for route in routes:
            if isinstance(route, Route) and "{" not in route.path:
                for method in route.methods or ():
                    if not any(_takes(other, method, route.path) for other in before):
                        self._routes.setdefault((method, route.path), route)
            else:
                before.append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for one of the paths."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" and not scope.get("root_path") else None
        return (Match.NONE, {}) if route is None else (Match.FULL, {"endpoint": route.endpoint, "path_params": {}, "lineal.route": route})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the route answer."""
        await scope["lineal.route"].handle(scope, receive, send)


def _takes(route: BaseRoute, method: str, path: str) -> bool:
    """Whether a route with names in its path, which stands earlier, has that path, too."""
    return route.matches({"type": "http", "method": method, "path": path, "root_path": "", "headers": []})[0] is Match.FULL
