"""What living processes say that they are doing in a store, so that a collection takes nothing from under them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import msgspec

from lineal.errors import PermissionDenied
from lineal.store.backends.interface import Backend
from lineal.store.tombstones import out_of_index


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one process does.

    Attributes:
        what: for people, such as ``writing`` or ``mount flights@1``.
        process: its id.
        seen: the tombstones whose packs had left the index when it began; it relies on none of those packs.
        roots: content ids of trees and contents that it reads.
    """

    what: str
    process: int
    seen: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()


def writing_note(backend: Backend) -> bytes:
    """The note of a writer that is about to look at the index."""
    return _note(backend, "writing", ())


def reading_note(backend: Backend, what: str, roots: Iterable[str]) -> bytes:
    """The note of a reader of these trees and contents."""
    return _note(backend, what, tuple(roots))


@contextmanager
def reading(backend: Backend, what: str, roots: Iterable[str]) -> Iterator[None]:
    """Shows that these roots are read; where the store may not be written, nothing is shown, and nobody could collect there."""
    named = tuple(roots)
    with ExitStack() as stack:
        with suppress(PermissionDenied):
            stack.enter_context(backend.hold(lambda: reading_note(backend, what, named)))
        yield


def living(backend: Backend) -> tuple[Lease, ...] | None:
    """The leases of living processes; None where the store's place cannot tell. A note that cannot be read protects everything."""
    held = backend.held()
    return None if held is None else tuple(map(_lease, held))


def _note(backend: Backend, what: str, roots: tuple[str, ...]) -> bytes:
    return msgspec.json.encode(Lease(what=what, process=os.getpid(), seen=tuple(sorted(out_of_index(backend))), roots=roots))


def _lease(note: bytes) -> Lease:
    try:
        return msgspec.json.decode(note, type=Lease)
    except msgspec.MsgspecError:
        return Lease(what="something", process=0)
