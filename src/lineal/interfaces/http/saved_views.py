"""Saved views over HTTP: a contributor's own, and a maintainer's are all."""

from __future__ import annotations

from typing import Any

from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import TEXT, Endpoint
from lineal.records.access import Role


def list_views(call: Call) -> Any:
    """Every view, by name."""
    return {"views": call.workspace.views.list()}


def get_view(call: Call) -> Any:
    """One view."""
    return call.workspace.views.get(call.path["view"])


def save_view(call: Call) -> Any:
    """Keeps what the page of runs shows under a name."""
    return call.workspace.views.save(call.field("name"), call.optional_field("query") or "", others=_rules(call))


def rename_view(call: Call) -> Any:
    """Gives a view another name."""
    return call.workspace.views.rename(call.path["view"], call.field("name"), others=_rules(call))


def delete_view(call: Call) -> Any:
    """Forgets a view."""
    return call.workspace.views.delete(call.path["view"], others=_rules(call))


def _rules(call: Call) -> bool:
    return call.principal.role.covers(Role.MAINTAINER)


_GROUP = "views"

ENDPOINTS = (
    Endpoint(method="GET", path="/views", summary="List saved views", handler=list_views, group=_GROUP, role=Role.READER),
    Endpoint(
        method="POST",
        path="/views",
        summary="Save a view",
        handler=save_view,
        group=_GROUP,
        role=Role.CONTRIBUTOR,
        body={"name": TEXT, "query": TEXT},
        required=("name",),
    ),
    Endpoint(method="GET", path="/views/{view}", summary="One saved view", handler=get_view, group=_GROUP, role=Role.READER),
    Endpoint(
        method="POST",
        path="/views/{view}/rename",
        summary="Rename a view",
        handler=rename_view,
        group=_GROUP,
        role=Role.CONTRIBUTOR,
        body={"name": TEXT},
        required=("name",),
    ),
    Endpoint(method="DELETE", path="/views/{view}", summary="Delete a view", handler=delete_view, group=_GROUP, role=Role.CONTRIBUTOR),
)
