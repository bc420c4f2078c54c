"""Models over HTTP."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import TEXT, Endpoint
from lineal.records.access import Role

TAR = "application/x-tar"
_PIECE = 1 << 18


def list_models(call: Call) -> Any:
    """Every model with its versions."""
    return {"models": call.workspace.models.list()}


def get_model_version(call: Call) -> Any:
    """One version."""
    return call.workspace.models.get(call.path["reference"])


def register_model(call: Call) -> Any:
    """Makes the model of a run a version in the library."""
    return call.workspace.models.register(
        call.field("run"), name=call.field("name"), path=call.optional_field("path") or "", note=call.optional_field("note") or ""
    )


def set_alias(call: Call) -> Any:
    """Points an alias at a version."""
    return call.workspace.models.set_alias(call.path["reference"], call.path["alias"])


def export_model(call: Call) -> Iterator[bytes]:
    """The bundle of a version as a tar archive: manifest, model, reference profile."""
    with tempfile.TemporaryDirectory(prefix="lineal-export-") as folder:
        bundle = call.workspace.models.export(call.path["reference"], Path(folder) / "bundle")
        archive = Path(folder) / "bundle.tar"
        with tarfile.open(archive, "w") as writer:
            for path in sorted(bundle.rglob("*")):
                writer.add(path, arcname=str(path.relative_to(bundle)), recursive=False)
        with archive.open("rb") as stream:
            while piece := stream.read(_PIECE):
                yield piece


def remove_alias(call: Call) -> Any:
    """Takes an alias away."""
    call.workspace.models.remove_alias(call.path["reference"], call.path["alias"])
    return {"removed": call.path["alias"]}


ENDPOINTS = (
    Endpoint(method="GET", path="/models", summary="Every model", handler=list_models, group="models", role=Role.READER),
    Endpoint(
        method="GET", path="/models/{reference}", summary="One version, such as delay@1", handler=get_model_version, group="models", role=Role.READER
    ),
    Endpoint(
        method="GET",
        path="/models/{reference}/export",
        summary="The bundle of a version as a tar archive",
        handler=export_model,
        group="models",
        role=Role.READER,
        answers=TAR,
    ),
    Endpoint(
        method="POST",
        path="/models",
        summary="Register a run's model",
        handler=register_model,
        group="models",
        role=Role.CONTRIBUTOR,
        body={"run": TEXT, "name": TEXT, "path": TEXT, "note": TEXT},
        required=("run", "name"),
    ),
    Endpoint(
        method="PUT",
        path="/models/{reference}/aliases/{alias}",
        summary="Point an alias at a version",
        handler=set_alias,
        group="models",
        role=Role.MAINTAINER,
    ),
    Endpoint(
        method="DELETE",
        path="/models/{reference}/aliases/{alias}",
        summary="Take an alias away",
        handler=remove_alias,
        group="models",
        role=Role.MAINTAINER,
    ),
)
