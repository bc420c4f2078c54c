"""What would fall with something, before it does; or why it may not."""

from __future__ import annotations

from collections import Counter

from lineal.errors import InvalidInput
from lineal.interfaces.web.drawing import draw_path
from lineal.interfaces.web.links import node_page
from lineal.interfaces.web.pages import Page, Visit

SHOWN = 100


def delete_page(visit: Visit) -> Page:
    """The preview of a deletion. It is carried out by the plan's hash, and only if nothing changed since."""
    reference = visit.word("ref")
    if not reference:
        raise InvalidInput("the address names nothing to delete", kind="missing-parameter", hint="Open it from the page of what is to go.")
    plan = visit.workspace.lineage.plan_deletion(reference)
    context = {
        "plan": plan,
        "reference": reference,
        "counts": Counter(node.kind for node in plan.falls).most_common(),
        "falls": [(node, node_page(node)) for node in plan.falls[:SHOWN]],
        "drawing": draw_path(plan.path),
        "running": [(node, node_page(node)) for node in plan.running],
    }
    return Page(template="delete.html", title=f"Delete {reference}", value=plan, context=context)
