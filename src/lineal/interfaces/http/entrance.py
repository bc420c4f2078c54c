"""The entrance of a server: which project a request is about, who asks, and whether they may see it at all."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response

from lineal.errors import LinealError, PermissionDenied
from lineal.interfaces.http.attempts import WINDOW_SECONDS, Attempts
from lineal.interfaces.http.guard import is_loopback
from lineal.interfaces.problems import PROBLEM_TYPE, internal_error, problem
from lineal.interfaces.scope import KEY, Asked, no_project
from lineal.records.access import Principal, Role
from lineal.records.hosting import DEFAULT_PROJECT, HostedProject

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from lineal.workspace.hosted import Projects, Proof
    from lineal.workspace.interface import Workspace

SESSION_COOKIE = "lineal_session"
PREFIX = "/projects/"
OPEN = frozenset({"/health", "/ready", "/metrics", "/sign-in", "/favicon.ico", "/api/v1/server/sign-in", "/version"})
"""Paths that anybody may ask for."""
_OF_DEFAULT = ("/api/2.0/", "/api/3.0/", "/ajax-api/")
RETRY_SECONDS = "2"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_log = logging.getLogger("lineal.http")


class Entrance:
    """ASGI application before two others: what is about a project goes to one, what is the server's own to the other.

    Args:
        local: who everybody is where nobody must prove anything (``--no-auth``); None where they must.
        proxies: addresses, besides loopback's, whose ``X-Forwarded-For`` is believed.
        bodies: how errors are written for other clients than ours, by how the path in the project begins.
    """

    def __init__(
        self,
        *,
        server: Projects,
        project_app: ASGIApp,
        server_app: ASGIApp,
        local: str | None,
        proxies: Container[str] = frozenset(),
        bodies: Mapping[str, Callable[[LinealError], bytes]] | None = None,
    ) -> None:
        self._server = server
        self._project_app = project_app
        self._server_app = server_app
        self._local = local
        self._proxies = proxies
        self._bodies = bodies or {}
        self._attempts = Attempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers for it."""
        if scope["type"] != "http":
            await self._server_app(scope, receive, send)
            return
        scope["client"] = _asking(scope, self._proxies)
        try:
            app = await self._app(scope)
        except LinealError as error:
            app = self._refusal(error, scope)
        except Exception:  # noqa: BLE001 - a ledger that fails in a way nobody foresaw must not end the connection without a word
            _log.exception("%s %s failed", scope["method"], scope["path"])
            app = self._refusal(internal_error(), scope)
        await app(scope, receive, send)

    def _refusal(self, error: LinealError, scope: Scope) -> Response:
        status, wait = (429, str(round(WINDOW_SECONDS))) if error.kind == "too-many-attempts" else (error.http_status, RETRY_SECONDS)
        headers = {"retry-after": wait} if status in {429, 503} else {}
        body = next((made for prefix, made in self._bodies.items() if _split(scope["path"])[1].startswith(prefix)), None)
        if body is not None:
            return Response(body(error), status_code=status, media_type="application/json", headers=headers)
        return JSONResponse(problem(error, status=status, instance=scope["path"]), status_code=status, media_type=PROBLEM_TYPE, headers=headers)

    async def _app(self, scope: Scope) -> ASGIApp:
        headers = Headers(scope=scope)
        name, inner = _split(scope["path"])
        if not name and (inner in OPEN or inner.startswith("/static/")):
            scope[KEY] = Asked(workspace=_nobodys(), server=self._server, principal=Principal(role=Role.READER))
            return self._server_app
        proof = await self._proof(headers, scope["client"][0])
        if proof is None and self._local is None:
            return _unknown(scope, headers)
        if not name:
            scope[KEY] = Asked(workspace=_nobodys(), server=self._server, principal=self._of_server(proof))
            return self._server_app
        explicit = scope["path"].startswith(PREFIX)
        if self._server.is_at_hand(name):
            scope[KEY] = self._about(name, proof, scope["method"], explicit=explicit)
        else:
            scope[KEY] = await run_in_threadpool(self._about, name, proof, scope["method"], explicit=explicit)
        scope["path"] = inner
        scope.pop("raw_path", None)
        return self._project_app

    def _about(self, name: str, proof: Proof | None, method: str, *, explicit: bool) -> Asked:
        """Raises NotFound kind ``unknown-project`` for a project that one may not see, just as for one that is not there."""
        project = self._server.project(name)
        principal = Principal(name=self._local or "", admin=True) if proof is None else proof.principal(project.id)
        if principal is None:
            raise no_project(name)
        _refuse_archived(project, method)
        base = f"{PREFIX}{name}" if explicit else ""
        return Asked(workspace=self._server.workspace(name), base=base, principal=principal, server=self._server)

    def _of_server(self, proof: Proof | None) -> Principal:
        if proof is None:
            return Principal(name=self._local or "", admin=True, whole=True)
        role = Role.ADMIN if proof.server_admin else Role.READER
        return Principal(name=proof.name, role=role, token=proof.token, admin=proof.server_admin, whole=proof.whole)

    async def _proof(self, headers: Headers, client: str) -> Proof | None:
        """What the request proves. Raises PermissionDenied kind ``too-many-attempts``.

        What is good is good however often others failed: many may share an address, and one old token there must not shut all of them out.
        """
        if self._local is not None:
            return None
        secret, cookie = _secret(headers), _cookie(headers)
        if not secret and not cookie:
            return None
        people = self._server.people
        proof = await run_in_threadpool(people.prove, secret) if secret else await run_in_threadpool(people.session, cookie)
        if proof is None and secret:
            if wait := self._attempts.wait(client):
                raise too_many_attempts(wait)
            if self._attempts.failed(client):
                await run_in_threadpool(people.tell_refused, "token.refused", client, secret)
        return proof


def too_many_attempts(seconds: int) -> PermissionDenied:
    """What somebody is told who has tried secrets that are not good too often."""
    return PermissionDenied("too many attempts with tokens that are not good", kind="too-many-attempts", hint=f"Wait {seconds} seconds.")


def _split(path: str) -> tuple[str, str]:
    """The project that a path is about, and the path inside it; an empty name for what is the server's own.

    >>> _split("/projects/flights/runs"), _split("/api/v1/runs"), _split("/api/v1/server/me"), _split("/people")
    (('flights', '/runs'), ('default', '/api/v1/runs'), ('', '/api/v1/server/me'), ('', '/people'))
    """
    if path.startswith(PREFIX):
        name, slash, rest = path.removeprefix(PREFIX).partition("/")
        return name, slash + rest if slash else "/"
    of_default = path.startswith(_OF_DEFAULT) or (path.startswith("/api/v1/") and not path.startswith("/api/v1/server/"))
    return (DEFAULT_PROJECT, path) if of_default else ("", path)


def _refuse_archived(project: HostedProject, method: str) -> None:
    if project.archived_at is not None and method not in _SAFE:
        raise PermissionDenied(
            f"the project {project.name} is archived",
            kind="archived-project",
            hint=f"An admin brings it back with: lineal project unarchive {project.name}",
        )


def _secret(headers: Headers) -> str:
    """The token in a request: as a bearer, or as the password of basic authentication, as MLflow's client sends it."""
    kind, _space, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""


def _cookie(headers: Headers) -> str:
    found: Mapping[str, str] = cookie_parser(headers.get("cookie", ""))
    return found.get(f"__Host-{SESSION_COOKIE}") or found.get(SESSION_COOKIE, "")


def _asking(scope: Scope, proxies: Container[str]) -> tuple[str, int]:
    """Address and port of who asks: what a proxy that is trusted says last, else the peer of the connection."""
    host, port = scope.get("client") or ("", 0)
    said = Headers(scope=scope).get("x-forwarded-for", "").rpartition(",")[2].strip()
    if said and (host in proxies or is_loopback(host)):
        return said[:64], 0
    return str(host), int(port or 0)


def _unknown(scope: Scope, headers: Headers) -> Response:
    """What somebody is told who proved nothing: a person goes to the page to sign in, a program gets 401."""
    wants_page = scope["method"] in _SAFE and "text/html" in headers.get("accept", "") and "/api/" not in scope["path"]
    if wants_page:
        query = scope["query_string"].decode("latin-1")
        there = scope["path"] + (f"?{query}" if query else "")
        return RedirectResponse(f"/sign-in?next={quote(there, safe='')}", status_code=303)
    error = PermissionDenied(
        "this server must know who asks",
        kind="not-signed-in",
        hint="Sign in with: lineal login URL; or send a token: Authorization: Bearer ln_…",
    )
    found = problem(error, status=401, instance=scope["path"])
    return JSONResponse(found, status_code=401, media_type=PROBLEM_TYPE, headers={"www-authenticate": 'Bearer realm="lineal", Basic realm="lineal"'})


def _nobodys() -> Workspace:
    """In the place of a workspace where a request is about none."""
    return cast("Workspace", None)


def is_secure(request: Request) -> bool:
    """Whether the browser came by https, by its own word or by the proxy's."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"
