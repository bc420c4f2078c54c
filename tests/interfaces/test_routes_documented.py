"""Every route is documented, and no documented route is missing."""

import re
from pathlib import Path

from lineal.interfaces.http.people import SERVER_ENDPOINTS
from lineal.interfaces.http.routes import ENDPOINTS
from lineal.interfaces.http.table import PREFIX
from lineal.interfaces.web.entrance import OUTER_PAGES
from lineal.interfaces.web.routes import PAGES, PARTS

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "routes.md").read_text(encoding="utf-8")


def test_pages_and_their_parts_are_documented() -> None:
    documented = set(re.findall(r"^\| `(/[^`]*)` \|", TEXT, re.MULTILINE))
    assert documented == {path for path, _view, _role in (*PAGES, *PARTS, *OUTER_PAGES)} | {"/sign-in", "/health"}


def test_endpoints_with_their_words_are_documented() -> None:
    rows = {row[0]: row[1] for row in re.findall(r"^\| `([A-Z]+ /api[^`]*)` \|(.*)$", TEXT, re.MULTILINE)}
    known = (*ENDPOINTS, *SERVER_ENDPOINTS)
    assert set(rows) == {f"{endpoint.method} {PREFIX}{endpoint.path}" for endpoint in known} | {f"POST {PREFIX}/server/sign-in"}
    for endpoint in known:
        row = rows[f"{endpoint.method} {PREFIX}{endpoint.path}"]
        assert all(f"`{name}`" in row for name in (*(word.name for word in endpoint.query), *endpoint.body))
