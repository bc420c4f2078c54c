"""Lineage, the guard and the record of events over HTTP."""

from __future__ import annotations

from typing import Any

from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import NUMBER, TEXT, Endpoint, parameter, required
from lineal.records.access import Role

MOST_NODES = 5000
MOST_EVENTS = 1000


def get_graph(call: Call) -> Any:
    """The graph around one thing, or the newest part of the project's."""
    limit = call.number("limit", MOST_NODES, least=1, most=MOST_NODES)
    reference = call.query.get("ref", "")
    if not reference:
        return call.workspace.lineage.project(limit=limit)
    direction = call.choice("direction", ("up", "down", "both"))
    return call.workspace.lineage.graph(
        reference, down=direction == "down", both=direction == "both", depth=call.optional_number("depth"), limit=limit
    )


def get_trace(call: Call) -> Any:
    """From a prediction back to the source."""
    return {"nodes": call.workspace.lineage.trace(call.need("prediction"))}


def plan_deletion(call: Call) -> Any:
    """What would fall with something, or why it may not."""
    return call.workspace.lineage.plan_deletion(call.need("ref"))


def delete(call: Call) -> Any:
    """Carries a plan out if nothing changed since."""
    return call.workspace.lineage.delete(call.field("ref"), call.field("plan"))


def undelete(call: Call) -> Any:
    """Takes a deletion back."""
    return {"nodes": call.workspace.lineage.undelete(call.field("ref"))}


def resolve(call: Call) -> Any:
    """The one thing a reference names."""
    return call.workspace.resolve(call.need("ref"), kinds=tuple(kind for kind in call.query.get("kinds", "").split(",") if kind))


def list_events(call: Call) -> Any:
    """Who did what, newest first."""
    events = call.workspace.audit.events(
        subject=call.query.get("subject", ""), limit=call.number("limit", 200, least=1, most=MOST_EVENTS), before=call.optional_number("before")
    )
    return {"events": events}


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/lineage",
        summary="The graph",
        handler=get_graph,
        group="lineage",
        role=Role.READER,
        query=(
            parameter("ref", "start here; the whole project's newest part unless given"),
            parameter("direction", "up (where it came from), down (what came of it) or both"),
            parameter("depth", "so many steps; all unless given", NUMBER),
            parameter("limit", "at most so many nodes", NUMBER),
        ),
    ),
    Endpoint(
        method="GET",
        path="/lineage/trace",
        summary="From a prediction back to the source",
        handler=get_trace,
        group="lineage",
        role=Role.READER,
        query=(required("prediction", "its id"),),
    ),
    Endpoint(
        method="GET",
        path="/lineage/plan",
        summary="What would fall with something",
        handler=plan_deletion,
        group="lineage",
        role=Role.READER,
        query=(required("ref", "what is to go"),),
    ),
    Endpoint(
        method="POST",
        path="/lineage/delete",
        summary="Delete, by plan",
        handler=delete,
        group="lineage",
        role=Role.MAINTAINER,
        body={"ref": TEXT, "plan": TEXT},
        required=("ref", "plan"),
    ),
    Endpoint(
        method="POST",
        path="/lineage/undelete",
        summary="Take a deletion back",
        handler=undelete,
        group="lineage",
        role=Role.MAINTAINER,
        body={"ref": TEXT},
        required=("ref",),
    ),
    Endpoint(
        method="GET",
        path="/resolve",
        summary="The one thing a reference names",
        handler=resolve,
        group="lineage",
        role=Role.READER,
        query=(required("ref", "such as run:3f2a or flights@1"), parameter("kinds", "what it may be, such as run,model; anything unless given")),
    ),
    Endpoint(
        method="GET",
        path="/events",
        summary="Who did what",
        handler=list_events,
        group="audit",
        role=Role.READER,
        query=(
            parameter("subject", "only of this reference"),
            parameter("before", "sequence to page from", NUMBER),
            parameter("limit", "at most so many", NUMBER),
        ),
    ),
)
