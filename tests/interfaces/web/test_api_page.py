"""The page that tries the API, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.lineal_server import RunningServer, admin_token

from lineal.interfaces.http.people import SERVER_ENDPOINTS
from lineal.interfaces.http.routes import ENDPOINTS

pytestmark = pytest.mark.real("chromium")


def test_every_operation_is_listed_and_has_a_form(watched: Any) -> None:
    page = watched.open("/api")
    assert page.locator("details.operation").count() == len(ENDPOINTS)
    for number in range(len(ENDPOINTS)):
        page.evaluate("number => { document.querySelectorAll('details.operation')[number].open = true; }", number)
    page.wait_for_function("count => document.querySelectorAll('form.operation-form').length === count", arg=len(ENDPOINTS))
    for endpoint in ENDPOINTS:
        form = page.locator(f"details#{endpoint.operation} form")
        names = form.locator("[name]").evaluate_all("inputs => inputs.map(input => input.name)")
        assert set(names) >= {word.name for word in endpoint.query} | set(endpoint.body)
        assert form.locator(".notice.warn").count() == endpoint.changes
        assert f"role {endpoint.role.value}" in form.inner_text()
    watched.check("/api")


def test_what_is_sought_is_left(wide: Any) -> None:
    page = wide.open("/api")
    page.fill("[data-api-find]", "post annotate")
    assert page.locator("details.operation:visible").count() == 1
    assert page.locator("[data-api-count]").inner_text() == "1"
    assert page.locator(".operations section:visible h2").all_inner_texts() == ["runs"]


def test_a_link_opens_its_operation_and_an_answer_is_shown(wide: Any) -> None:
    page = wide.open("/api#search_runs")
    form = page.locator("#search_runs form")
    form.locator("[name=where]").fill("params.max_depth = 4")
    form.locator("[name=limit]").fill("1")
    form.locator("button").click()
    page.wait_for_selector("#search_runs .answer > pre")
    answer = form.locator(".answer").inner_text()
    assert "200" in answer
    assert "GET /api/v1/runs?where=params.max_depth+%3D+4&limit=1" in answer
    assert '"max_depth": 4' in answer
    assert "content-type: application/json" in form.locator(".answer details pre").text_content()
    wide.check("answered")


def test_a_refusal_is_an_answer_too_and_what_was_typed_stays(wide: Any) -> None:
    page = wide.open("/api#get_run")
    page.fill("#get_run [name=run]", "ffffffff")
    page.click("#get_run form button")
    page.wait_for_selector("#get_run .answer > pre")
    assert "404" in page.inner_text("#get_run .answer")
    assert '"kind": "unknown-reference"' in page.inner_text("#get_run .answer")
    assert page.input_value("#get_run [name=run]") == "ffffffff"


def test_a_field_of_json_that_is_none_is_not_sent(wide: Any, workspace: Any) -> None:
    page = wide.open("/api#annotate_run")
    page.fill("#annotate_run [name=run]", next(iter(workspace.runs.all)))
    page.fill("#annotate_run [name=tags]", "{a: b}")
    page.click("#annotate_run form button")
    page.wait_for_selector("#annotate_run .answer .notice.bad")
    assert page.inner_text("#annotate_run .answer") == "tags is not JSON"


def test_on_a_server_it_acts_as_who_is_signed_in(new_server: Callable[..., RunningServer], watch: Any) -> None:
    server = new_server()
    token = admin_token(server)
    watched = watch(400, server.url)
    page = watched.open("/sign-in")
    page.fill("[name=code]", token)
    page.click("form.sign-in button")
    page.wait_for_url(f"{server.url}/")
    page = watched.open("/api#create_project")
    assert page.url.startswith(f"{server.url}/projects/default/api")
    assert page.locator("details.operation").count() == len(ENDPOINTS) + len(SERVER_ENDPOINTS)
    assert "changes the server" in page.inner_text("#create_project")
    page.fill("#create_project [name=name]", "flights")
    page.click("#create_project form button")
    page.wait_for_selector("#create_project .answer > pre")
    watched.check("/api")
    found = httpx.get(f"{server.url}/api/v1/server/projects", headers={"authorization": f"Bearer {token}"}).json()["projects"]
    assert {project["name"] for project in found} == {"default", "flights"}
