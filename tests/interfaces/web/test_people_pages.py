"""Who may do what, on the pages of a real server in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.lineal_server import RunningServer, admin_token, start_server

pytestmark = pytest.mark.real("chromium")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, httpx.Client]]:
    """A server with thirty projects and two people, and its admin's client."""
    server = start_server(tmp_path_factory.mktemp("people") / "server")
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {admin_token(server)}"}) as client:
        for number in range(30):
            client.post("/api/v1/server/projects", json={"name": f"project-{number}"}).raise_for_status()
        for name in ("ann", "bob"):
            client.post("/api/v1/server/users", json={"name": name}).raise_for_status()
        for number in range(0, 30, 3):
            client.put(f"/api/v1/server/users/ann/roles/project-{number}", json={"role": "reader"}).raise_for_status()
        yield server, client
    server.kill()


@pytest.fixture(params=[1280, 400])
def signed_in(request: pytest.FixtureRequest, team: tuple[RunningServer, httpx.Client], watch: Callable[[int, str], Any]) -> Iterator[Any]:
    server, client = team
    found = watch(request.param, server.url)
    page = found.open("/sign-in")
    page.fill("[name=code]", client.headers["authorization"].removeprefix("Bearer "))
    page.click("form.sign-in button")
    page.wait_for_url(f"{server.url}/")
    yield found
    found.context.close()


def members(client: httpx.Client, project: str) -> dict[str, str]:
    found: dict[str, str] = client.get(f"/projects/{project}/api/v1/members").json()["members"]
    return {name: role for name, role in found.items() if name in {"ann", "bob"}}


def test_members_come_change_and_go_on_a_page(signed_in: Any, team: tuple[RunningServer, httpx.Client]) -> None:
    _server, client = team
    page = signed_in.open("/projects/project-1/members")
    page.click("[data-dialog=new-member]")
    page.fill("[name=user]", "bob")
    with page.expect_navigation():
        page.click("#new-member button.primary")
    assert members(client, "project-1") == {"bob": "contributor"}
    with page.expect_response("**/members/bob"):
        page.select_option("select[aria-label='Role of bob']", "maintainer")
    assert members(client, "project-1") == {"bob": "maintainer"}
    page.on("dialog", lambda asked: asked.accept())
    with page.expect_navigation():
        page.click("button.danger")
    assert members(client, "project-1") == {}
    signed_in.check("members")


def test_people_are_listed_with_their_roles_however_many_projects_there_are(signed_in: Any, team: tuple[RunningServer, httpx.Client]) -> None:
    _server, client = team
    page = signed_in.open("/people")
    assert page.locator("#users thead th").count() == 4
    assert page.locator("tr", has_text="ann").locator(".pair").count() == 10
    page.click("[data-dialog='role-of-bob']")
    page.select_option("#role-of-bob [name=project]", "project-7")
    with page.expect_navigation():
        page.click("#role-of-bob button.primary")
    assert members(client, "project-7") == {"bob": "contributor"}
    client.put("/projects/project-7/api/v1/members/bob", json={"role": ""}).raise_for_status()
    signed_in.check("people")


def test_a_new_token_is_in_the_list_while_its_secret_is_shown(signed_in: Any) -> None:
    page = signed_in.open("/account")
    before = page.locator("#tokens tbody tr").count()
    page.click("[data-dialog=new-token]")
    page.fill("#new-token [name=note]", "for the list")
    page.click("#new-token button.primary")
    page.wait_for_function("count => document.querySelectorAll('#tokens tbody tr').length === count", arg=before + 1)
    assert page.inner_text("[data-shown] .command").startswith("ln_")
    assert "for the list" in page.inner_text("#tokens tbody tr:first-child")
    signed_in.check("account")
