"""The MLflow API's routes, made of one table."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineal.errors import LinealError
from lineal.interfaces.mlflow import artifacts, experiments, histories, logged, models, multipart, recording, runs, traces
from lineal.interfaces.mlflow.answers import Refusal, answer, decode, refusal, refusal_of
from lineal.interfaces.mlflow.calls import Call
from lineal.interfaces.scope import asked, require_role
from lineal.records.access import Role
from lineal.workspace.acting import acting_as
from lineal.workspace.interface import ServedWorkspace

LARGEST_BODY = 8 << 20
READ, WRITE, RULE = Role.READER, Role.CONTRIBUTOR, Role.MAINTAINER
_LISTS = frozenset({"experiment_ids", "order_by", "run_ids", "stages"})
_log = logging.getLogger("lineal.mlflow")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing the API can do.

    Attributes:
        path: below ``/api/2.0/mlflow``, with ``{names}``.
        role: the least that somebody must be in the project to do it.
    """

    method: str
    path: str
    handler: Callable[[Call], Any]
    role: Role


ENTRIES: tuple[Entry, ...] = (
    Entry("POST", "/experiments/create", experiments.create_experiment, WRITE),
    Entry("GET", "/experiments/get", experiments.get_experiment, READ),
    Entry("GET", "/experiments/get-by-name", experiments.experiment_by_name, READ),
    Entry("GET", "/experiments/search", experiments.search_experiments, READ),
    Entry("POST", "/experiments/search", experiments.search_experiments, READ),
    Entry("POST", "/experiments/delete", experiments.delete_experiment, RULE),
    Entry("POST", "/experiments/restore", experiments.restore_experiment, RULE),
    Entry("POST", "/experiments/update", experiments.update_experiment, WRITE),
    Entry("POST", "/experiments/set-experiment-tag", experiments.set_experiment_tag, WRITE),
    Entry("POST", "/experiments/delete-experiment-tag", experiments.delete_experiment_tag, WRITE),
    Entry("POST", "/runs/create", runs.create_run, WRITE),
    Entry("POST", "/runs/update", runs.update_run, WRITE),
    Entry("GET", "/runs/get", runs.get_run, READ),
    Entry("POST", "/runs/delete", runs.delete_run, RULE),
    Entry("POST", "/runs/restore", runs.restore_run, RULE),
    Entry("POST", "/runs/search", runs.search_runs, READ),
    Entry("POST", "/runs/log-metric", recording.log_metric, WRITE),
    Entry("POST", "/runs/log-parameter", recording.log_param, WRITE),
    Entry("POST", "/runs/log-batch", recording.log_batch, WRITE),
    Entry("POST", "/runs/log-model", recording.log_model, WRITE),
    Entry("POST", "/runs/log-inputs", recording.log_inputs, WRITE),
    Entry("POST", "/runs/outputs", recording.log_outputs, WRITE),
    Entry("POST", "/runs/set-tag", recording.set_tag, WRITE),
    Entry("POST", "/runs/delete-tag", recording.delete_tag, WRITE),
    Entry("GET", "/metrics/get-history", histories.metric_history, READ),
    Entry("GET", "/metrics/get-history-bulk-interval", histories.metric_history_interval, READ),
    Entry("GET", "/metrics/get-history-bulk", histories.metric_history_bulk, READ),
    Entry("GET", "/artifacts/list", artifacts.list_artifacts, READ),
    Entry("POST", "/logged-models", logged.create_logged_model, WRITE),
    Entry("POST", "/logged-models/search", logged.search_logged_models, READ),
    Entry("GET", "/logged-models/{model_id}", logged.get_logged_model, READ),
    Entry("PATCH", "/logged-models/{model_id}", logged.finalize_logged_model, WRITE),
    Entry("DELETE", "/logged-models/{model_id}", logged.delete_logged_model, RULE),
    Entry("POST", "/logged-models/{model_id}/params", logged.log_model_params, WRITE),
    Entry("PATCH", "/logged-models/{model_id}/tags", logged.set_model_tags, WRITE),
    Entry("DELETE", "/logged-models/{model_id}/tags/{tag_key}", logged.delete_logged_tag, WRITE),
    Entry("GET", "/logged-models/{model_id}/artifacts/directories", logged.list_model_artifacts, READ),
    Entry("POST", "/registered-models/create", models.create_model, WRITE),
    Entry("GET", "/registered-models/get", models.get_model, READ),
    Entry("GET", "/registered-models/search", models.search_models, READ),
    Entry("POST", "/registered-models/rename", models.rename_model, RULE),
    Entry("PATCH", "/registered-models/update", models.update_model, WRITE),
    Entry("DELETE", "/registered-models/delete", models.delete_model, RULE),
    Entry("POST", "/registered-models/set-tag", models.set_model_tag, WRITE),
    Entry("DELETE", "/registered-models/delete-tag", models.delete_model_tag, WRITE),
    Entry("GET", "/registered-models/get-latest-versions", models.latest_versions, READ),
    Entry("POST", "/registered-models/get-latest-versions", models.latest_versions, READ),
    Entry("POST", "/registered-models/alias", models.set_alias, RULE),
    Entry("DELETE", "/registered-models/alias", models.remove_alias, RULE),
    Entry("GET", "/registered-models/alias", models.version_by_alias, READ),
    Entry("POST", "/model-versions/create", models.create_version, WRITE),
    Entry("GET", "/model-versions/get", models.get_version, READ),
    Entry("GET", "/model-versions/search", models.search_versions, READ),
    Entry("PATCH", "/model-versions/update", models.update_version, WRITE),
    Entry("DELETE", "/model-versions/delete", models.delete_version, RULE),
    Entry("POST", "/model-versions/transition-stage", models.transition_stage, RULE),
    Entry("POST", "/model-versions/set-tag", models.set_version_tag, WRITE),
    Entry("DELETE", "/model-versions/delete-tag", models.delete_version_tag, WRITE),
    Entry("GET", "/model-versions/get-download-uri", models.download_uri, READ),
    Entry("GET", "/traces", traces.search_traces, READ),
)
"""Everything that is answered; whatever else MLflow has is answered as by a server that does not have it."""

ENTRIES_3: tuple[Entry, ...] = (
    Entry("POST", "/traces/search", traces.search_traces, READ),
    Entry("GET", "/traces/{trace_id}", traces.get_trace, READ),
)
"""The same, below ``/api/3.0/mlflow``."""

PREFIXES = ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow")


def mlflow_routes() -> list[Route]:
    """Every route of the MLflow API, over the workspace that a request asks for."""
    found = [Route(prefix + entry.path, _serve(entry), methods=[entry.method]) for prefix in PREFIXES for entry in ENTRIES]
    found += [Route(f"{root}/3.0/mlflow{entry.path}", _serve(entry), methods=[entry.method]) for root in ("/api", "/ajax-api") for entry in ENTRIES_3]
    found += [*artifacts.artifact_routes(), *multipart.multipart_routes()]
    for root in ("/api", "/ajax-api"):
        found.append(Route(f"{root}/3.0/mlflow/server-info", _server_info, methods=["GET"]))
        for version in ("2.0", "3.0"):
            found.append(Route(f"{root}/{version}/{{rest:path}}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]))
    return found


def _serve(entry: Entry) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            about = asked(request.scope)
            require_role(about.principal, entry.role)
            words = await _words(request)
            workspace = cast("ServedWorkspace", about.workspace)
            call = Call(workspace=workspace, principal=about.principal, words=words, path=request.path_params, base=about.base)
            with acting_as(about.principal.name):
                value = await run_in_threadpool(entry.handler, call)
        except Refusal as error:
            return refusal(error.code, error.message)
        except LinealError as error:
            return refusal_of(error)
        except Exception:  # noqa: BLE001 - whatever it was, the client gets an error that it can read, and the log the traceback
            _log.exception("%s %s failed", request.method, request.url.path)
            return refusal("INTERNAL_ERROR", "Lineal failed where it should not have; the traceback is in the server's log.")
        return answer(value)

    return serve


async def _words(request: Request) -> dict[str, Any]:
    """The words of a request: of its body, or of its query where there is none; MLflow's clients send bodies with DELETE, too."""
    if request.method == "GET":
        return _query(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST_BODY:
            raise Refusal(f"The request is larger than {LARGEST_BODY >> 20} MiB")
        pieces.append(piece)
    body = b"".join(pieces)
    if body and kind != "application/json":
        raise Refusal(f"Bad Request. Content-Type must be one of ['application/json'], got {kind or 'none'}.")
    if not body and request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise Refusal("A page of another site changes nothing here.", "PERMISSION_DENIED")
    return decode(body) or _query(request)


def _query(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in request.query_params.multi_items():
        if key in _LISTS:
            found.setdefault(key, []).append(value)
        else:
            found[key] = [*_listed(found[key]), value] if key in found else value
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


async def _server_info(_request: Request) -> Response:
    return answer(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": True,
            "multipart_downloads_enabled": False,
            "presigned_upload_run_id_supported": False,
            "presigned_upload_model_id_supported": False,
        }
    )


async def _unknown(request: Request) -> Response:
    return refusal("ENDPOINT_NOT_FOUND", f"Lineal has no {request.url.path}: it records runs, artifacts and models, no traces and no gateway.")
