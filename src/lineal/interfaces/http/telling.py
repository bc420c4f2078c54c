"""Answers that tell how far long work is: lines of JSON, the last of which has the result, or the problem."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from lineal.errors import LinealError
from lineal.interfaces.problems import internal_error, problem
from lineal.records.documents import document
from lineal.workspace.interface import Progress

LINES = "application/x-ndjson"
SIGN_OF_LIFE_SECONDS = 5.0


def wants_lines(request: Request) -> bool:
    """Whether whoever asks can read an answer that comes in lines."""
    return LINES in request.headers.get("accept", "")


def telling(work: Callable[[Progress], Any], request: Request, *, failed: Callable[[], None]) -> StreamingResponse:
    """The answer to a request that takes long: ``{"progress": [what, done, total]}`` at times, then ``{"result": …}`` or ``{"problem": …}``.

    Empty lines between keep the connection from being taken for dead. Work that nobody listens to any more goes on to its end.

    Args:
        failed: called, in the failure's context, for one that no rule foresaw.
    """
    return StreamingResponse(_lines(work, request.url.path, failed), media_type=LINES)


async def _lines(work: Callable[[Progress], Any], path: str, failed: Callable[[], None]) -> AsyncIterator[bytes]:
    news: asyncio.Queue[tuple[str, int, int]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def progress(what: str, done: int, total: int) -> None:
        loop.call_soon_threadsafe(news.put_nowait, (what, done, total))

    working = asyncio.create_task(run_in_threadpool(_done, work, progress, path, failed))
    while not working.done():
        told = asyncio.create_task(news.get())
        await asyncio.wait({working, told}, timeout=SIGN_OF_LIFE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            yield _line({"progress": told.result()})
        else:
            told.cancel()
            yield b"\n"
    result = await working
    await asyncio.sleep(0)  # what was told last is on its way here
    while not news.empty():
        yield _line({"progress": news.get_nowait()})
    yield _line(result)


def _done(work: Callable[[Progress], Any], progress: Progress, path: str, failed: Callable[[], None]) -> dict[str, Any]:
    try:
        return {"result": document(work(progress))}
    except LinealError as error:
        return {"problem": problem(error, instance=path)}
    except Exception:  # noqa: BLE001 - as in every answer: the caller gets a problem document and the log the traceback
        failed()
        return {"problem": problem(internal_error(), instance=path)}


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
