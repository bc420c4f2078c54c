"""Packs that are on their way out: no longer in the index, moved aside, deleted only when a grace has passed and nobody needs them after all.

docs/design/garbage.md says why no writer loses anything by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from lineal.errors import Integrity
from lineal.store.backends.interface import Backend
from lineal.store.packs import Place, newer_format, pack_key
from lineal.store.sealing import seal, unseal
from lineal.store.segments import Records

FORMAT = 1
_CONDEMNED = "gc/condemned/"
_OUT = "gc/out/"
_GRAVES = "gc/packs/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condemned:
    """A pack that is to go. ``bytes`` is its size."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What one collection condemned.

    Attributes:
        id: 16 hex digits, random.
    """

    id: str
    packs: tuple[Condemned, ...]
    format: int = FORMAT

    @property
    def key(self) -> str:
        """Where it is written."""
        return _CONDEMNED + self.id

    @property
    def out_key(self) -> str:
        """What is there once the index names none of its packs: from then on no new writer can rely on them."""
        return _OUT + self.id

    def grave(self, pack: str) -> str:
        """Where a pack of it is moved, away from whoever would make one of the same name."""
        return f"{_GRAVES}{self.id}-{pack}.pack"


def bury(backend: Backend, tombstone: Tombstone) -> None:
    """Writes a tombstone, durably, before anything is done about its packs."""
    backend.create(tombstone.key, [seal(msgspec.json.encode(tombstone))])


def tombstones(backend: Backend) -> list[Tombstone]:
    """All there are.

    Raises:
        Integrity: kind ``damaged-tombstone``.
    """
    return [_read(backend, key) for key in backend.list(_CONDEMNED)]


def out_of_index(backend: Backend) -> frozenset[str]:
    """The ids of the tombstones whose packs no new writer can rely on."""
    return frozenset(key.removeprefix(_OUT) for key in backend.list(_OUT))


def drop_damaged(backend: Backend) -> list[str]:
    """Takes away tombstones that cannot be read, and gives the packs back that they moved; returns their ids."""
    dropped = []
    for key in list(backend.list(_CONDEMNED)):
        try:
            _read(backend, key)
        except Integrity:
            dropped.append(key.removeprefix(_CONDEMNED))
    for identifier in dropped:
        for grave in list(backend.list(f"{_GRAVES}{identifier}-")):
            backend.move(grave, pack_key(grave.removeprefix(f"{_GRAVES}{identifier}-").removesuffix(".pack")))
        backend.delete(_OUT + identifier)
        backend.delete(_CONDEMNED + identifier)
    return dropped


def place_of(backend: Backend, tombstone: Tombstone, pack: str) -> str | None:
    """The key where a condemned pack lies, moved already or not, or None where it is gone."""
    return next((key for key in (tombstone.grave(pack), pack_key(pack)) if backend.exists(key)), None)


class Buried:
    """Finds objects in condemned packs: for whoever began before those were condemned, or came to need them since. Thread safe."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._opened: dict[str, tuple[str, Records]] = {}
        self._refresh()

    def find(self, key: bytes) -> tuple[str, str, Place] | None:
        """The key of a file and the name of its pack that has the object, and its place there."""
        return self._find(key) or (self._find(key) if self._refresh() else None)

    def _find(self, key: bytes) -> tuple[str, str, Place] | None:
        for name, (where, records) in self._opened.items():
            found = records.find(key)
            if found is not None:
                return where, name, found[1]
        return None

    def _refresh(self) -> bool:
        """Looks again what is there; says whether there is more."""
        before = set(self._opened)
        self._opened = {name: (where, self._records(name, where)) for name, where in self._places()}
        return bool(set(self._opened) - before)

    def _places(self) -> Iterator[tuple[str, str]]:
        for tombstone in tombstones(self._backend):
            for pack in tombstone.packs:
                where = place_of(self._backend, tombstone, pack.name)
                if where is not None:
                    yield pack.name, where

    def _records(self, name: str, where: str) -> Records:
        known = self._opened.get(name)
        return known[1] if known is not None else Records.of_pack(self._backend.view(where), name)


def _read(backend: Backend, key: str) -> Tombstone:
    sealed = backend.fetch(key)
    body = unseal(sealed or b"", name=f"the tombstone {key}", kind="damaged-tombstone")
    try:
        version = msgspec.json.decode(body, type=dict).get("format", 0)
        if version > FORMAT:
            raise newer_format("a tombstone", version)
        return msgspec.json.decode(body, type=Tombstone)
    except msgspec.MsgspecError as error:
        raise Integrity(f"the tombstone {key} is damaged: {error}", kind="damaged-tombstone", hint="See what is left with: lineal fsck") from error
