"""The pages of a server itself: its projects, signing in, people, and one's own tokens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from lineal.errors import LinealError, NotFound
from lineal.interfaces.problems import internal_error, title
from lineal.interfaces.scope import Asked, asked, require_role, visible_roles
from lineal.interfaces.web.rendering import STATIC, Renderer
from lineal.interfaces.web.routes import Static
from lineal.records.access import Role
from lineal.workspace.acting import acting_as
from lineal.workspace.hosted import Projects

_log = logging.getLogger("lineal.web")

OuterView = Callable[[Asked, Projects], tuple[str, str, Mapping[str, Any]]]
"""Gives template, title and context."""


def projects_page(about: Asked, server: Projects) -> tuple[str, str, Mapping[str, Any]]:
    """Every project that one may see."""
    roles = visible_roles(about.principal, server)
    shown = [project for project in server.projects() if about.principal.admin or project.name in roles]
    return "outer/projects.html", "Projects", {"projects": shown, "roles": roles}


def people_page(_about: Asked, server: Projects) -> tuple[str, str, Mapping[str, Any]]:
    """Users and what they may do where."""
    context = {"users": server.people.users(), "projects": server.projects(), "roles": tuple(Role), "tokens": server.people.tokens()}
    return "outer/people.html", "People", context


def account_page(about: Asked, server: Projects) -> tuple[str, str, Mapping[str, Any]]:
    """One's own tokens."""
    roles = visible_roles(about.principal, server)
    shown = [project for project in server.projects() if about.principal.admin or project.name in roles]
    context = {"tokens": server.people.tokens(owner=about.principal.name), "projects": shown, "roles": tuple(Role)}
    return "outer/account.html", "Account", context


OUTER_PAGES: tuple[tuple[str, OuterView, Role], ...] = (
    ("/", projects_page, Role.READER),
    ("/people", people_page, Role.ADMIN),
    ("/account", account_page, Role.READER),
)
"""Pages of the server itself, with the least role in the server that may see them."""


def outer_routes() -> list[BaseRoute]:
    """The server's own pages, the page to sign in, the static files, and a page for whatever is not there."""
    renderer = Renderer()
    found: list[BaseRoute] = [Route(path, _serve(renderer, view, role)) for path, view, role in OUTER_PAGES]
    found += [Route("/sign-in", _sign_in(renderer)), Route("/api", _api)]
    found.append(Route("/favicon.ico", lambda _request: RedirectResponse(f"/static/{renderer.version}/icon.svg", status_code=307)))
    found.append(Mount(f"/static/{renderer.version}", Static(directory=STATIC)))
    found.append(Route("/{rest:path}", _serve(renderer, _missing, Role.READER)))
    return found


def _api(request: Request) -> Response:
    """Leads to where the API is tried: in a project that one may see, of which each has the server's operations, too."""
    about = asked(request.scope)
    roles = visible_roles(about.principal, about.projects)
    shown = [project.name for project in about.projects.projects() if about.principal.admin or project.name in roles]
    return RedirectResponse(f"/projects/{shown[0]}/api" if shown else "/", status_code=303)


def _missing(_about: Asked, _server: Projects) -> tuple[str, str, Mapping[str, Any]]:
    raise NotFound("there is no such page on this server", kind="unknown-page", hint="Its projects are at /.")


def _serve(renderer: Renderer, view: OuterView, role: Role) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:
        about = asked(request.scope)
        try:
            require_role(about.principal, role)
            with acting_as(about.principal.name):
                template, heading, context = view(about, about.projects)
            return _page(renderer, request, template, title=heading, **context)
        except LinealError as error:
            return _failure(renderer, request, error)
        except Exception:  # noqa: BLE001 - the visitor gets a page, and the log the traceback
            _log.exception("%s failed", request.url.path)
            return _failure(renderer, request, internal_error())

    return serve


def _failure(renderer: Renderer, request: Request, error: LinealError) -> Response:
    return _page(renderer, request, "outer/error.html", title=title(error), error=error, status=error.http_status)


def _sign_in(renderer: Renderer) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:
        there = next_page(request.query_params.get("next", ""))
        return _page(renderer, request, "outer/sign_in.html", title="Sign in", there=there, code=request.query_params.get("code", ""))

    return serve


def next_page(text: str) -> str:
    r"""Where to go after signing in: only ever a page of this server.

    >>> next_page("/projects/flights/runs?where=a"), next_page("//evil.example/x"), next_page("https://evil.example"), next_page("/\\evil.example")
    ('/projects/flights/runs?where=a', '/', '/', '/')
    """
    parts = urlsplit(text)
    inside = text.startswith("/") and not text.startswith("//") and "\\" not in text and not parts.scheme and not parts.netloc
    return text if inside and text.isprintable() else "/"


def _page(renderer: Renderer, request: Request, template: str, *, title: str, status: int = 200, **context: Any) -> Response:
    about = asked(request.scope)
    frame = {"title": title, "status": status, "now": time.time_ns() // 1000, "principal": about.principal, "theme": request.cookies.get("theme", "")}
    return HTMLResponse(renderer.render(template, {**frame, **context}), status_code=status)
