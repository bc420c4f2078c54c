"""The way to a server, as far as there is one just now: what has not travelled goes first, and without a network nobody waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from lineal.errors import LinealError, NotFound, Unavailable

if TYPE_CHECKING:
    from lineal.workspace.remote.client import Client

T = TypeVar("T")

UNREACHED = "server-unavailable"
AWAY_SECONDS = 10.0
"""After the server could not be reached, it is not tried again for so long: whoever asks for several things does not wait for each."""


class Link:
    """The way from a folder to the server's project that it works in.

    Args:
        connect: makes the client; only called when something is asked.
        send: brings there what has not travelled, and says how many runs that was; raises where it cannot.
    """

    def __init__(self, address: str, *, connect: Callable[[], Client], send: Callable[[], int]) -> None:
        self.address = address
        self._connect = connect
        self._send = send
        self._away_until = 0.0
        self._told = False

    @cached_property
    def client(self) -> Client:
        """The server's API of the project."""
        return self._connect()

    @cached_property
    def asking(self) -> Client:
        """The same, but that what has not travelled is sent before every request."""
        return self.client.after(self._ready)

    @property
    def away(self) -> bool:
        """Whether the server could not be reached a moment ago."""
        return time.monotonic() < self._away_until

    def send(self) -> int:
        """Sends what has not travelled; says how many runs did. What keeps it from that is told when the server is asked for something."""
        if self.away:
            return 0
        try:
            return self._send()
        except LinealError as error:  # it stays here; `lineal sync` says why
            self._note(error)
        return 0

    def ask(self, question: Callable[[Client], T]) -> T:
        """What the server answers, after what has not travelled was sent.

        Raises:
            Unavailable: kind ``server-unavailable``; and whatever the server answers.
        """
        self.send()
        return self.reach(question)

    def reach(self, question: Callable[[Client], T]) -> T:
        """What the server answers; nothing is sent before. Raises as `ask`."""
        if self.away:
            raise Unavailable(
                f"{self.address} could not be reached a moment ago",
                kind="server-unavailable",
                hint="Check the network; what you record is kept here meanwhile.",
            )
        try:
            return question(self.client)
        except Unavailable as error:
            self._note(error)
            raise

    def ask_or_look(self, question: Callable[[Client], T], look: Callable[[], T]) -> T:
        """What the server answers; where it cannot be reached, or does not know it yet, what is here.

        Raises:
            Unavailable: kind ``server-unavailable``, if it is not here either; and whatever the server answers.
        """
        try:
            return self.ask(question)
        except (Unavailable, NotFound) as error:
            if isinstance(error, Unavailable) and error.kind != UNREACHED:
                raise
            try:
                found = look()
            except LinealError:
                raise error from None
            if isinstance(error, Unavailable):
                self._tell()
            return found

    def _ready(self) -> None:
        self.send()
        self.reach(lambda _client: None)

    def _note(self, error: LinealError) -> None:
        if error.kind == UNREACHED:
            self._away_until = time.monotonic() + AWAY_SECONDS

    def _tell(self) -> None:
        """Says once on standard error that this is only what is known here."""
        if not self._told:
            self._told = True
            print(f"lineal: {self.address} cannot be reached: this is what is known here", file=sys.stderr, flush=True)  # noqa: T201 - to the terminal
