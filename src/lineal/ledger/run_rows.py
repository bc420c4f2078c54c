"""Turns rows into `Run` records, for many runs at once: a fixed number of queries however many there are."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from lineal.ledger.portable import pieces
from lineal.ledger.schema import dataset_versions, edges, environments, metrics, occurrences, params, tags
from lineal.records.digest import Digest
from lineal.records.graph import GENERATED, USED
from lineal.records.run import Capture, Code, Environment, FileUse, Metric, Param, Run, RunStatus
from lineal.records.values import decode_value

Parts = Mapping[str, Mapping[str, Any]]
"""What belongs to runs, by table and then by run id."""


def runs_of(connection: Connection, rows: Sequence[RowMapping]) -> tuple[Run, ...]:
    """The runs of rows of the ``runs`` table, in their order, with everything that belongs to them."""
    ids = [row["id"] for row in rows]
    parts: Parts = {
        "params": _params(connection, ids),
        "metrics": _metrics(connection, ids),
        "tags": _tags(connection, ids),
        "inputs": _uses(connection, ids, USED),
        "outputs": _uses(connection, ids, GENERATED),
    }
    bodies = _environments(connection, {row["environment"] for row in rows if row["environment"]})
    return tuple(_run(row, {name: found.get(row["id"], {}) for name, found in parts.items()}, bodies) for row in rows)


def number_of(value: float | None) -> float:
    """A stored number, where NULL stands for NaN."""
    return float("nan") if value is None else float(value)


def _run(row: RowMapping, parts: Mapping[str, Any], bodies: Mapping[str, Environment]) -> Run:
    return Run(
        id=row["id"],
        name=row["name"],
        status=RunStatus(row["status"]),
        number=row["number"],
        project=row["project_id"],
        experiment=row["experiment"],
        command=tuple(json.loads(row["command"])),
        folder=row["folder"],
        author=row["author"],
        host=row["host"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        exit_code=row["exit_code"],
        params=parts["params"],
        metrics=parts["metrics"],
        tags=parts["tags"],
        inputs=tuple(parts["inputs"]),
        outputs=tuple(parts["outputs"]),
        code=_code(json.loads(row["code"])),
        environment=bodies.get(row["environment"], Environment()),
        capture=_capture(json.loads(row["capture"])),
        cpu_seconds=row["cpu_seconds"],
        peak_memory_bytes=row["peak_memory_bytes"],
        mistake=row["mistake"],
        note=row["note"],
        warnings=tuple(json.loads(row["warnings"])),
        log=None if row["log"] is None else Digest(row["log"]),
        attempt=row["attempt"],
        parent=row["parent"],
        deleted_at=row["deleted_at"],
    )


def _params(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Param]]:
    found: dict[str, dict[str, Param]] = defaultdict(dict)
    for piece in pieces(ids):
        for row in connection.execute(select(params).where(params.c.run_id.in_(piece)).order_by(params.c.key)).mappings():
            found[row["run_id"]][row["key"]] = Param(value=decode_value(row["type"], row["text"]), origin=row["origin"])
    return found


def _metrics(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Metric]]:
    found: dict[str, dict[str, Metric]] = defaultdict(dict)
    for piece in pieces(ids):
        query = select(metrics).where(metrics.c.run_id.in_(piece)).order_by(metrics.c.key, metrics.c.rank)
        for row in connection.execute(query).mappings():
            found[row["run_id"]].setdefault(row["key"], _metric(row))  # the lowest rank that logged it: rank 0, where it did
    return found


def _metric(row: RowMapping) -> Metric:
    return Metric(
        last=number_of(row["last"]),
        minimum=number_of(row["minimum"]),
        maximum=number_of(row["maximum"]),
        points=row["points"],
        last_step=row["last_step"],
        best_step=row["best_step"],
        on=row["on"],
    )


def _tags(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for piece in pieces(ids):
        for row in connection.execute(select(tags).where(tags.c.run_id.in_(piece)).order_by(tags.c.key)).mappings():
            found[row["run_id"]][row["key"]] = row["value"]
    return found


_OCCURRENCE = (
    occurrences.c.id,
    occurrences.c.root.label("node_root"),
    occurrences.c.path.label("node_path"),
    occurrences.c.digest.label("node_digest"),
    occurrences.c.size.label("node_size"),
    occurrences.c.restorable,
)
_VERSION = (dataset_versions.c.name.label("dataset"), dataset_versions.c.number.label("version"), dataset_versions.c.commit)


def _uses(connection: Connection, ids: Sequence[str], relation: str) -> dict[str, list[FileUse]]:
    activity, entity = (edges.c.source, edges.c.target) if relation == USED else (edges.c.target, edges.c.source)
    found: dict[str, list[FileUse]] = defaultdict(list)
    joined = edges.join(occurrences, entity == occurrences.c.id).outerjoin(dataset_versions, dataset_versions.c.occurrence == occurrences.c.id)
    for piece in pieces(ids):
        of_these: ColumnElement[bool] = activity.in_(piece)
        query = select(activity.label("run"), edges, *_OCCURRENCE, *_VERSION).select_from(joined).where(of_these, edges.c.relation == relation)
        for row in connection.execute(query.order_by(occurrences.c.path, edges.c.path)).mappings():
            found[row["run"]].append(_use(row))
    return found


def _use(row: RowMapping) -> FileUse:
    inside = bool(row["path"])
    path: bytes = row["path"] if inside else row["node_path"]
    detail = json.loads(row["detail"])
    digest = row["digest"] if inside else row["node_digest"]
    return FileUse(
        path=os.fsdecode(path),
        digest=None if digest is None else Digest(digest),
        size=row["size"] if inside else row["node_size"],
        root=row["root"] if inside else row["node_root"],
        path_b64="" if _is_utf8(path) else base64.b64encode(path).decode(),
        role=row["role"],
        role_origin=detail.get("role_origin", "declared"),
        declared=detail.get("declared", False),
        restorable=row["restorable"],
        dataset=_reference(row),
        occurrence=row["id"],
        note=detail.get("note", ""),
        through=detail.get("told", {}).get("through", ""),
        facts={key: known for key, known in detail.get("told", {}).items() if key != "through"},
    )


def _reference(row: RowMapping) -> str:
    if not row["dataset"]:
        return ""
    version = row["version"] or f"~{row['commit'].partition(':')[2][:4]}"
    return f"{row['dataset']}@{version}"


def _environments(connection: Connection, digests: set[str]) -> dict[str, Environment]:
    found: dict[str, Environment] = {}
    for piece in pieces(sorted(digests)):
        for row in connection.execute(select(environments).where(environments.c.digest.in_(piece))).mappings():
            body = json.loads(row["body"])
            body["gpus"] = tuple(body.get("gpus", ()))
            found[row["digest"]] = Environment(**{**_known(Environment, body), "digest": Digest(row["digest"])})
    return found


def _code(body: dict[str, Any]) -> Code:
    return Code(**_known(Code, body))


def _capture(body: dict[str, Any]) -> Capture:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in _known(Capture, body).items()}
    return Capture(**fields)


def _known(record: type[Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Only the fields that this version knows: a newer writer may have said more."""
    return {key: value for key, value in body.items() if key in _names(record)}


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def _names(record: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(record))
