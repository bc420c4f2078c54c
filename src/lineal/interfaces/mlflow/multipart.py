"""Uploads in parts, as MLflow's proxied artifacts have them: an address for each part, which is the server's own and not a bucket's.

A client sends its parts without the token that it has, but with the headers that it was told: so it is told those with which it proved who it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineal.errors import LinealError
from lineal.interfaces.mlflow.answers import Refusal, answer, decode, refusal, refusal_of
from lineal.interfaces.mlflow.artifacts import arriving, place, stored
from lineal.interfaces.mlflow.calls import missing, whole
from lineal.interfaces.scope import Asked, asked, require_role
from lineal.records.access import Role
from lineal.workspace.acting import acting_as

PREFIX = "/api/2.0/mlflow-artifacts/mpu"
LARGEST_PART = 1 << 30
LARGEST_BODY = 4 << 20
Work = Callable[[Request, Asked], Awaitable[Response]]


def multipart_routes() -> list[Route]:
    """The routes of uploads in parts."""
    return [
        Route(f"{PREFIX}/create/{{path:path}}", _guarded(_create), methods=["POST"]),
        Route(f"{PREFIX}/complete/{{path:path}}", _guarded(_complete), methods=["POST"]),
        Route(f"{PREFIX}/abort/{{path:path}}", _guarded(_abort), methods=["POST"]),
        Route(f"{PREFIX}/part/{{upload}}/{{number:int}}", _guarded(_part), methods=["PUT"]),
    ]


def _guarded(work: Work) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        about = asked(request.scope)
        try:
            require_role(about.principal, Role.CONTRIBUTOR)
            with acting_as(about.principal.name):
                return await work(request, about)
        except Refusal as error:
            return refusal(error.code, error.message)
        except LinealError as error:
            return refusal_of(error)

    return serve


async def _create(request: Request, about: Asked) -> Response:
    workspace: Any = about.workspace
    words = await _words(request)
    run, (model, inner) = await run_in_threadpool(place, workspace, request.path_params["path"])
    name, parts = _name(words), whole(words.get("num_parts", 1), "num_parts")
    path = stored(model, f"{inner}/{name}" if inner else name)
    upload = await run_in_threadpool(lambda: workspace.uploads.begin(run, path, parts, owner=about.principal.name))
    proof = {"Authorization": request.headers["authorization"]} if "authorization" in request.headers else {}
    there = f"{_origin(request)}{about.base}{PREFIX}/part/{upload}"
    told = [{"url": f"{there}/{number}", "part_number": number, "headers": proof} for number in range(1, parts + 1)]
    found = answer({"upload_id": upload, "credentials": told})
    found.headers["cache-control"] = "no-store"
    return found


async def _part(request: Request, about: Asked) -> Response:
    workspace: Any = about.workspace
    upload, number = request.path_params["upload"], request.path_params["number"]
    folder = await run_in_threadpool(lambda: workspace.uploads.scratch(upload, number, owner=about.principal.name))
    async with arriving(request, folder, LARGEST_PART) as (received, digest):
        await run_in_threadpool(workspace.uploads.keep, upload, number, received, digest)
    return Response(status_code=200, headers={"etag": f'"{digest}"'})


async def _complete(request: Request, about: Asked) -> Response:
    workspace: Any = about.workspace
    words = await _words(request)
    parts = words.get("parts")
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        raise missing("parts")
    digests = {whole(part.get("part_number"), "part_number"): str(part.get("etag") or "").strip('"') for part in parts}
    await run_in_threadpool(lambda: workspace.uploads.complete(_upload(words), digests, owner=about.principal.name))
    return answer({})


async def _abort(request: Request, about: Asked) -> Response:
    workspace: Any = about.workspace
    words = await _words(request)
    await run_in_threadpool(lambda: workspace.uploads.abort(_upload(words), owner=about.principal.name))
    return answer({})


async def _words(request: Request) -> dict[str, Any]:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST_BODY:
            raise Refusal(f"The request is larger than {LARGEST_BODY >> 20} MiB")
        pieces.append(piece)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal("Bad Request. Content-Type must be one of ['application/json'].")
    return decode(b"".join(pieces))


def _name(words: Mapping[str, Any]) -> str:
    """The file's name: clients say where it lies on their machine."""
    path = words.get("path")
    if not isinstance(path, str) or not path:
        raise missing("path")
    name = path.replace("\\", "/").rpartition("/")[2]
    if name in {"", ".", ".."} or "\0" in name:
        raise Refusal("Invalid path")
    return name


def _upload(words: Mapping[str, Any]) -> str:
    found = words.get("upload_id")
    if not isinstance(found, str) or not found:
        raise missing("upload_id")
    return found


def _origin(request: Request) -> str:
    """How the client reaches the server, by its own word, or by a proxy's."""
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"
    return f"{'https' if secure else 'http'}://{request.headers.get('host', '')}"
