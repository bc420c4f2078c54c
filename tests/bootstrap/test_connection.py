from __future__ import annotations

from pathlib import Path

import pytest

from lineal.bootstrap.connection import http_client, shared_client
from lineal.errors import InvalidInput

SERVER = "https://lineal.example/projects/flights/"


def test_a_client_says_who_it_is_and_what_it_was_given() -> None:
    with http_client(SERVER, token="ln_secret") as client:
        assert client.headers["authorization"] == "Bearer ln_secret"
        assert client.headers["user-agent"].startswith("lineal/")
        assert client.build_request("GET", "/api/v1/runs").url == "https://lineal.example/projects/flights/api/v1/runs"
    with http_client(SERVER, token="") as client:
        assert "authorization" not in client.headers


def test_a_secret_goes_to_no_other_server() -> None:
    """A redirect to another host must not take the token there: this client follows none."""
    with http_client(SERVER, token="ln_secret") as client:
        assert client.follow_redirects is False


def test_proxies_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    with http_client(SERVER, token="") as client:
        assert client.trust_env
        assert client._transport_for_url(client.build_request("GET", "/x").url) is not client._transport
    with http_client("https://inside.example", token="") as client:
        assert client._transport_for_url(client.build_request("GET", "/x").url) is client._transport


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_told(content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    monkeypatch.setenv("LINEAL_WORKSPACE_CA", str(tmp_path / "ca.pem"))
    with pytest.raises(InvalidInput) as caught:
        http_client(SERVER, token="")
    assert caught.value.kind == "bad-certificates"


def test_a_process_has_one_client_for_a_server() -> None:
    assert shared_client(SERVER) is shared_client(SERVER.rstrip("/"))
    assert shared_client(SERVER) is not shared_client("https://lineal.example/projects/other")
