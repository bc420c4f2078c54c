"""A saved view: its name leads to what it shows."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from lineal.interfaces.web.links import place
from lineal.interfaces.web.pages import Visit


def view_page(visit: Visit) -> Response:
    """Goes to the page of runs as the view has it."""
    view = visit.workspace.views.get(visit.path["view"])
    return RedirectResponse(f"{place('/runs')}?{view.query}", status_code=307)
