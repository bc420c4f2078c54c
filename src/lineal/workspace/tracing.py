"""What a single prediction rests on, step by step back to the source files."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from lineal.ledger import schema
from lineal.ledger.nodes import load_nodes, reach_up
from lineal.ledger.runs import load_run
from lineal.records.deployment import Prediction
from lineal.records.graph import USED, Node
from lineal.records.run import Run
from lineal.workspace.site import Site

_MOST_FILES = 200


def trace_prediction(site: Site, prediction: Prediction, node: Node) -> Sequence[Node]:
    """Prediction, deployment, model, runs (the training one first), datasets, sources: each with its facts in ``detail``.

    A dataset's ``source`` nodes are the files of it that those runs read, with digest and, where it was asked for, MD5; ``source`` is the
    address that the dataset was said to come from.
    """
    deployment = str(node.detail["deployment_id"])
    with site.ledger.read() as connection:
        above = list(load_nodes(connection, site.project_id, reach_up(connection, [deployment]).ids).values())
        runs = [load_run(connection, site.project_id, found.id) for found in above if found.kind == "run"]
        facts = {run.id: _run_facts(run) for run in runs}
        models = _model_facts(connection, [found.id for found in above if found.kind == "model"])
        datasets = [found for found in above if found.kind == "dataset"]
        sources = [source for dataset in datasets for source in _sources(connection, dataset, [run.id for run in runs])]
    told = [_with(found, {**facts, **models}.get(found.id, {})) for found in above]
    chosen = [found for kind in ("deployment", "model", "run", "dataset", "source") for found in told if found.kind == kind]
    return (_with(node, _prediction_facts(prediction)), *chosen, *sources)


def _with(node: Node, facts: Mapping[str, Any]) -> Node:
    return dataclasses.replace(node, detail={**node.detail, **facts}) if facts else node


def _prediction_facts(prediction: Prediction) -> dict[str, Any]:
    names = ("model", "event_at", "recorded_at", "inputs", "output", "score", "truth", "truth_at", "key")
    return {name: getattr(prediction, name) for name in names}


def _run_facts(run: Run) -> dict[str, Any]:
    return {
        "command": list(run.command),
        "params": {key: param.value for key, param in run.params.items()},
        "metrics": {key: metric.last for key, metric in run.metrics.items()},
        "commit": run.code.commit,
        "dirty": run.code.dirty,
        "diff": run.code.diff,
        "environment": run.environment.digest,
        "python": run.environment.python,
        "author": run.author,
        "started_at": run.started_at,
    }


def _model_facts(connection: Connection, occurrences: Sequence[str]) -> dict[str, dict[str, Any]]:
    columns = schema.model_versions.c
    rows = connection.execute(select(columns.occurrence, columns.body, columns.digest).where(columns.occurrence.in_(occurrences)))
    return {row.occurrence: {"format": json.loads(row.body).get("format", ""), "digest": row.digest} for row in rows}


def _sources(connection: Connection, dataset: Node, runs: Sequence[str]) -> Iterator[Node]:
    columns = schema.dataset_versions.c
    row = connection.execute(select(columns.body).where(columns.occurrence == dataset.id)).first()
    body = json.loads(row.body) if row else {}
    origin = str(body.get("source", ""))
    found = False
    for edge in _files_read(connection, dataset.id, runs):
        found = True
        path = os.fsdecode(edge["path"]).encode("utf-8", "replace").decode()
        detail = {
            "path": path,
            "digest": edge["digest"],
            "size": edge["size"],
            "md5": _md5(body, dataset, path),
            "source": origin,
            "dataset": dataset.label,
        }
        yield Node(id=f"{dataset.id}:{path}", kind="source", label=path, reference=dataset.reference, detail=detail, at=dataset.at)
    if origin and not found:
        detail = {"path": dataset.detail["path"], "digest": dataset.detail["digest"], "source": origin, "dataset": dataset.label, "md5": ""}
        yield Node(id=f"{dataset.id}:source", kind="source", label=origin, reference=dataset.reference, detail=detail, at=dataset.at)


def _files_read(connection: Connection, dataset: str, runs: Sequence[str]) -> Sequence[RowMapping]:
    """Files of the dataset that any of the runs read, each once."""
    columns = schema.edges.c
    query = (
        select(columns.path, columns.digest, columns.size)
        .distinct()
        .where(columns.target == dataset, columns.source.in_(runs), columns.relation == USED, columns.path != b"")
    )
    return connection.execute(query.order_by(columns.path).limit(_MOST_FILES)).mappings().all()


def _md5(body: Mapping[str, Any], dataset: Node, path: str) -> str:
    """The MD5 of a path as the project knows it; a version keeps them by the path inside the dataset."""
    known: Mapping[str, str] = body.get("md5", {})
    inside = path.removeprefix(str(dataset.detail["path"]).rstrip("/") + "/")
    return known.get(inside) or known.get(path) or known.get(os.path.basename(path)) or ""
