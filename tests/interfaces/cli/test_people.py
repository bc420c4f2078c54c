"""`lineal login`, `user`, `token` and `project` against a server that asks everybody who they are."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from tests.lineal_server import RunningServer, admin_token, start_server

from lineal.main import program


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    made = start_server(tmp_path_factory.mktemp("asking") / "server")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def secret(server: RunningServer) -> str:
    return admin_token(server)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    for name in ("LINEAL_TOKEN", "LINEAL_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def call(folder: Path, *arguments: str, given: str = "") -> Result:
    with contextlib.chdir(folder):
        return CliRunner().invoke(program(), arguments, input=given)


def ask(folder: Path, *arguments: str, given: str = "") -> Any:
    done = call(folder, *arguments, "--json", given=given)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def admin(home: Path, server: RunningServer, secret: str) -> Path:
    """A folder of somebody who signed in as the admin."""
    assert ask(home, "login", server.url, "--token", "-", given=f"{secret}\n")["name"] == "admin"
    return home


def test_a_token_is_tried_before_it_is_kept(home: Path, server: RunningServer) -> None:
    refused = call(home, "login", server.url, "--token", "ln_wrong")
    assert refused.exit_code != 0
    assert not (home / "config").exists()
    assert "login" in call(home, "whoami").output


def test_one_signs_in_and_out(admin: Path, server: RunningServer, secret: str) -> None:
    me = ask(admin, "whoami")
    assert (me["name"], me["admin"], me["server"]) == ("admin", True, server.url)
    assert secret not in call(admin, "whoami").output
    assert ask(admin, "logout")["dropped"]
    assert call(admin, "whoami").exit_code != 0


def test_a_person_is_let_in_gets_a_role_and_loses_it(admin: Path, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    link = ask(admin, "user", "add", "ann")["link"]
    with httpx.Client(base_url=server.url) as browser:
        browser.post("/api/v1/server/sign-in", json={"code": link.partition("code=")[2]}).raise_for_status()
        hers = browser.post("/api/v1/server/tokens", json={"note": "laptop"}).raise_for_status().json()["secret"]
        ask(admin, "project", "create", "flights")
        runs = f"{server.url}/projects/flights/api/v1/runs"
        assert browser.get(runs).status_code == 404
        assert ask(admin, "user", "role", "ann", "reader", "--project", "flights")["roles"] == {"flights": "reader"}
        assert browser.get(runs).status_code == 200
        monkeypatch.setenv("LINEAL_TOKEN", hers)
        assert ask(admin, "whoami")["name"] == "ann"
        refused = call(admin, "user", "add", "eve")
        assert refused.exit_code != 0
        assert "admin" in refused.output
        monkeypatch.delenv("LINEAL_TOKEN")
        ask(admin, "user", "role", "ann", "none", "--project", "flights")
        assert browser.get(runs).status_code == 404
        ask(admin, "user", "remove", "ann")
        assert browser.get("/api/v1/server/me").status_code == 401
    assert next(user for user in ask(admin, "user", "list") if user["name"] == "ann")["removed_at"] is not None


def test_a_services_token_is_made_and_revoked(admin: Path, server: RunningServer) -> None:
    made = ask(admin, "token", "create", "--service", "ci", "--project", "default", "--role", "reader", "--expires", "90")
    headers = {"authorization": f"Bearer {made['secret']}"}
    assert httpx.get(f"{server.url}/api/v1/runs", headers=headers).status_code == 200
    listed = call(admin, "token", "list", "--all").output
    assert made["token"]["id"] in listed
    assert made["secret"] not in listed
    assert ask(admin, "token", "revoke", f"ln_{made['token']['id']}")["revoked_at"] is not None
    assert httpx.get(f"{server.url}/api/v1/runs", headers=headers).status_code == 401


def test_a_project_is_hidden_and_brought_back(admin: Path) -> None:
    ask(admin, "project", "create", "old")
    assert ask(admin, "project", "archive", "old")["archived_at"] is not None
    assert ask(admin, "project", "unarchive", "old")["archived_at"] is None
    assert {"old", "default"} <= {project["name"] for project in ask(admin, "project", "list")}
    taken = call(admin, "project", "create", "old")
    assert "name-taken" in taken.output or "already" in taken.output


def test_on_the_servers_own_machine_nobody_is_locked_out(home: Path, server: RunningServer) -> None:
    code = ask(home, "user", "add", "root", "--admin", "--data", str(server.folder))["code"]
    with httpx.Client(base_url=server.url) as browser:
        browser.post("/api/v1/server/sign-in", json={"code": code}).raise_for_status()
        assert browser.get("/api/v1/server/me").json()["admin"]
    nowhere = call(home, "user", "add", "root", "--data", str(home / "nothing"))
    assert nowhere.exit_code != 0
    assert not (home / "nothing").exists()


def test_who_may_do_what_in_a_project_is_said_from_the_command_line(admin: Path) -> None:
    ask(admin, "project", "create", "shared")
    ask(admin, "user", "add", "mia")
    assert ask(admin, "project", "add", "shared", "mia")["role"] == "contributor"
    assert ask(admin, "project", "role", "shared", "mia", "maintainer")["role"] == "maintainer"
    assert {"admin": "admin", "mia": "maintainer"}.items() <= ask(admin, "project", "members", "shared")["members"].items()
    assert "mia" in call(admin, "project", "members", "shared").output
    assert "no role in shared any more" in call(admin, "project", "remove", "shared", "mia").output
    assert "mia" not in ask(admin, "project", "members", "shared")["members"]
    assert call(admin, "project", "add", "shared", "nobody-there").exit_code == 3
    assert call(admin, "project", "members", "not-there").exit_code == 3
