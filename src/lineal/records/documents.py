"""Records as JSON documents: what every ``--json`` and every page's ``.json`` twin prints. Keys are documented in docs/reference/json.md."""

from __future__ import annotations

import base64
import dataclasses
import os
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from lineal.records.graph import Graph
from lineal.records.run import Run
from lineal.records.values import plain


def document(value: object) -> Any:
    """Any record as JSON's types: dataclasses become objects, bytes text (with ``<key>_b64`` beside it where not UTF-8), NaN ``"NaN"``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _record(value)
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, frozenset | set):
        return sorted(document(item) for item in value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [document(item) for item in value]
    return _scalar(value)


def run_document(run: Run) -> dict[str, Any]:
    """A run: ``params`` maps names to values and ``metrics`` to last values; origins and extremes stand beside them."""
    fields = _object({field.name: getattr(run, field.name) for field in dataclasses.fields(run)})
    fields["params"] = {key: plain(param.value) for key, param in run.params.items()}
    fields["param_origins"] = {key: param.origin for key, param in run.params.items()}
    fields["metrics"] = {key: plain(metric.last) for key, metric in run.metrics.items()}
    fields["metric_details"] = {key: document(metric) for key, metric in run.metrics.items()}
    return fields


def graph_document(graph: Graph) -> dict[str, Any]:
    """A graph: ``nodes`` with at least id, kind and label, ``edges`` with source, target and relation."""
    return {
        "nodes": [document(node) for node in graph.nodes],
        "edges": [document(edge) for edge in graph.edges],
        "truncated": graph.truncated,
        "focus": graph.focus,
    }


def _record(value: Any) -> dict[str, Any]:
    if isinstance(value, Run):
        return run_document(value)
    if isinstance(value, Graph):
        return graph_document(value)
    return _object({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})


def _scalar(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return os.fsdecode(value).encode("utf-8", "replace").decode()
    return plain(value)


def _object(fields: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in fields.items():
        found[str(key)] = document(value)
        if isinstance(value, bytes) and not _is_utf8(value):
            found[f"{key}_b64"] = base64.b64encode(value).decode()
    return found


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
