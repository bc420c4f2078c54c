"""The whole server, as its doors show it: who gets in, where, and with which role."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.lineal_server import RunningServer, admin_token

from lineal.errors import InvalidInput, Unavailable
from lineal.interfaces.http.attempts import MOST, Attempts
from lineal.interfaces.http.entrance import OPEN
from lineal.interfaces.http.operations import Requests
from lineal.interfaces.http.people import SERVER_ENDPOINTS
from lineal.interfaces.http.routes import ENDPOINTS
from lineal.interfaces.http.table import PREFIX
from lineal.interfaces.mlflow.artifacts import PREFIX as ARTIFACTS
from lineal.interfaces.mlflow.multipart import PREFIX as MPU
from lineal.interfaces.mlflow.routes import ENTRIES, ENTRIES_3
from lineal.interfaces.web.entrance import OUTER_PAGES
from lineal.interfaces.web.routes import PAGES, PARTS
from lineal.records.access import Role
from lineal.records.hosting import SERVICE
from lineal.server import _free, _refuse_open_doors, application, project_routes, server_routes
from lineal.workspace.hosting import Hosting
from lineal.workspace.probing import Probes

HOST = "http://localhost:8500"
API = f"/projects/default{PREFIX}"


class House:
    """A server in this process, and people with every role."""

    def __init__(self, folder: Path) -> None:
        self.hosting = Hosting(folder=folder, settings={}, actor="root")
        self.app = application(self.hosting)
        people = self.hosting.people
        people.add_user("ann", admin=True)
        self.secrets = {"admin of the server": people.create_token("ann", seconds=None).secret}
        default, other = self.hosting.project("default"), self.hosting.create("other")
        for role in Role:
            people.add_user(role.value)
            people.set_role(default, role.value, role)
            self.secrets[role.value] = people.create_token(role.value, seconds=None).secret
        people.add_user("stranger")
        people.set_role(other, "stranger", Role.ADMIN)
        self.secrets["admin of another project"] = people.create_token("stranger", seconds=None).secret
        self.secrets["reading service"] = people.create_token("ci", kind=SERVICE, project=default, role=Role.READER, seconds=None).secret
        self.secrets["capped admin"] = people.create_token("ann", project=default, role=Role.READER, seconds=None).secret
        revoked = people.create_token("ann", seconds=None)
        people.revoke(revoked.token.id)
        self.secrets["revoked"] = revoked.secret
        self.secrets["expired"] = people.create_token("ann", seconds=0).secret
        self.secrets["nobody"] = ""
        self.cookies = {"signed in to read": people.begin_session("reader"), "signed in to record": people.begin_session("contributor")}

    def ask(self, method: str, path: str, *, by: str = "", client: str = "127.0.0.1", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.secrets[by]}"} if self.secrets.get(by) else {}
        if by in self.cookies:
            headers = {"cookie": f"lineal_session={self.cookies[by]}"}

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(client, 1))
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as made:
                return await made.request(method, path, headers={**headers, **options.pop("headers", {})}, **options)

        return anyio.run(go)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.hosting.close()


IN_DEFAULT = {
    "nobody": None,
    "revoked": None,
    "expired": None,
    "admin of another project": None,
    "reading service": Role.READER,
    "capped admin": Role.READER,
    "signed in to read": Role.READER,
    "signed in to record": Role.CONTRIBUTOR,
    **{role.value: role for role in Role},
    "admin of the server": Role.ADMIN,
}
"""Who has which role in the project `default`."""
BOUNDED = {"reading service", "capped admin"}
"""Whose tokens make no others."""
IN_SERVER = dict.fromkeys(IN_DEFAULT, Role.READER) | {"nobody": None, "revoked": None, "expired": None, "admin of the server": Role.ADMIN}
ROUTES = [
    *((endpoint.method, f"/projects/default{PREFIX}{endpoint.path}", endpoint.role, IN_DEFAULT) for endpoint in ENDPOINTS),
    *(("GET", f"/projects/default{path}", role, IN_DEFAULT) for path, _view, role in (*PAGES, *PARTS)),
    *((endpoint.method, PREFIX + endpoint.path, endpoint.role, IN_SERVER) for endpoint in SERVER_ENDPOINTS if endpoint.path != "/server/sign-out"),
    *(("GET", path, role, IN_SERVER) for path, _view, role in OUTER_PAGES),
    *((entry.method, f"/projects/default/api/2.0/mlflow{entry.path}", entry.role, IN_DEFAULT) for entry in ENTRIES),
    *((entry.method, f"/projects/default/api/3.0/mlflow{entry.path}", entry.role, IN_DEFAULT) for entry in ENTRIES_3),
    *(("POST", f"/projects/default{MPU}/{word}/{{path}}", Role.CONTRIBUTOR, IN_DEFAULT) for word in ("create", "complete", "abort")),
    ("PUT", f"/projects/default{MPU}/part/{{upload}}/1", Role.CONTRIBUTOR, IN_DEFAULT),
    *(("GET", f"/projects/default{path}", Role.READER, IN_DEFAULT) for path in (ARTIFACTS, f"{ARTIFACTS}/{{path}}", "/get-artifact")),
    ("PUT", f"/projects/default{ARTIFACTS}/{{path}}", Role.CONTRIBUTOR, IN_DEFAULT),
]
BODIES = {f"/projects/default{PREFIX}/store/value": {"new": "eA=="}}
"""Where an empty body asks for more than the route's least role."""
UNRULED = {
    "/api/v1/openapi.json": "tells what there is, and nothing that is in it",
    "/api/v1/server/sign-in": "who signs in has no role yet",
    "/api/v1/server/sign-out": "ends the sessions of whoever asks; a test of its own signs out",
    "/api/2.0/mlflow-artifacts/artifacts/{path:path}": "DELETE is refused to everybody; GET and PUT are in the table",
    "/api/2.0/mlflow-artifacts/mpu/part/{upload}/{number:int}": "is in the table with a number",
    "/api/3.0/mlflow/server-info": "tells what kind of server it is",
    "/favicon.ico": "an icon",
    "/api": "leads to the page of the API in a project that one may see",
    "/": "of a project: leads to its runs",
}
"""Routes without a role, and why."""


@pytest.mark.parametrize("who", IN_DEFAULT)
def test_every_route_lets_in_whom_its_role_says_and_nobody_else(who: str, house: House) -> None:
    wrong = []
    for number, (method, path, needed, roles) in enumerate(ROUTES):
        has = roles[who]
        options: dict[str, Any] = {"json": BODIES.get(path, {})} if method not in {"GET", "DELETE"} else {}
        answer = house.ask(method, re.sub(r"\{\w+\}", "none", path), by=who, client=f"10.0.{number // 250}.{number % 250}", **options)
        if has is None:
            expected = answer.status_code == (404 if who == "admin of another project" else 401)
        elif not has.covers(needed) or (who in BOUNDED and (method, path) == ("POST", "/api/v1/server/tokens")):
            expected = answer.status_code == 403 and ("forbidden" in answer.text or "takes the role" in answer.text)
        else:
            expected = answer.status_code not in {401, 403, 500}
        if not expected:
            wrong.append((method, path, answer.status_code, answer.text[:200]))
    assert wrong == []


def test_every_route_that_there_is_has_a_rule_or_a_reason() -> None:
    ruled = {re.sub(r"^/projects/default", "", path) for _method, path, _role, _roles in ROUTES}
    without = []
    for route in (*project_routes(), *server_routes(Requests())):
        path = str(getattr(route, "path", "")).replace("/ajax-api/", "/api/")
        known = ruled | {form for path in ruled for form in (f"{path}.json", f"{path}/")} | set(UNRULED) | OPEN
        if path.partition(":path}")[0] + "}" not in known and path not in known and "{rest:path}" not in path and not path.startswith("/static/"):
            without.append(path)
    assert without == []


def test_what_has_no_rule_is_still_for_those_only_who_may_see_the_project(house: House) -> None:
    for route in project_routes():
        path = re.sub(r"\{[^}]*\}", "none", str(getattr(route, "path", "")))
        for method in getattr(route, "methods", None) or ("GET",):
            options: dict[str, Any] = {"json": {}} if method not in {"GET", "HEAD"} else {}
            assert house.ask(method, f"/projects/default{path}", **options).status_code == 401, (method, path)
            stranger = house.ask(method, f"/projects/default{path}", by="admin of another project", **options)
            assert stranger.status_code == 404, (method, path)


def test_what_anybody_may_ask(house: House) -> None:
    for path in ("/health", "/ready", "/metrics", "/sign-in", "/version"):
        assert house.ask("GET", path).status_code == 200
    assert house.ask("GET", "/favicon.ico").status_code == 307


def test_a_person_goes_to_the_page_to_sign_in_and_comes_back(house: House) -> None:
    answer = house.ask("GET", "/projects/default/runs?where=a", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fprojects%2Fdefault%2Fruns%3Fwhere%3Da")
    assert 'data-then="/projects/default/runs?where=a"' in house.ask("GET", answer.headers["location"]).text
    assert 'data-then="/"' in house.ask("GET", "/sign-in?next=https://evil.example/").text


def test_a_code_opens_a_session_and_the_cookie_is_the_browsers_only(house: House) -> None:
    code = house.hosting.people.invite("contributor").code
    answer = house.ask("POST", "/api/v1/server/sign-in", json={"code": code})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Path=/"))
    assert "Secure" not in cookie
    held = {"cookie": cookie.partition(";")[0]}
    assert house.ask("GET", "/api/v1/server/me", headers=held).json()["name"] == "contributor"
    assert house.ask("GET", "/projects/default/runs", headers=held).status_code == 200
    assert house.ask("POST", "/api/v1/server/sign-in", json={"code": code}).status_code == 403
    assert house.ask("POST", "/api/v1/server/sign-out", headers=held, json={}).status_code == 200
    assert house.ask("GET", "/api/v1/server/me", headers=held).status_code == 401


def test_behind_a_proxy_that_speaks_https_the_cookie_never_goes_elsewhere(house: House) -> None:
    code = house.hosting.people.invite("reader").code
    answer = house.ask("POST", "/api/v1/server/sign-in", json={"code": code}, headers={"x-forwarded-proto": "https"})
    assert answer.headers["set-cookie"].startswith("__Host-lineal_session=")
    assert "Secure" in answer.headers["set-cookie"]


def test_a_token_signs_in_where_it_has_no_bounds(house: House) -> None:
    sign_in = "/api/v1/server/sign-in"
    assert house.ask("POST", sign_in, json={"code": house.secrets["maintainer"]}, client="10.9.0.1").status_code == 200
    for who in ("reading service", "capped admin", "revoked"):
        assert house.ask("POST", sign_in, json={"code": house.secrets[who]}, client="10.9.0.1").json()["kind"] == "bad-code"


def test_a_form_of_another_page_changes_nothing(house: House) -> None:
    code = house.hosting.people.invite("contributor").code
    cookie = house.ask("POST", "/api/v1/server/sign-in", json={"code": code}).headers["set-cookie"].partition(";")[0]
    for path in ("/api/v1/server/tokens", "/projects/default/api/v1/lineage/delete", "/api/v1/server/sign-out"):
        form = house.ask("POST", path, headers={"cookie": cookie}, data={"ref": "x"})
        assert form.status_code in {403, 415}
        foreign = house.ask("POST", path, headers={"cookie": cookie, "origin": "https://evil.example"}, json={})
        assert foreign.json()["kind"] == "foreign-request"


def test_basic_authentication_takes_the_token_as_password(house: House) -> None:
    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url=HOST) as client:
            return await client.get("/api/v1/runs", auth=("whoever", house.secrets["reader"]))

    assert anyio.run(go).status_code == 200


@pytest.mark.parametrize("header", ["Basic !!!", "Basic ", "Bearer", "Bearer \xff", "Digest x", "Basic /////w=="])
def test_broken_proofs_are_refused(header: str, house: House) -> None:
    answer = house.ask("GET", "/api/v1/runs", headers={"authorization": header.encode("latin-1")}, client="10.9.0.2")
    assert answer.status_code == 401


def test_whoever_guesses_is_not_listened_to_for_a_while(house: House) -> None:
    for _attempt in range(MOST):
        answer = house.ask("GET", "/api/v1/runs", headers={"authorization": "Bearer ln_guess"}, client="10.9.0.3")
        assert answer.status_code == 401
    answer = house.ask("GET", "/api/v1/runs", headers={"authorization": "Bearer ln_guess"}, client="10.9.0.3")
    assert (answer.status_code, answer.json()["kind"]) == (429, "too-many-attempts")
    assert int(answer.headers["retry-after"]) > 0
    assert house.ask("GET", "/api/v1/runs", by="reader", client="10.9.0.4").status_code == 200


def test_failures_are_forgotten_after_a_while_and_never_fill_the_memory() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)
    for place in range(20_000):
        attempts.failed(str(place))
    assert len(attempts._failures) <= 10_000
    for _attempt in range(MOST):
        attempts.failed("here")
    assert attempts.wait("here") > 0
    now = 61.0
    assert attempts.wait("here") == 0


def test_a_bounded_token_makes_no_others(house: House) -> None:
    assert house.ask("POST", "/api/v1/server/tokens", by="capped admin", json={}).json()["kind"] == "forbidden"
    assert house.ask("POST", "/api/v1/server/tokens", by="reading service", json={}).json()["kind"] == "forbidden"
    assert house.ask("POST", "/api/v1/server/tokens", by="reader", json={"days": 10**12}).status_code == 422
    made = house.ask("POST", "/api/v1/server/tokens", by="reader", json={"role": "reader", "days": 1})
    assert made.json()["token"]["owner"] == "reader"
    assert house.ask("POST", "/api/v1/server/tokens", by="reader", json={"service": "ci", "project": "default"}).json()["kind"] == "forbidden"
    mine = house.ask("GET", "/api/v1/server/tokens", by="reader").json()["tokens"]
    assert {token["owner"] for token in mine} == {"reader"}
    somebody = house.ask("GET", "/api/v1/server/tokens?all=1", by="admin of the server").json()["tokens"]
    others = next(token["id"] for token in somebody if token["owner"] == "maintainer")
    assert house.ask("DELETE", f"/api/v1/server/tokens/{others}", by="reader", headers={"content-type": "application/json"}).status_code == 403


def test_who_did_it_is_who_asked(house: House) -> None:
    house.ask("POST", "/api/v1/server/projects", by="admin of the server", json={"name": "made"})
    with house.hosting.ledger.read() as connection:
        rows = connection.exec_driver_sql("SELECT actor FROM events WHERE action = 'project.created' AND subject = 'project:made'").all()
    assert [row.actor for row in rows] == ["ann"]


def test_one_sees_ones_own_projects_only(house: House) -> None:
    seen = house.ask("GET", "/api/v1/server/projects", by="admin of another project").json()["projects"]
    assert [project["name"] for project in seen] == ["other"]
    page = house.ask("GET", "/", by="admin of another project").text
    assert "/projects/other/runs" in page
    assert "/projects/default/runs" not in page
    there, not_there = (house.ask("GET", f"/projects/{name}/api/v1/runs", by="admin of another project") for name in ("default", "nothing"))
    for key in ("status", "kind", "hint"):
        assert there.json()[key] == not_there.json()[key]


def test_a_name_that_one_may_not_see_is_told_nowhere(house: House) -> None:
    for who in ("reading service", "capped admin"):
        assert "<option>other" not in house.ask("GET", "/account", by=who).text
    assert "<option>default" not in house.ask("GET", "/account", by="admin of another project").text
    asked = [house.ask("POST", "/api/v1/server/tokens", by="admin of another project", json={"project": name}) for name in ("default", "nothing")]
    assert [answer.json()["kind"] for answer in asked] == ["unknown-project", "unknown-project"]
    assert asked[0].json()["hint"] == asked[1].json()["hint"]


def test_a_projects_admin_gives_roles_in_it_and_nowhere_else(house: House) -> None:
    members, json = "/projects/other/api/v1/members", {"role": "reader"}
    house.hosting.people.add_user("newcomer")
    assert house.ask("PUT", f"{members}/newcomer", by="admin of another project", json=json).json() == {"user": "newcomer", "role": "reader"}
    found = house.ask("GET", members, by="admin of another project").json()["members"]
    assert found == {"ann": "admin", "newcomer": "reader", "stranger": "admin"}
    assert house.ask("PUT", f"{members}/newcomer", by="admin of another project", json={"role": ""}).json()["role"] == ""
    assert house.ask("PUT", f"{members}/newcomer", by="admin", json=json).status_code == 404
    assert house.ask("PUT", f"{API}/members/newcomer", by="maintainer", json=json).json()["kind"] == "forbidden"
    assert house.ask("PUT", f"{members}/nobody", by="admin of another project", json=json).json()["kind"] == "unknown-user"
    assert house.ask("PUT", f"{members}/newcomer", by="admin of another project", json={"role": "king"}).json()["kind"] == "bad-role"
    with house.hosting.ledger.read() as connection:
        rows = connection.exec_driver_sql("SELECT actor FROM events WHERE action = 'user.role' AND subject = 'user:newcomer'").all()
    assert [row.actor for row in rows] == ["stranger", "stranger"]


def test_an_archived_project_can_be_read_and_not_changed(house: House) -> None:
    house.hosting.create("old")
    house.hosting.archive("old")
    assert house.ask("GET", "/projects/old/runs", by="admin of the server").status_code == 200
    refused = house.ask("POST", "/projects/old/api/v1/lineage/delete", by="admin of the server", json={})
    assert refused.json()["kind"] == "archived-project"


def test_every_address_of_a_projects_pages_stays_in_it(house: House) -> None:
    for path, _view, _role in PAGES:
        if "{" not in path:
            page = house.ask("GET", f"/projects/default{path}", by="admin").text
            links = re.findall(r'(?:href|action|data-post|data-then|data-delete)="(/[^"]*)"', page)
            outside = [link for link in links if not link.startswith(("/projects/default/", "/static/")) and link not in {"/", "/account"}]
            assert links
            assert outside == []


def test_metrics_count_by_route_and_not_by_path(house: House) -> None:
    for name in ("a", "b", "c"):
        house.ask("GET", f"/projects/default/api/v1/runs/{name}", by="reader")
    text = house.ask("GET", "/metrics").text
    assert 'lineal_http_requests_total{method="GET",route="/api/v1/runs/{run}",status="404"}' in text
    assert "/api/v1/runs/a" not in text
    assert "process_resident_memory_bytes" in text


def test_every_answer_has_an_id_and_a_given_one_is_kept(house: House) -> None:
    assert len(house.ask("GET", "/health").headers["x-request-id"]) == 16
    assert house.ask("GET", "/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert house.ask("GET", "/health", headers={"x-request-id": "a b<script>"}).headers["x-request-id"] != "a b<script>"


def test_a_ledger_that_does_not_answer_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise Unavailable("the ledger does not answer: gone", kind="ledger-unavailable")

    monkeypatch.setattr(house.hosting, "_probes", Probes({"ledger": broken}))
    answer = house.ask("GET", "/ready")
    assert (answer.status_code, answer.json()["kind"]) == (503, "not-ready")
    assert "ledger" in answer.json()["detail"]


def test_an_open_door_leads_to_loopback_only() -> None:
    for address in ("127.0.0.1", "::1", "localhost"):
        _refuse_open_doors(address, no_auth=True)
    _refuse_open_doors("0.0.0.0", no_auth=False)
    for address in ("0.0.0.0", "::", "192.168.1.4", "lineal.example"):
        with pytest.raises(InvalidInput) as caught:
            _refuse_open_doors(address, no_auth=True)
        assert caught.value.kind == "open-door"


def test_an_address_that_is_not_here_is_told() -> None:
    with pytest.raises(Unavailable) as caught:
        _free("no.such.host.invalid", 0)
    assert caught.value.kind == "bad-host"


def test_a_real_server_starts_signs_in_stops_and_keeps_what_it_was_told(new_server: Callable[..., RunningServer]) -> None:
    server = new_server()
    headers = {"authorization": f"Bearer {admin_token(server)}"}
    assert httpx.post(f"{server.url}/api/v1/server/projects", json={"name": "flights"}, headers=headers).status_code == 200
    assert server.stop() == 0
    again = new_server(folder=server.folder)
    assert again.link == ""
    names = [project["name"] for project in httpx.get(f"{again.url}/api/v1/server/projects", headers=headers).json()["projects"]]
    assert names == ["default", "flights"]
    again.kill()
    third = new_server(folder=server.folder)
    assert httpx.get(f"{third.url}/api/v1/server/me", headers=headers).json()["name"] == "admin"
    third.process.send_signal(signal.SIGINT)
    assert third.process.wait(timeout=20) == 0
