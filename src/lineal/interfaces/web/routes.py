"""The pages' routes. Every page has a ``.json`` twin at the same path."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from lineal.errors import LinealError, NotFound
from lineal.interfaces.problems import PROBLEM_TYPE, internal_error, problem, title
from lineal.interfaces.scope import asked, require_role
from lineal.interfaces.web import links, live
from lineal.interfaces.web.links import twin
from lineal.interfaces.web.pages import Page, View, Visit
from lineal.interfaces.web.rendering import STATIC, Renderer
from lineal.interfaces.web.views import (
    api,
    audit,
    charts,
    comparison,
    data,
    deletion,
    deployments,
    files,
    graph,
    members,
    merging,
    models,
    run,
    runs,
    saved,
)
from lineal.records.access import Role
from lineal.records.documents import document
from lineal.workspace.acting import acting_as

PAGES: tuple[tuple[str, View, Role], ...] = (
    ("/runs", runs.runs_page, Role.READER),
    ("/runs/{run}/files", files.files_page, Role.READER),
    ("/runs/{run}", run.run_page, Role.READER),
    ("/charts", charts.charts_page, Role.READER),
    ("/compare", comparison.compare_page, Role.READER),
    ("/graph", graph.graph_page, Role.READER),
    ("/data", data.datasets_page, Role.READER),
    ("/data/{name}/diff", data.diff_page, Role.READER),
    ("/data/{name}/merge", merging.merge_page, Role.READER),
    ("/data/{name}/revert", merging.revert_page, Role.READER),
    ("/data/{name}", data.data_page, Role.READER),
    ("/models", models.models_page, Role.READER),
    ("/models/{name}", models.model_page, Role.READER),
    ("/deployments", deployments.deployments_page, Role.READER),
    ("/deployments/{name}", deployments.deployment_page, Role.READER),
    ("/predictions/{prediction}", deployments.prediction_page, Role.READER),
    ("/audit", audit.audit_page, Role.READER),
    ("/search", audit.search_page, Role.READER),
    ("/delete", deletion.delete_page, Role.READER),
    ("/api", api.api_page, Role.READER),
    ("/members", members.members_page, Role.ADMIN),
)
"""Pages: each is served as HTML at its path and as JSON at its path with ``.json``."""

PARTS: tuple[tuple[str, View, Role], ...] = (
    ("/runs.csv", runs.runs_csv, Role.READER),
    ("/runs.parquet", runs.runs_parquet, Role.READER),
    ("/charts/data", charts.charts_data, Role.READER),
    ("/compare/difference", comparison.difference_part, Role.READER),
    ("/views/{view}", saved.view_page, Role.READER),
    ("/runs/events", live.run_events, Role.READER),
    ("/runs/rows", runs.run_rows, Role.READER),
    ("/runs/{run}/live", run.run_live, Role.READER),
    ("/runs/{run}/others", run.run_others, Role.READER),
    ("/runs/{run}/log", run.run_log, Role.READER),
)
"""What pages fetch while they are open, and downloads."""

_log = logging.getLogger("lineal.web")


def routes() -> list[BaseRoute]:
    """Every page, over the workspace that a request asks for, the static files, and a page for whatever is not there."""
    renderer = Renderer()
    found: list[BaseRoute] = [Route("/", _home), Route("/favicon.ico", _icon(renderer.version))]
    found += [Route(path, _serve(renderer, view, role)) for path, view, role in PARTS]
    for path, view, role in PAGES:
        found += [Route(form, _serve(renderer, view, role)) for form in _forms(path)]
    found.append(Mount(f"/static/{renderer.version}", Static(directory=STATIC)))
    found.append(Route("/{rest:path}", _serve(renderer, _missing, Role.READER)))
    return found


def _forms(path: str) -> list[str]:
    """The ways to ask for a page: its twin, itself, and with a slash for names that end like a twin."""
    return [f"{path}.json", path, f"{path}/"] if path.endswith("}") else [f"{path}.json", path]


def _home(request: Request) -> Response:
    return RedirectResponse(f"{asked(request.scope).base}/runs", status_code=307)


def _icon(version: str) -> Callable[[Request], Response]:
    return lambda _request: RedirectResponse(f"/static/{version}/icon.svg", status_code=307)


def _missing(visit: Visit) -> Page:
    raise NotFound(f"there is no page {visit.address}", kind="unknown-page", hint="Search with /, or pick a page on the left.")


def _serve(renderer: Renderer, view: View, role: Role) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:
        visit = _visit(request)
        try:
            require_role(visit.principal, role)
            with links.below(visit.base), acting_as(asked(request.scope).principal.name):
                answer = view(visit)
                return answer if isinstance(answer, Response) else _page(answer, visit, renderer)
        except LinealError as error:
            return _error(error, visit, renderer)
        except Exception:  # noqa: BLE001 - whatever it was, the visitor gets a page and the terminal the traceback
            _log.exception("%s failed", request.url.path)
            return _error(internal_error(), visit, renderer)

    return serve


def _visit(request: Request) -> Visit:
    path = quote(request.scope["path"], safe="/@~:")
    as_json = path.endswith(".json") and "rest" not in request.path_params
    about = asked(request.scope)
    address = about.base + (path[: -len(".json")] if as_json else path)
    return Visit(
        workspace=about.workspace,
        base=about.base,
        principal=about.principal,
        server=about.server,
        address=address,
        now=time.time_ns() // 1000,
        path={key: str(value) for key, value in request.path_params.items()},
        query=request.query_params,
        as_json=as_json,
        streams="text/event-stream" in request.headers.get("accept", ""),
        theme=request.cookies.get("theme", ""),
    )


def _page(page: Page, visit: Visit, renderer: Renderer) -> Response:
    if visit.as_json:
        return _json(document(page.value))
    context = {**_frame(visit, page.title, page.rail), "value": page.value, **page.context}
    return HTMLResponse(renderer.render(page.template, context), headers=dict(page.headers))


def _frame(visit: Visit, heading: str, rail: str) -> dict[str, Any]:
    query = str(visit.query)
    return {
        "visit": visit,
        "title": heading,
        "rail": rail,
        "now": visit.now,
        "project": visit.workspace.project,
        "query": visit.query,
        "base": visit.base,
        "json_address": twin(visit.address) + (f"?{query}" if query else ""),
    }


def _error(error: LinealError, visit: Visit, renderer: Renderer) -> Response:
    status = error.http_status
    if visit.as_json:
        return _json(problem(error, instance=visit.address), status=status, media=PROBLEM_TYPE)
    context = {**_frame(visit, title(error), ""), "error": error, "status": status}
    headers = {"retry-after": "2"} if status == 503 else {}
    return HTMLResponse(renderer.render("error.html", context), status_code=status, headers=headers)


def _json(value: Any, *, status: int = 200, media: str = "application/json") -> Response:
    body = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1).encode("utf-8", "replace")
    return Response(body, status_code=status, media_type=media)


class Static(StaticFiles):
    """Static files under a name that changes with them: browsers may keep them for good."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one file."""

        async def send_kept(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                message["headers"] = [*message["headers"], (b"cache-control", b"public, max-age=31536000, immutable")]
            await send(message)

        await super().__call__(scope, receive, send_kept)
