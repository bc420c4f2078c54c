"""Who did what, and the way from a reference to its page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from lineal.errors import Conflict, LinealError, NotFound
from lineal.interfaces.web.links import node_page, place, reference_page, with_query
from lineal.interfaces.web.pages import Page, Visit
from lineal.interfaces.web.searching import typed

EVENTS = 100
STRIDE = 500
FARTHEST = 20_000
_GONE, _BACK = ".deleted", ".undeleted"


def audit_page(visit: Visit) -> Page:
    """Events, newest first."""
    subject, action, actor = visit.word("subject"), visit.word("action"), visit.word("actor")
    before = visit.number("before", 0, most=2**62) or None
    found, last = _matching(visit, subject=subject, action=action, actor=actor, before=before)
    shown = [_event(event) for event in found[:EVENTS]]
    at = shown[-1]["sequence"] if len(found) > EVENTS else last
    words = {"subject": subject, "action": action, "actor": actor}
    context = {
        "events": shown,
        "words": words,
        "subject": subject,
        "filtered": any(words.values()),
        "older": with_query(place("/audit"), {**words, "before": at}) if at else "",
        "before": before,
        "deleted": _still_deleted(visit, shown),
    }
    return Page(template="audit.html", title="Audit", rail="audit", value={"events": shown}, context=context)


def _matching(visit: Visit, *, subject: str, action: str, actor: str, before: int | None) -> tuple[list[dict[str, Any]], int | None]:
    """A page of events and one more, and where the search stopped if it did not come to the end."""
    found: list[dict[str, Any]] = []
    for _ in range(FARTHEST // STRIDE):
        events = [dict(event) for event in visit.workspace.audit.events(subject=subject, limit=STRIDE, before=before)]
        found += [event for event in events if action in str(event["action"]) and (not actor or event["actor"] == actor)]
        if len(events) < STRIDE:
            return found, None
        before = int(events[-1]["sequence"])
        if len(found) > EVENTS:
            return found, None
    return found, before


def _still_deleted(visit: Visit, shown: list[dict[str, Any]]) -> set[int]:
    """The shown deletions that nothing took back since, whatever the page leaves out."""
    subjects = dict.fromkeys(str(event["subject"]) for event in shown if str(event["action"]).endswith(_GONE))
    latest = (_latest(visit, subject) for subject in subjects)
    return {int(event["sequence"]) for event in latest if str(event["action"]).endswith(_GONE)}


def _latest(visit: Visit, subject: str) -> Mapping[str, Any]:
    """The last that was said of a thing's being deleted or not."""
    events = visit.workspace.audit.events(subject=subject, limit=STRIDE)
    return next(event for event in events if str(event["action"]).endswith((_GONE, _BACK)))


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
