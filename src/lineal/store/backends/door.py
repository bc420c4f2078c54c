"""The way to servers, for stores that lie behind one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


class Door:
    """How connections to servers are made; set once by the program that knows its user's tokens."""

    connect: Callable[[str], httpx.Client] | None = None
