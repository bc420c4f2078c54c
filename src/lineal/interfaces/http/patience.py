"""What keeps a client that sends its body drop by drop from holding a place for long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from lineal.errors import InvalidInput
from lineal.interfaces.problems import PROBLEM_TYPE, problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SILENT_SECONDS = 30.0
"""How long a body may bring nothing."""
SLOWEST = 1024
"""Bytes a second that a body brings at least, over a whole minute and more."""
_MINUTE = 60.0


class Patience:
    """ASGI middleware: ends requests whose body does not come, with 408.

    Args:
        silent: seconds without a byte.
        slowest: bytes a second on average, counted from the second minute on.
    """

    def __init__(self, app: ASGIApp, *, silent: float = SILENT_SECONDS, slowest: int = SLOWEST) -> None:
        self._app = app
        self._silent = silent
        self._slowest = slowest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, with a body that comes or ends."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        answered = False

        async def send_noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, self._watched(receive), send_noted)
        except TooSlowError as error:
            if not answered:
                await _too_slow(error, scope)(scope, receive, send)

    def _watched(self, receive: Receive) -> Receive:
        size, whole = 0, False
        loop = asyncio.get_running_loop()
        begun = loop.time()

        async def watched() -> Message:
            nonlocal size, whole
            if whole:  # what follows is only that the client went away, which may take as long as the answer
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._silent)
            except TimeoutError:
                raise TooSlowError(f"the body brought nothing for {self._silent:g} s") from None
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            spent = loop.time() - begun
            if not whole and spent > _MINUTE and size < self._slowest * (spent - _MINUTE):
                raise TooSlowError(f"the body brought {size} bytes in {spent:.0f} s")
            return message

        return watched


class TooSlowError(BaseException):
    """The body does not come. No `Exception`, so that nobody on the way takes it for a failure of ours."""


def _too_slow(error: TooSlowError, scope: Scope) -> JSONResponse:
    told = InvalidInput(str(error), kind="too-slow", hint="Send it again over a better connection.")
    found = problem(told, status=408, instance=scope["path"])
    return JSONResponse(found, status_code=408, media_type=PROBLEM_TYPE, headers={"connection": "close"})
