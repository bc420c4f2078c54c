from typing import Any

import pytest

from lineal.interfaces.http import bodies

MARK = "/api/v1/runs/{}/mark"


@pytest.mark.parametrize("media", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/csv"])
def test_a_change_needs_json(media: str, visitor: Any, newest: Any, sample: Any) -> None:
    answer = visitor.ask("POST", MARK.format(newest.id), content=b'{"reason": "x"}', headers={"content-type": media} if media else {})
    assert (answer.status_code, answer.json()["kind"]) == (415, "not-json")
    assert sample.runs.get(newest.id).mistake == ""


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"', b'{"reason": 1}', b'{"what": 1}', b"[" * 100_000])
def test_a_body_that_makes_no_sense_is_refused(body: bytes, visitor: Any, newest: Any) -> None:
    answer = visitor.ask("POST", MARK.format(newest.id), content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["kind"]) == (422, "bad-body")


@pytest.mark.parametrize("body", [{"note": 1}, {"tags": ["a"]}, {"tags": {"a": 1}}])
def test_fields_have_types(body: Any, visitor: Any, newest: Any) -> None:
    assert visitor.post(f"/api/v1/runs/{newest.id}/annotate", body).json()["kind"] == "bad-body"


def test_a_required_field_is_named(visitor: Any) -> None:
    answer = visitor.post("/api/v1/models", {"run": "abcd"})
    assert answer.status_code == 422
    assert "name" in answer.json()["detail"]


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_is_bounded(*, declared: bool, visitor: Any, newest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_JSON", 1000)

    async def pieces() -> Any:
        for _ in range(100):
            yield b" " * 100

    content = b" " * 10_000 if declared else pieces()
    answer = visitor.ask("POST", MARK.format(newest.id), content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["kind"]) == (413, "body-too-large")
