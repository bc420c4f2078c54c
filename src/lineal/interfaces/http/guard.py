"""What keeps other people's pages out: only known host names, only this origin, and headers that allow nothing from elsewhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lineal.errors import PermissionDenied
from lineal.interfaces.problems import PROBLEM_TYPE, problem

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def middleware(*, hosts: Sequence[str] = ()) -> list[Middleware]:
    """The guards to put before the routes.

    Args:
        hosts: names to answer to besides loopback's, without port.
    """
    return [Middleware(Guard, hosts=frozenset(name.lower() for name in hosts))]


class Guard:
    """ASGI middleware: refuses foreign hosts (DNS rebinding) and foreign origins, and sets the security headers on every answer."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal:
            await _forbidden(refusal, scope["path"])(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> str:
        host = headers.get("host", "")
        name = _host_name(host)
        if name not in self._hosts and not is_loopback(name):
            return f"the host {host!r} is not one this server answers to"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return f"the request comes from {origin!r}, another origin"
        site = headers.get("sec-fetch-site", "none")
        navigation = method in _SAFE and headers.get("sec-fetch-mode") == "navigate"
        if site not in {"none", "same-origin"} and not navigation:
            return "the request comes from a page of another site"
        return ""


def _forbidden(reason: str, path: str) -> JSONResponse:
    error = PermissionDenied(
        reason, kind="foreign-request", hint="Open the address that `lineal ui` printed; other names are allowed with the setting ui.hosts."
    )
    return JSONResponse(problem(error, instance=path), status_code=error.http_status, media_type=PROBLEM_TYPE)


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(name: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
