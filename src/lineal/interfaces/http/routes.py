"""The JSON API's routes, made of the route table."""

from __future__ import annotations

import importlib.metadata
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lineal.errors import InvalidInput, LinealError, NotFound
from lineal.interfaces.http import audit, datasets, deployments, exports, lineage, models, people, run_table, runs, saved_views, storage
from lineal.interfaces.http.bodies import read_body
from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.files import OCTETS, begun, sent_file
from lineal.interfaces.http.openapi import openapi
from lineal.interfaces.http.table import PREFIX, Endpoint
from lineal.interfaces.http.telling import telling, wants_lines
from lineal.interfaces.problems import PROBLEM_TYPE, internal_error, problem
from lineal.interfaces.scope import asked, require_role
from lineal.interfaces.shown import shown_as
from lineal.records.documents import document
from lineal.workspace.acting import acting_as

ENDPOINTS: tuple[Endpoint, ...] = (
    *runs.ENDPOINTS,
    *exports.ENDPOINTS,
    *run_table.ENDPOINTS,
    *saved_views.ENDPOINTS,
    *datasets.ENDPOINTS,
    *models.ENDPOINTS,
    *deployments.ENDPOINTS,
    *lineage.ENDPOINTS,
    *audit.ENDPOINTS,
    *storage.ENDPOINTS,
    *people.ENDPOINTS,
)
_log = logging.getLogger("lineal.http")


def routes(endpoints: Sequence[Endpoint] = ENDPOINTS) -> list[Route]:
    """A route for each endpoint, over the workspace that a request asks for; the last one answers 404 as a problem for whatever else lies below the prefix."""
    found = [Route(PREFIX + endpoint.path, _serve(endpoint), methods=[endpoint.method]) for endpoint in endpoints]
    found.append(Route(f"{PREFIX}/openapi.json", _describe, methods=["GET"]))
    found.append(Route(f"{PREFIX}/{{rest:path}}", _unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]))
    return found


def _serve(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            call = await _call(endpoint, request)
            with acting_as(asked(request.scope).principal.name):
                if endpoint.slow and wants_lines(request):
                    return telling(lambda progress: endpoint.handler(replace(call, progress=progress)), request, failed=_log_failure(request))
                answer = await run_in_threadpool(_answer, endpoint, call, request)
        except LinealError as error:
            return problem_response(error, request)
        except Exception:  # noqa: BLE001 - whatever it was, the caller gets a problem document and the terminal the traceback
            _log_failure(request)()
            return problem_response(internal_error(), request)
        return answer

    return serve


def _log_failure(request: Request) -> Callable[[], None]:
    return lambda: _log.exception("%s %s failed", request.method, request.url.path)


async def _call(endpoint: Endpoint, request: Request) -> Call:
    about = asked(request.scope)
    require_role(about.principal, endpoint.role)
    body: dict[str, Any] = {}
    raw = b""
    if endpoint.changes:
        content = await read_body(request, media=endpoint.media)
        body, raw = content.fields, content.raw
        _refuse_unknown(body, endpoint)
    return Call(
        workspace=about.workspace,
        path=dict(request.path_params),
        query=dict(request.query_params),
        body=body,
        raw=raw,
        asked=about,
    )


def _refuse_unknown(body: dict[str, Any], endpoint: Endpoint) -> None:
    unknown = sorted(set(body) - set(endpoint.body))
    if unknown:
        known = ", ".join(endpoint.body) or "none"
        raise InvalidInput(f"the body has the unknown field {unknown[0]}", kind="bad-body", hint=f"Known fields: {known}.")


def _answer(endpoint: Endpoint, call: Call, request: Request) -> Response:
    value = endpoint.handler(call)
    if endpoint.answers == "text/plain":
        return StreamingResponse(begun(value), media_type="text/plain; charset=utf-8")
    if endpoint.answers == OCTETS:
        name = call.need("path").rpartition("/")[2]
        shown = shown_as(name) if endpoint.shown and call.switched("inline") else None
        return sent_file(value, name=name, wanted=request.headers.get("range", ""), shown=shown, scripts=call.switched("scripts"))
    if endpoint.answers != "application/json":
        kept = {"content-disposition": f'attachment; filename="{endpoint.download}"'} if endpoint.download else {}
        return StreamingResponse(begun(value), media_type=endpoint.answers, headers=kept)
    return json_response(document(value))


async def _describe(request: Request) -> Response:
    about = asked(request.scope)
    outer = people.SERVER_ENDPOINTS if about.server is not None else ()
    return json_response(openapi(ENDPOINTS, version=importlib.metadata.version("lineal"), base=about.base, outer=outer))


async def _unknown(request: Request) -> Response:
    known = next((endpoint for endpoint in ENDPOINTS if _matches(endpoint, request.path_params["rest"])), None)
    if known:
        error: LinealError = InvalidInput(f"{request.url.path} does not take {request.method}", kind="bad-method", hint=f"It takes {known.method}.")
        return problem_response(error, request, status=405)
    error = NotFound(f"the API has no {request.url.path}", kind="unknown-page", hint=f"{PREFIX}/openapi.json lists what it has.")
    return problem_response(error, request)


def _matches(endpoint: Endpoint, path: str) -> bool:
    asked, known = path.split("/"), endpoint.path.strip("/").split("/")
    return len(asked) == len(known) and all(there.startswith("{") or here == there for here, there in zip(asked, known, strict=True))


def json_response(value: Any, *, status: int = 200, media: str = "application/json") -> Response:
    """A value as JSON, small and in UTF-8."""
    body = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(body, status_code=status, media_type=media)


def problem_response(error: LinealError, request: Request, *, status: int | None = None) -> JSONResponse:
    """An error as problem JSON."""
    found = problem(error, status=status or _STATUS.get(error.kind), instance=request.url.path)
    headers = {"retry-after": "2"} if found["status"] == 503 else {}
    return JSONResponse(found, status_code=found["status"], media_type=PROBLEM_TYPE, headers=headers)


_STATUS = {"body-too-large": 413, "not-json": 415, "too-many-attempts": 429, "damaged-model": 422}
"""Where HTTP has a closer number than the error's class; a file that is no model is the fault of whoever wrote it, and nothing of ours is damaged."""
