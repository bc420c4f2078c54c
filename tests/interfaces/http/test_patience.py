import asyncio
from collections.abc import Sequence
from typing import Any

import anyio

from lineal.interfaces.http.patience import Patience


def ask(pieces: Sequence[bytes | None], *, method: str = "POST", **options: Any) -> list[Any]:
    """The messages of an answer to a body that comes in pieces; None for a silence that does not end."""
    told: list[Any] = []
    left = list(pieces)

    async def receive() -> Any:
        piece = left.pop(0) if left else None
        if piece is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def send(message: Any) -> None:
        told.append(message)

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        size = 0
        try:
            while (message := await receive()).get("more_body"):
                size += len(message["body"])
        except Exception:  # noqa: BLE001 - an application that takes every failure for its own
            size = -1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(size + len(message["body"])).encode()})

    async def go() -> None:
        await Patience(app, **options)({"type": "http", "method": method, "path": "/x", "headers": []}, receive, send)

    anyio.run(go)
    return told


def test_a_body_that_comes_is_passed_on() -> None:
    assert ask([b"abc", b"de", b"f"])[1]["body"] == b"6"


def test_a_body_that_stops_is_answered_408_and_the_connection_closed() -> None:
    start, body = ask([b"abc", None, b""], silent=0.05)
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert b'"too-slow"' in body["body"]
