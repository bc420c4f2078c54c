"""Server-sent events about runs: one watcher for each project, however many pages look, and none where nobody does."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from weakref import WeakKeyDictionary

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from lineal.interfaces.web.pages import Visit
from lineal.records.run_table import News, news_between
from lineal.workspace.interface import Workspace

EVENTS = "text/event-stream"
SECONDS = 1.0
"""How often is looked."""
BEAT_SECONDS = 15.0
"""How often a silent connection is given a sign of life, which also tells whether anybody is there."""
LIFE_SECONDS = 600.0
"""A browser connects anew after so long, and shows again who it is."""
MOST = 200
WAITING = 8
"""Events that a slow page may leave lying."""

_log = logging.getLogger("lineal.web")


def run_events(visit: Visit) -> Response:
    """News of runs as they happen; nothing for whoever does not take a stream."""
    if not visit.streams:
        return Response(status_code=204)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(hub_of(visit.workspace).follow(), media_type=EVENTS, headers=headers)


class Hub:
    """Watches the runs of one workspace while somebody follows. Belongs to the event loop."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._followers: set[asyncio.Queue[bytes | None]] = set()
        self._watching: asyncio.Task[None] | None = None

    async def follow(self) -> AsyncGenerator[bytes]:
        """Events as they happen, until the connection's time is over."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=WAITING)
        self._followers.add(queue)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        end = asyncio.get_running_loop().time() + LIFE_SECONDS
        try:
            yield b"retry: 3000\n\n"
            while asyncio.get_running_loop().time() < end:
                try:
                    event = await asyncio.wait_for(queue.get(), BEAT_SECONDS)
                    if event is None:
                        return
                    yield event
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._followers.discard(queue)

    def end(self) -> None:
        """Ends every connection: the program stops."""
        self._put(None)

    async def _watch(self) -> None:
        table = self._workspace.table
        last = await run_in_threadpool(table.pulse)
        while self._followers:
            await asyncio.sleep(SECONDS)
            try:
                now = await run_in_threadpool(table.pulse, last.sequence)
            except Exception as error:  # noqa: BLE001 - a database that restarts is asked again
                _log.warning("runs cannot be watched just now: %s", error)
                continue
            self._tell(news_between(last, now))
            last = now

    def _tell(self, news: News) -> None:
        if not news.new and not news.changed:
            return
        self._put(encoded(news))

    def _put(self, event: bytes | None) -> None:
        for queue in self._followers:
            late = queue.full()  # a page that does not read shows all anew when it does
            if late:
                queue.get_nowait()
            queue.put_nowait(_ALL if late and event else event)


def encoded(news: News) -> bytes:
    """News as an event."""
    many = len(news.changed) > MOST
    body = {"new": news.new, "changed": [] if many else list(news.changed), "many": many}
    return f"event: runs\ndata: {json.dumps(body, separators=(',', ':'))}\n\n".encode()


_ALL = b'event: runs\ndata: {"new":1,"changed":[],"many":true}\n\n'
_hubs: WeakKeyDictionary[Workspace, Hub] = WeakKeyDictionary()


def hub_of(workspace: Workspace) -> Hub:
    """The one hub of a workspace."""
    return _hubs.setdefault(workspace, Hub(workspace))


def end_streams() -> None:
    """Ends every connection of this process, so that a server which waits for what is at work can stop."""
    for hub in list(_hubs.values()):
        hub.end()
