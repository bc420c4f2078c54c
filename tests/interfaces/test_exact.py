"""A route that is found by its path answers as the one behind it would."""

from __future__ import annotations

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from lineal.interfaces.exact import Exact


def says(text: str, path: str, *methods: str) -> Route:
    async def answer(request: Request) -> Response:
        return PlainTextResponse(f"{text} {request.path_params} {request.url.path}")

    return Route(path, answer, methods=methods)


ROUTES: list[BaseRoute] = [
    says("one", "/a/one", "GET"),
    says("posted", "/a/one", "POST"),
    says("any", "/a/{name}", "GET"),
    says("late", "/a/late", "GET", "PUT"),
    says("rest", "/b/{rest:path}", "GET"),
    says("hidden", "/b/hidden", "GET"),
]


def ask(routes: list[BaseRoute], method: str, path: str) -> tuple[int, str]:
    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://localhost") as client:
            return await client.request(method, path)

    answer = anyio.run(go)
    return answer.status_code, answer.text


def test_what_is_answered_is_the_same_with_and_without() -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        for path in ("/a/one", "/a/one/", "/a/late", "/a/other", "/b/hidden", "/b/x/y", "/c"):
            assert ask([Exact(ROUTES), *ROUTES], method, path) == ask(ROUTES, method, path), (method, path)


def test_what_has_no_names_in_its_path_needs_no_other_route() -> None:
    assert ask([Exact(ROUTES)], "POST", "/a/one") == (200, "posted {} /a/one")
    assert ask([Exact(ROUTES)], "PUT", "/a/late") == (200, "late {} /a/late")
    assert ask([Exact(ROUTES)], "GET", "/a/late")[0] == 404  # the route with a name stands before it
    assert ask([Exact(ROUTES)], "GET", "/b/hidden")[0] == 404
