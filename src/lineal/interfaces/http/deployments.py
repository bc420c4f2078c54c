"""Deployments and their monitors over HTTP."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lineal.errors import InvalidInput
from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import NUMBER, SWITCH, TEXT, Endpoint, parameter
from lineal.records.access import Role

MOST_PREDICTIONS = 1000
WINDOWS = ("month", "week", "day")


def list_deployments(call: Call) -> Any:
    """Every deployment; stopped ones with ``stopped=1``."""
    return {"deployments": call.workspace.deployments.list(stopped=call.switched("stopped"))}


def get_deployment(call: Call) -> Any:
    """One deployment."""
    return call.workspace.deployments.get(call.path["name"])


def list_predictions(call: Call) -> Any:
    """Captured predictions, newest first."""
    predictions = call.workspace.deployments.predictions(
        call.path["name"],
        limit=call.number("limit", 50, least=1, most=MOST_PREDICTIONS),
        before=call.query.get("before", ""),
        start=call.optional_number("start"),
        end=call.optional_number("end"),
        wrong=call.switched("wrong"),
    )
    return {"predictions": predictions}


def get_prediction(call: Call) -> Any:
    """One captured prediction."""
    return call.workspace.deployments.prediction(call.path["prediction"])


def get_deployment_log(call: Call) -> Iterator[bytes]:
    """What the service printed."""
    return iter((call.workspace.deployments.log(call.path["name"]).encode("utf-8", "replace"),))


def deploy(call: Call) -> Any:
    """Serves a model version, and answers once the service does."""
    return call.workspace.deployments.deploy(
        call.field("model"),
        name=call.optional_field("name") or "",
        port=call.optional_count("port"),
        trial=call.optional_switch("trial"),
        skip_drift=call.optional_list("skip_drift"),
        progress=call.progress,
    )


def undeploy(call: Call) -> Any:
    """Stops a deployment."""
    return call.workspace.deployments.undeploy(call.path["name"])


def get_report(call: Call) -> Any:
    """What the monitor says."""
    return call.workspace.monitors.report(
        call.path["name"], every=call.choice("every", WINDOWS), start=call.optional_number("start"), end=call.optional_number("end")
    )


def add_truth(call: Call) -> Any:
    """Takes true outcomes: CSV, or JSON rows."""
    table = call.raw or _as_csv(call.body.get("rows"))
    with tempfile.TemporaryDirectory(prefix="lineal-truth-") as folder:
        path = Path(folder) / "truth.csv"
        path.write_bytes(table)
        return call.workspace.monitors.add_truth(call.path["name"], path)


def _as_csv(rows: Any) -> bytes:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput(
            "the body's field rows must be a list of objects", kind="bad-body", hint='{"rows": [{"prediction_id": "…", "label": 1}]} or text/csv.'
        )
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


_TIMES = (parameter("start", "microseconds UTC, included", NUMBER), parameter("end", "microseconds UTC, not included", NUMBER))

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/deployments",
        summary="Every deployment",
        handler=list_deployments,
        group="deployments",
        role=Role.READER,
        query=(parameter("stopped", "stopped ones too", SWITCH),),
    ),
    Endpoint(
        method="POST",
        path="/deployments",
        summary="Deploy a model; answers once the service does",
        handler=deploy,
        group="deployments",
        role=Role.MAINTAINER,
        body={"model": TEXT, "name": TEXT, "port": NUMBER, "trial": SWITCH, "skip_drift": {"type": "array", "items": TEXT}},
        required=("model",),
        slow=True,
    ),
    Endpoint(method="GET", path="/deployments/{name}", summary="One deployment", handler=get_deployment, group="deployments", role=Role.READER),
    Endpoint(
        method="GET",
        path="/deployments/{name}/log",
        summary="What the service printed",
        handler=get_deployment_log,
        group="deployments",
        role=Role.READER,
        answers="text/plain",
    ),
    Endpoint(
        method="GET",
        path="/deployments/{name}/predictions",
        summary="Captured predictions, newest first",
        handler=list_predictions,
        group="deployments",
        role=Role.READER,
        query=(
            parameter("limit", "at most so many", NUMBER),
            parameter("before", "older than this prediction's id"),
            *_TIMES,
            parameter("wrong", "only those whose truth differs", SWITCH),
        ),
    ),
    Endpoint(method="GET", path="/predictions/{prediction}", summary="One prediction", handler=get_prediction, group="deployments", role=Role.READER),
    Endpoint(
        method="POST", path="/deployments/{name}/undeploy", summary="Stop a deployment", handler=undeploy, group="deployments", role=Role.MAINTAINER
    ),
    Endpoint(
        method="GET",
        path="/monitors/{name}",
        summary="What the monitor says",
        handler=get_report,
        group="monitors",
        role=Role.READER,
        query=(parameter("every", "month, week or day"), *_TIMES),
    ),
    Endpoint(
        method="POST",
        path="/monitors/{name}/truth",
        summary="Send true outcomes",
        handler=add_truth,
        group="monitors",
        role=Role.CONTRIBUTOR,
        body={"rows": {"type": "array", "items": {"type": "object", "properties": {"prediction_id": {"type": "string"}, "label": {}}}}},
        media="text/csv",
    ),
)
