"""Who did what, and the way from a reference to its page."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import RedirectResponse, Response

from lineal.errors import Conflict, LinealError, NotFound
from lineal.interfaces.web.links import node_page, reference_page, with_query
from lineal.interfaces.web.pages import Page, Visit
from lineal.interfaces.web.searching import typed

EVENTS = 100


def audit_page(visit: Visit) -> Page:
    """Events, newest first."""
    subject = visit.word("subject")
    before = visit.number("before", 0, most=2**62) or None
    events = list(visit.workspace.audit.events(subject=subject, limit=EVENTS + 1, before=before))
    shown = [_event(dict(event)) for event in events[:EVENTS]]
    older = with_query("/audit", {"subject": subject, "before": shown[-1]["sequence"]}) if len(events) > EVENTS else ""
    context = {"events": shown, "subject": subject, "older": older, "before": before}
    return Page(template="audit.html", title="Audit", rail="audit", value={"events": shown}, context=context)


def search_page(visit: Visit) -> Page | Response:
    """Goes to the page of the one thing a text names; lists what it could be otherwise."""
    text = visit.word("q")
    if not text:
        return Page(template="search.html", title="Search", value={"q": "", "runs": []}, context={"q": text})
    trouble = ""
    try:
        node = visit.workspace.resolve(text)
    except Conflict as error:
        trouble = str(error)
    except NotFound:
        trouble = ""
    except LinealError as error:
        trouble = error.message
    else:
        return _found(visit, node_page(node), node)
    return _listed(visit, text, trouble)


def _found(visit: Visit, address: str, node: Any) -> Page | Response:
    if visit.as_json:
        return Page(template="search.html", title="Search", value={"page": address, "node": node})
    return RedirectResponse(address, status_code=303)


def _listed(visit: Visit, text: str, trouble: str) -> Page:
    runs, total = _runs(visit, text)
    datasets = [dataset for dataset in visit.workspace.datasets.list() if text.lower() in dataset.name.lower()]
    models = [model for model in visit.workspace.models.list() if text.lower() in model.name.lower()]
    deployments = [each for each in visit.workspace.deployments.list(stopped=True) if text.lower() in each.name.lower()]
    value = {"q": text, "runs": runs, "datasets": datasets, "models": models, "deployments": deployments, "trouble": trouble}
    return Page(template="search.html", title=f"Search: {text}", value=value, context={**value, "total": total})


def _runs(visit: Visit, text: str) -> tuple[Any, int]:
    try:
        found = visit.workspace.runs.search(where=typed(text), limit=20)
    except LinealError:
        return (), 0
    return found.runs, found.total


def _event(event: dict[str, Any]) -> dict[str, Any]:
    payload = event.get("payload")
    if isinstance(payload, str):
        try:
            event["payload"] = json.loads(payload)
        except ValueError:
            event["payload"] = {"text": payload}
    event["page"] = reference_page(str(event.get("subject", "")))
    return event
