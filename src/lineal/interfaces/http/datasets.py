"""Data over HTTP."""

from __future__ import annotations

from typing import Any, BinaryIO

from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import NUMBER, Endpoint, parameter, required

MOST_ENTRIES = 10_000


def list_datasets(call: Call) -> Any:
    """Every dataset."""
    return {"datasets": call.workspace.datasets.list()}


def list_versions(call: Call) -> Any:
    """The versions of a dataset."""
    return {"versions": call.workspace.datasets.versions(call.path["name"])}


def get_dataset_version(call: Call) -> Any:
    """One version."""
    return call.workspace.datasets.get(call.path["reference"])


def list_entries(call: Call) -> Any:
    """Paths of a version, in order; page with ``after``, the last path seen."""
    entries = call.workspace.datasets.entries(
        call.path["reference"],
        prefix=call.query.get("prefix", ""),
        limit=call.number("limit", 1000, least=1, most=MOST_ENTRIES),
        after=call.query.get("after", ""),
    )
    return {"entries": entries}


def get_entry(call: Call) -> BinaryIO:
    """The bytes of one file of a version."""
    return call.workspace.datasets.open(call.path["reference"], call.need("path"))


def diff_versions(call: Call) -> Any:
    """What differs between two versions."""
    return call.workspace.datasets.diff(call.need("before"), call.need("after"))


ENDPOINTS = (
    Endpoint(method="GET", path="/datasets", summary="Every dataset", handler=list_datasets, group="datasets"),
    Endpoint(
        method="GET",
        path="/datasets/diff",
        summary="What differs between two versions",
        handler=diff_versions,
        group="datasets",
        query=(required("before", "such as flights@1"), required("after", "such as flights@2")),
    ),
    Endpoint(method="GET", path="/datasets/{name}/versions", summary="The versions of a dataset", handler=list_versions, group="datasets"),
    Endpoint(method="GET", path="/datasets/{reference}", summary="One version, such as flights@1", handler=get_dataset_version, group="datasets"),
    Endpoint(
        method="GET",
        path="/datasets/{reference}/entries",
        summary="The paths of a version",
        handler=list_entries,
        group="datasets",
        query=(
            parameter("prefix", "paths that begin so"),
            parameter("after", "paths behind this one"),
            parameter("limit", "at most so many", NUMBER),
        ),
    ),
    Endpoint(
        method="GET",
        path="/datasets/{reference}/file",
        summary="The bytes of one file",
        handler=get_entry,
        group="datasets",
        query=(required("path", "inside the version"),),
        answers="application/octet-stream",
    ),
)
