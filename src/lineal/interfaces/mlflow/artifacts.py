"""Artifacts as MLflow's clients send and fetch them: files of a run, or of a model that a run logged, by paths like ``0/RUN/artifacts/model/MLmodel``."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lineal.errors import LinealError
from lineal.interfaces.mlflow.answers import BAD_VALUE, MISSING, Refusal, answer, refusal, refusal_of
from lineal.interfaces.mlflow.calls import Call
from lineal.interfaces.mlflow.known import experiment_number, loaded
from lineal.interfaces.scope import asked, require_role
from lineal.records.access import Role
from lineal.workspace.acting import acting_as

if TYPE_CHECKING:
    from lineal.records.requested import KeptFile
    from lineal.workspace.interface import ServedWorkspace

PREFIX = "/api/2.0/mlflow-artifacts/artifacts"
LARGEST = 64 << 30
_PIECE = 1 << 18
_LONGEST = 4096
_DECODED = 8
"""A path whose percent signs are an encoding in an encoding, so many times, is not meant well."""
_OF_RUN = re.compile(r"\d+/([0-9a-f]{32})/artifacts(?:/(.*))?\Z", re.DOTALL)
_OF_MODEL = re.compile(r"\d+/models/(m-[0-9a-f]{32})/artifacts(?:/(.*))?\Z", re.DOTALL)


def list_artifacts(call: Call) -> Any:
    """What lies in a folder of a run's artifacts."""
    run, folder = loaded(call, call.run), clean(call.text("path", ""))
    files = call.workspace.requested.files(run.id)
    found = listed(_shown(files), folder)
    root = {"root_uri": f"mlflow-artifacts:/{experiment_number(call, run.experiment)}/{run.id}/artifacts"}
    return {**root, "files": found} if found else root


def listed(files: Mapping[str, KeptFile], folder: str) -> list[dict[str, Any]]:
    """The files and folders that lie directly in a folder."""
    prefix = f"{folder}/" if folder else ""
    found: dict[str, dict[str, Any]] = {}
    for path, file in sorted(files.items()):
        if path.startswith(prefix):
            name, slash, _rest = path[len(prefix) :].partition("/")
            inner = prefix + name
            found.setdefault(inner, {"path": inner, "is_dir": True} if slash else _file(inner, file.size))
    return list(found.values())


def _file(path: str, size: int) -> dict[str, Any]:
    """A file in a list; an empty one has no size, as MLflow's have none."""
    return {"path": path, "is_dir": False, "file_size": size} if size else {"path": path, "is_dir": False}


def clean(path: str) -> str:
    """A path inside the artifacts, without slashes around it. Raises `Refusal` for one that would lead out of them, also if it were decoded again.

    >>> clean("images/loss%step%2%timestamp%9.png/")
    'images/loss%step%2%timestamp%9.png'
    """
    decoded, before = path, ""
    for _time in range(_DECODED):
        if len(path) > _LONGEST or ":" in path[:3] or _leads_out(decoded):
            raise Refusal("Invalid path")
        decoded, before = unquote(decoded), decoded
    if decoded != before:
        raise Refusal("Invalid path")
    return path.strip("/")


def _leads_out(path: str) -> bool:
    parts = path.strip("/").split("/") if path.strip("/") else []
    return any(part in {"", ".", ".."} for part in parts) or "\\" in path or "\0" in path


def artifact_routes() -> list[Route]:
    """The routes that carry bytes."""
    found = []
    for prefix in (PREFIX, PREFIX.replace("/api/", "/ajax-api/", 1)):
        found.append(Route(prefix, _listing, methods=["GET"]))
        found.append(Route(f"{prefix}/{{path:path}}", _bytes, methods=["GET", "PUT", "DELETE"]))
    found.append(Route("/get-artifact", _get_artifact, methods=["GET"]))
    return found


async def _listing(request: Request) -> Response:
    return await _guarded(request, Role.READER, lambda workspace: _folder(workspace, request.query_params.get("path", "")))


async def _bytes(request: Request) -> Response:
    path = request.path_params["path"]
    if request.method == "GET":
        return await _guarded(request, Role.READER, lambda workspace: _sent(workspace, path))
    if request.method == "DELETE":
        return refusal("NOT_IMPLEMENTED", "Artifacts are kept with their run; delete the run, or the model, that they belong to.")
    return await _received(request, path)


async def _get_artifact(request: Request) -> Response:
    """The bytes of a run's artifact, as MLflow's pages and older clients ask for it."""
    run, path = request.query_params.get("run_id") or request.query_params.get("run_uuid") or "", request.query_params.get("path", "")
    return await _guarded(request, Role.READER, lambda workspace: _sent(workspace, f"0/{run}/artifacts/{path}"))


async def _guarded(request: Request, role: Role, work: Any) -> Response:
    about = asked(request.scope)
    try:
        require_role(about.principal, role)
        found: Response = await run_in_threadpool(work, about.workspace)
    except Refusal as error:
        return refusal(error.code, error.message)
    except LinealError as error:
        return refusal_of(error)
    return found


def _folder(workspace: ServedWorkspace, path: str) -> Response:
    run, inner = place(workspace, path)
    files = _shown(workspace.requested.files(run), model=inner[0])
    return answer({"files": [{**item, "path": item["path"].rpartition("/")[2]} for item in listed(files, inner[1])]})


def _sent(workspace: ServedWorkspace, path: str) -> Response:
    run, (model, inner) = place(workspace, path)
    file = workspace.requested.files(run).get(stored(model, inner))
    if file is None and any(path.startswith(f"{stored(model, inner)}/") for path in workspace.requested.files(run)):
        return refusal(BAD_VALUE, f"Artifact path refers to a directory, not a file: '{inner}'")
    if file is None:
        return refusal(MISSING, f"No such artifact: '{inner}'")
    stream = workspace.requested.open_file(file.digest)

    def pieces() -> Iterator[bytes]:
        with stream:
            while piece := stream.read(_PIECE):
                yield piece

    name = inner.rpartition("/")[2].replace('"', "").encode("ascii", "replace").decode()
    headers = {"content-disposition": f'attachment; filename="{name}"', "content-length": str(file.size)}
    return StreamingResponse(pieces(), media_type=mimetypes.guess_type(inner)[0] or "application/octet-stream", headers=headers)


async def _received(request: Request, path: str) -> Response:
    """Takes a file in."""
    try:
        await _receive(request, path)
    except Refusal as error:
        return refusal(error.code, error.message)
    except LinealError as error:
        return refusal_of(error)
    return Response(status_code=200)


async def _receive(request: Request, path: str) -> None:
    about = asked(request.scope)
    require_role(about.principal, Role.CONTRIBUTOR)
    workspace: Any = about.workspace
    run, (model, inner) = await run_in_threadpool(place, workspace, path)
    if not inner:
        raise Refusal("Invalid path")
    async with arriving(request, workspace.requested.scratch(), LARGEST) as (received, _digest):
        with acting_as(about.principal.name):
            await run_in_threadpool(workspace.requested.keep_file, run, stored(model, inner), received)


@asynccontextmanager
async def arriving(request: Request, folder: Path, largest: int) -> AsyncIterator[tuple[Path, str]]:
    """A request's body as a file that is removed behind this, and its SHA-256: what breaks off leaves nothing. Raises `Refusal` for one too large."""
    descriptor, temporary = tempfile.mkstemp(prefix="artifact-", dir=folder)
    digest = hashlib.sha256()
    try:
        with os.fdopen(descriptor, "wb") as file:
            async for piece in request.stream():
                await run_in_threadpool(file.write, piece)
                digest.update(piece)
                if file.tell() > largest:
                    raise Refusal(f"It has at most {largest >> 20} MiB")
        yield Path(temporary), digest.hexdigest()
    finally:
        await run_in_threadpool(Path(temporary).unlink, missing_ok=True)


def place(workspace: ServedWorkspace, path: str) -> tuple[str, tuple[str, str]]:
    """The run that keeps an artifact, and the logged model (or an empty text) and the path inside. Raises `Refusal`."""
    cleaned = clean(path)
    of_run, of_model = _OF_RUN.match(cleaned), _OF_MODEL.match(cleaned)
    if of_model is not None:
        return workspace.library.logged(of_model[1]).run, (of_model[1], of_model[2] or "")
    if of_run is None:
        raise Refusal("Invalid path")
    workspace.requested.get(of_run[1])
    return of_run[1], ("", of_run[2] or "")


def stored(model: str, inner: str) -> str:
    """The path under which a run keeps the artifact."""
    return f"models/{model}/artifacts/{inner}" if model else inner


def _shown(files: Mapping[str, KeptFile], *, model: str = "") -> dict[str, KeptFile]:
    """The files of a run itself, or those of a model that it logged, by their paths inside."""
    if model:
        prefix = stored(model, "")
        return {path[len(prefix) :]: file for path, file in files.items() if path.startswith(prefix)}
    return {path: file for path, file in files.items() if not re.match(r"models/m-[0-9a-f]{32}/", path)}
