"""Sends the runs of this process: while they go on, and what is left when their records are complete."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lineal.workspace.remote.sending import BUSY, BackgroundSending

if TYPE_CHECKING:
    from lineal.workspace.remote.sending import Sender

FLUSH_SECONDS = 8.0
"""A program that ends waits for so long at most for what is left of its runs; what is left then goes on in a process of its own, or later."""


class Forwarding:
    """The sending of one project folder in this process. Thread safe.

    Args:
        sender: makes what sends; first called in a thread, so that no program waits for what it needs.
    """

    def __init__(self, sender: Callable[[], Sender]) -> None:
        self._sender = sender
        self._going: dict[str, BackgroundSending] = {}
        self._lock = threading.Lock()

    def begin(self, run: str) -> None:
        """Sends a run from now on, every other second."""
        with self._lock:
            self._going[run] = BackgroundSending(self._sender, run)

    @contextmanager
    def everything(self) -> Iterator[None]:
        """Sends whatever is recorded in the folder while the block lasts."""
        going = BackgroundSending(self._sender, "")
        try:
            yield
        finally:
            going.stop()

    def complete(self, run: str, deadline: float) -> bool:
        """Sends what is left of a run whose record is complete; whether all of it is there.

        Args:
            deadline: of `time.monotonic`.
        """
        with self._lock:
            going = self._going.pop(run, None)
        if going is not None:
            going.stop()
        sender, deadline = self._sender(), min(deadline, time.monotonic() + FLUSH_SECONDS)
        sent = sender.send(only=run, deadline=deadline)
        while sent.reason == BUSY and time.monotonic() < deadline:
            time.sleep(0.05)
            sent = sender.send(only=run, deadline=deadline)
        return not sent.reason and not any(left.run == run for left in sent.left)
