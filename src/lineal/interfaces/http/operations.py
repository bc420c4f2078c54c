"""What whoever runs a server asks it: whether it lives, whether it is ready, and how it is doing, for Prometheus."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lineal.errors import Unavailable
from lineal.interfaces.problems import PROBLEM_TYPE, problem
from lineal.interfaces.scope import KEY, asked

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of how long requests take, in seconds."""
_RECENT_SECONDS = 0.02
_PROBES = 64
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_log = logging.getLogger("lineal.requests")


class Requests:
    """Counts of requests by method, route and status, and how long they took. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, list[float]] = {}
        self.open = 0
        self._last = 0.0

    @property
    def recent(self) -> bool:
        """Whether one is being answered, or was a moment ago."""
        return self.open > 0 or time.monotonic() - self._last < _RECENT_SECONDS

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one."""
        self._last = time.monotonic()
        with self._lock:
            key = (method if method in _METHODS else "other", route, status)
            self._counts[key] = self._counts.get(key, 0) + 1
            cells = self._seconds.setdefault(route, [0.0] * (len(BOUNDS) + 2))
            place = next((place for place, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))
            cells[place] += 1
            cells[-1] += seconds

    def lines(self) -> Iterator[str]:
        """The counts as Prometheus reads them. Source: its text exposition format 0.0.4."""
        with self._lock:
            counts, seconds = dict(self._counts), {route: list(cells) for route, cells in self._seconds.items()}
        yield "# HELP lineal_http_requests_total Requests that were answered."
        yield "# TYPE lineal_http_requests_total counter"
        for (method, route, status), count in sorted(counts.items()):
            yield f'lineal_http_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
        yield "# HELP lineal_http_request_seconds How long requests took."
        yield "# TYPE lineal_http_request_seconds histogram"
        for route, cells in sorted(seconds.items()):
            running: float = 0
            for bound, within in zip((*BOUNDS, "+Inf"), cells[:-1], strict=True):
                running += within
                yield f'lineal_http_request_seconds_bucket{{route="{route}",le="{bound}"}} {running:.0f}'
            yield f'lineal_http_request_seconds_sum{{route="{route}"}} {cells[-1]:.6f}'
            yield f'lineal_http_request_seconds_count{{route="{route}"}} {running:.0f}'
        yield "# HELP lineal_http_requests_open Requests that are being answered."
        yield "# TYPE lineal_http_requests_open gauge"
        yield f"lineal_http_requests_open {self.open}"


class Watch:
    """ASGI middleware: an id, a count and a line of log for every request."""

    def __init__(self, app: ASGIApp, *, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, path = time.perf_counter(), 500, scope["path"]
        identifier = _given_id(scope) or os.urandom(8).hex()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identifier.encode())]
            await send(message)

        self._requests.open += 1
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._requests.open -= 1
            seconds = time.perf_counter() - started
            route = _route(scope)
            self._requests.note(scope["method"], route, status, seconds)
            _log.info("%s", _Line(scope, identifier=identifier, path=path, route=route, status=status, seconds=seconds))


class _Line:
    """A request as a line of JSON; made only where somebody logs."""

    def __init__(self, scope: Scope, **facts: Any) -> None:
        self._scope = scope
        self._facts = facts

    def __str__(self) -> str:
        facts, scope = self._facts, self._scope
        about = scope.get(KEY)
        client = scope.get("client") or ("",)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "request": facts["identifier"],
            "actor": about.principal.name if about is not None else "",
            "client": client[0],
            "method": scope["method"],
            "path": facts["path"],
            "route": facts["route"],
            "status": facts["status"],
            "ms": round(facts["seconds"] * 1000, 2),
        }
        return json.dumps(line, ensure_ascii=False)


def operation_routes(requests: Requests) -> list[Route]:
    """Health, readiness, metrics and version. None of them waits for a thread that requests at work may all hold."""
    limiter = CapacityLimiter(_PROBES)

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> Response:
        server = asked(request.scope).server
        found = await to_thread.run_sync(server.problems, limiter=limiter) if server is not None else {}
        if not found:
            return JSONResponse({"status": "ready"})
        parts = "; ".join(f"{part}: {sentence}" for part, sentence in found.items())
        error = Unavailable(f"not ready: {parts}", kind="not-ready", hint="It answers again by itself when these do.")
        return JSONResponse(problem(error, instance="/ready"), status_code=503, media_type=PROBLEM_TYPE, headers={"retry-after": "5"})

    async def metrics(_request: Request) -> Response:
        return PlainTextResponse("\n".join([*requests.lines(), *_process_lines()]) + "\n", media_type=METRICS_TYPE)

    async def version(_request: Request) -> Response:
        return PlainTextResponse(importlib.metadata.version("lineal"))

    return [Route("/health", health), Route("/ready", ready), Route("/metrics", metrics), Route("/version", version)]


def _process_lines() -> Iterator[str]:
    import psutil

    process = psutil.Process()
    times = process.cpu_times()
    for name, kind, about, value in (
        ("process_resident_memory_bytes", "gauge", "Resident memory.", process.memory_info().rss),
        ("process_cpu_seconds_total", "counter", "User and system time.", times.user + times.system),
        ("process_open_fds", "gauge", "Open files.", process.num_fds()),
        ("process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.", process.create_time()),
    ):
        yield f"# HELP {name} {about}"
        yield f"# TYPE {name} {kind}"
        yield f"{name} {value}"


def _route(scope: Scope) -> str:
    """The template of the route, so that there are few of them."""
    route = scope.get("lineal.route") or getattr(scope.get("route"), "path", "")
    return str(route).replace("\\", "").replace('"', "") or "other"


def _given_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and 0 < len(value) <= 64 and value.replace(b"-", b"").isalnum():
            return str(value.decode("ascii"))
    return ""
