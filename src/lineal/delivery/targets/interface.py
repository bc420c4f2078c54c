"""What every place that runs services gives: start one, say whether it lives, stop exactly that one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Handle = Mapping[str, Any]
"""What a target needs to find a service again, as JSON types; proof against mistaking another for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
    """What is to be served, and where.

    Attributes:
        bundle: folder of the bundle.
        predictions: folder for captured predictions.
        log: file that the service's output is appended to.
        port: 0 picks a free one.
        beside: the service that this one is to replace on the same port, still running, or None.
    """

    bundle: Path
    predictions: Path
    log: Path
    host: str = "127.0.0.1"
    port: int = 0
    beside: Handle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedService:
    """A service that was started; whether it answers yet is asked at ``url``."""

    handle: Handle
    url: str


class Target(Protocol):
    """A place that runs services: they go on when whoever started them ends."""

    @property
    def name(self) -> str:
        """Such as ``process``."""

    def start(self, request: ServiceRequest) -> StartedService:
        """Starts a service and returns at once.

        Raises:
            Conflict: kind ``port-in-use``, if another program has the port.
            Unavailable: kind ``cannot-start``.
        """

    def alive(self, handle: Handle) -> bool:
        """Whether exactly that service is still there."""

    def stop(self, handle: Handle, *, seconds: float = 15.0) -> bool:
        """Lets the service finish what it began and ends it; by force after ``seconds``. Whether it was there; idempotent."""
