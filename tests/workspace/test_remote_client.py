"""What a server answers comes back as it was meant: records, errors, progress."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from lineal import errors
from lineal.errors import Conflict, LinealError, NotFound, Unavailable
from lineal.interfaces.problems import InternalError, problem
from lineal.workspace.remote.client import Client, part
from lineal.workspace.remote.link import Link

Answer = Callable[[httpx.Request], httpx.Response]
CLASSES = (
    *(errors.InvalidInput, errors.NotFound, errors.Conflict, errors.PermissionDenied, errors.InvalidState, errors.Integrity, errors.Unavailable),
    LinealError,
)


def client(answer: Answer) -> Client:
    return Client(httpx.Client(base_url="http://server/projects/a", transport=httpx.MockTransport(answer)))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_is_the_same_on_both_sides(kind: type[LinealError]) -> None:
    told = (InternalError if kind is LinealError else kind)("it is so", kind="some-kind", hint="do that")
    status = 429 if kind is errors.PermissionDenied else None
    with pytest.raises(kind) as caught:
        client(lambda _request: httpx.Response(told.http_status, json=problem(told, status=status))).post("/anything")
    assert (type(caught.value), caught.value.exit_code) == (kind, kind.exit_code)
    assert (caught.value.message, caught.value.kind, caught.value.hint) == ("it is so", "some-kind", "do that")


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"{}", b"[]"])
def test_what_is_no_answer_of_a_server_of_ours_is_told_as_that(body: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        client(lambda _request: httpx.Response(502, content=body)).post("/anything")
    assert caught.value.kind == "bad-answer"
    with pytest.raises(Unavailable):
        client(lambda _request: httpx.Response(200, content=b"<html>")).get("/anything")


def test_a_reading_call_is_made_again_where_the_server_is_busy_and_a_changing_one_is_not() -> None:
    asked: list[str] = []

    def busy_once(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(200, json={}) if len(asked) > 1 else httpx.Response(503, json=problem(Unavailable("busy", kind="not-ready")))

    assert client(busy_once).get("/runs") == {}
    assert asked == ["GET", "GET"]
    asked.clear()
    with pytest.raises(Unavailable):
        client(busy_once).post("/runs")
    assert asked == ["POST"]


def test_words_that_say_nothing_are_left_out() -> None:
    seen: list[httpx.URL] = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(200, json={})

    client(note).get(f"/runs/{part('a/b ü')}", where="", limit=0, depth=None, wrong=False, stopped=True)
    assert str(seen[0]) == "http://server/projects/a/api/v1/runs/a%2Fb%20%C3%BC?limit=0&stopped=1"


def test_long_work_tells_how_far_it_is_and_then_what_came_of_it() -> None:
    lines = [{"progress": ["store", 1, 2]}, {"result": {"reports": []}}]
    body = "\n\n".join(map(json.dumps, lines)).encode()
    told: list[tuple[str, int, int]] = []
    found = client(lambda _request: httpx.Response(200, content=body)).work("/check", progress=lambda *news: told.append(news))
    assert (found, told) == ({"reports": []}, [("store", 1, 2)])


def test_long_work_that_fails_or_breaks_off_is_an_error() -> None:
    failed = json.dumps({"problem": problem(Conflict("moved", kind="ref-moved"))}).encode()
    with pytest.raises(Conflict):
        client(lambda _request: httpx.Response(200, content=failed)).work("/check")
    with pytest.raises(Unavailable) as caught:
        client(lambda _request: httpx.Response(200, content=b'{"progress": ["store", 1, 2]}\n')).work("/check")
    assert caught.value.kind == "server-unavailable"


def test_what_is_refused_is_refused_before_a_byte_is_read() -> None:
    refused = client(lambda _request: httpx.Response(404, json=problem(NotFound("no such run", kind="unknown-reference"))))
    with pytest.raises(NotFound):
        refused.pieces("/runs/a/log")
    with pytest.raises(NotFound):
        refused.file("/runs/a/artifact")


def test_a_server_that_is_away_is_not_waited_for_again_and_again(capfd: pytest.CaptureFixture[str]) -> None:
    tries: list[str] = []

    def away(request: httpx.Request) -> httpx.Response:
        tries.append(str(request.url))
        raise httpx.ConnectError("refused", request=request)

    link = Link("http://server/projects/a", connect=lambda: client(away), send=lambda: 0)
    assert link.ask_or_look(lambda asked: str(asked.get("/runs")), lambda: "here") == "here"
    assert link.ask_or_look(lambda asked: str(asked.get("/runs")), lambda: "here") == "here"
    with pytest.raises(Unavailable) as caught:
        link.asking.get("/models")
    assert (caught.value.kind, len(tries)) == ("server-unavailable", 1)
    assert capfd.readouterr().err.count("cannot be reached: this is what is known here") == 1


def test_what_has_not_travelled_is_sent_before_something_is_asked() -> None:
    done: list[str] = []

    def answer(_request: httpx.Request) -> httpx.Response:
        done.append("asked")
        return httpx.Response(200, json={})

    def send() -> int:
        done.append("sent")
        return 1

    link = Link("http://server/projects/a", connect=lambda: client(answer), send=send)
    link.asking.get("/models")
    link.ask(lambda asked: asked.get("/runs"))
    assert done == ["sent", "asked", "sent", "asked"]
