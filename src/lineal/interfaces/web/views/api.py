"""The page to try the API: drawn in the browser from the API's own description."""

from __future__ import annotations

from lineal.interfaces.web.pages import Page, Visit

DESCRIPTION = "/api/v1/openapi.json"


def api_page(visit: Visit) -> Page:
    """Every operation with a form to send it; what it may do is what whoever looks at it may do."""
    address = visit.base + DESCRIPTION
    return Page(template="api.html", title="API", value={"description": address}, context={"description": address})
