"""Who acts just now: in a program of many users, not the user that the program runs as."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_actor: ContextVar[str] = ContextVar("lineal_actor", default="")


@contextmanager
def acting_as(name: str) -> Iterator[None]:
    """Whatever is done inside is done by ``name``, in events and authorship; an empty name changes nothing."""
    token = _actor.set(name or _actor.get())
    try:
        yield
    finally:
        _actor.reset(token)


def acting() -> str:
    """Who acts; empty where nobody said."""
    return _actor.get()
