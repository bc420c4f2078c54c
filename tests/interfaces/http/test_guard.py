from typing import Any

import pytest

from lineal.interfaces.http.guard import CONTENT_SECURITY_POLICY
from lineal.pages import application

PATHS = ["/runs", "/runs.json", "/api/v1/runs", "/api/v1/openapi.json", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8400", "127.0.0.1.evil.example", "", "192.168.1.4", "[::2]:80", "[broken"])
def test_a_foreign_host_is_refused(path: str, host: str, visitor: Any) -> None:
    answer = visitor.get(path, headers={"host": host})
    assert (answer.status_code, answer.json()["kind"]) == (403, "foreign-request")


@pytest.mark.parametrize("host", ["localhost", "localhost:8400", "127.0.0.1:1", "127.8.8.8", "[::1]:8400", "lineal.localhost:80", "LOCALHOST"])
def test_loopback_names_are_answered(host: str, visitor: Any) -> None:
    assert visitor.get("/runs", headers={"host": host}).status_code == 200


def test_further_names_are_answered_where_they_are_set(visitor: Any, sample: Any) -> None:
    open_to_one = type(visitor)(application(sample, hosts=("Bench.example",)))
    assert open_to_one.get("/runs", headers={"host": "bench.example:8400"}).status_code == 200
    assert open_to_one.get("/runs", headers={"host": "other.example"}).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999", "http://127.0.0.1:8400", "https://localhost"])
def test_another_origin_changes_nothing(origin: str, visitor: Any, newest: Any, sample: Any) -> None:
    answer = visitor.post(f"/api/v1/runs/{newest.id}/mark", {"reason": "x"}, headers={"origin": origin})
    assert (answer.status_code, answer.json()["kind"]) == (403, "foreign-request")
    assert sample.runs.get(newest.id).mistake == ""


def test_the_same_origin_may_change(visitor: Any, newest: Any) -> None:
    headers = {"origin": "http://localhost:8400", "sec-fetch-site": "same-origin"}
    assert visitor.post(f"/api/v1/runs/{newest.id}/mark", {"reason": "x"}, headers=headers).status_code == 200


def test_another_site_reads_nothing_but_may_link_here(visitor: Any) -> None:
    assert visitor.get("/api/v1/runs", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}).status_code == 403
    assert visitor.get("/runs", headers={"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}).status_code == 403
    assert visitor.get("/runs", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers(path: str, visitor: Any) -> None:
    headers = visitor.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_nothing_inline_and_nothing_from_elsewhere_is_allowed() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
