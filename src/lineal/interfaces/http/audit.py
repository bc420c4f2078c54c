"""Whether what is stored is sound, what of it nobody needs, and what project it is, over HTTP."""

from __future__ import annotations

from typing import Any

from lineal.errors import InvalidInput
from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import NUMBER, Endpoint, Schema, parameter
from lineal.records.access import Role

SECONDS: Schema = {"type": "number", "minimum": 0}


def get_project(call: Call) -> Any:
    """The project's name and id: what a folder of another machine needs to work with it."""
    return {"name": call.workspace.project, "id": call.workspace.project_id, "role": call.principal.role, "user": call.principal.name}


def check_all(call: Call) -> Any:
    """Everything that `lineal fsck` looks at."""
    return {"reports": call.workspace.audit.check(progress=call.progress)}


def rebuild(call: Call) -> Any:
    """Makes the ledger's rows of dataset versions anew where they are missing."""
    return {"added": call.workspace.audit.rebuild(progress=call.progress)}


def repair(call: Call) -> Any:
    """Mends what can be mended of the store."""
    return {"done": call.workspace.audit.repair(progress=call.progress)}


def verify(call: Call) -> Any:
    """Reads a version back, or every one; or only a share of it, that the seed chooses."""
    share = _number(call, "share")
    if share is None:
        return {"reports": call.workspace.datasets.verify(call.query.get("ref", ""), progress=call.progress)}
    if not 0 < share <= 1:
        raise InvalidInput(f"share must be above 0 and at most 1, got {share}", kind="bad-parameter")
    seed = call.number("seed", 0, most=2**63 - 1)
    return {"reports": call.workspace.datasets.verify_sample(call.query.get("ref", ""), share=share, seed=seed, progress=call.progress)}


def preview_collection(call: Call) -> Any:
    """What a collection would free; changes nothing."""
    return call.workspace.datasets.preview_collection(grace=_number(call, "grace"), progress=call.progress)


def collect(call: Call) -> Any:
    """Frees what nobody needs any more."""
    grace = call.body.get("grace")
    if grace is not None and (isinstance(grace, bool) or not isinstance(grace, int | float) or grace < 0):
        raise InvalidInput("the body's field grace must be a number of seconds", kind="bad-body")
    return call.workspace.datasets.collect(grace=grace, progress=call.progress)


def _number(call: Call, name: str) -> float | None:
    """A number of at least 0 of the query; None where it is not given."""
    text = call.query.get(name, "")
    try:
        found = float(text) if text else None
    except ValueError:
        found = -1.0
    if found is not None and not 0 <= found < float("inf"):
        raise InvalidInput(f"{name} must be a number of at least 0, got {text!r}", kind="bad-parameter")
    return found


ENDPOINTS = (
    Endpoint(method="GET", path="/project", summary="Which project this is", handler=get_project, group="project", role=Role.READER),
    Endpoint(
        method="GET", path="/check", summary="Check everything that is stored", handler=check_all, group="audit", role=Role.MAINTAINER, slow=True
    ),
    Endpoint(
        method="GET",
        path="/verify",
        summary="Read a version back, or every one",
        handler=verify,
        group="audit",
        role=Role.READER,
        query=(
            parameter("ref", "the version; every one unless given"),
            parameter("share", "how much of it, up to 1; all unless given", SECONDS),
            parameter("seed", "chooses what is read", NUMBER),
        ),
        slow=True,
    ),
    Endpoint(method="POST", path="/rebuild", summary="Add rows that are missing", handler=rebuild, group="audit", role=Role.MAINTAINER, slow=True),
    Endpoint(method="POST", path="/repair", summary="Mend the store", handler=repair, group="audit", role=Role.MAINTAINER, slow=True),
    Endpoint(
        method="GET",
        path="/garbage",
        summary="What a collection would free",
        handler=preview_collection,
        group="audit",
        role=Role.READER,
        query=(parameter("grace", "seconds that what is condemned waits", SECONDS),),
        slow=True,
    ),
    Endpoint(
        method="POST",
        path="/garbage",
        summary="Free what nobody needs",
        handler=collect,
        group="audit",
        role=Role.MAINTAINER,
        body={"grace": SECONDS},
        slow=True,
    ),
)
