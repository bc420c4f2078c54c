"""Request bodies: bounded, and JSON unless an endpoint takes another type too."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from lineal.errors import InvalidInput

MOST_JSON = 1 << 20
MOST_RAW = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A body: the fields of a JSON object, or raw bytes."""

    fields: dict[str, Any] = field(default_factory=dict)
    raw: bytes = b""


async def read_body(request: Request, *, media: str = "") -> Content:
    """The body of a request that changes state.

    A JSON content type is asked for even where the body is empty: a page of another site cannot send one without the browser asking first,
    which is what keeps foreign pages from acting here.

    Raises:
        InvalidInput: kind ``not-json``, ``bad-body`` or ``body-too-large``.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media and given == media:
        return Content(raw=await _bounded(request, MOST_RAW))
    if given != "application/json":
        also = f" or {media}" if media else ""
        raise InvalidInput(
            f"a change needs the content type application/json{also}, got {given or 'none'}",
            kind="not-json",
            hint="Send {} where there is nothing to say.",
        )
    return Content(fields=_decode(await _bounded(request, MOST_JSON if not media else MOST_RAW)))


async def _bounded(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise _too_large(most)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(most: int) -> InvalidInput:
    return InvalidInput(f"the body is larger than {most >> 10} KiB", kind="body-too-large", hint="Send it in several requests.")


def _decode(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("the body is not JSON", kind="bad-body") from None
    if not isinstance(value, dict):
        raise InvalidInput("the body must be a JSON object", kind="bad-body")
    return value
