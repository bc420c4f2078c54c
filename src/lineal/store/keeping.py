"""What each project of a store says that it keeps beside its refs, and what it has given up: one sealed value per project.

A collection that some project runs marks from what all of them say. docs/design/garbage.md says why that is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

from lineal.errors import Integrity
from lineal.records.digest import Digest, blake3_digest, raw_hash
from lineal.store import content
from lineal.store.backends.interface import Backend
from lineal.store.objects import Objects
from lineal.store.packs import newer_format
from lineal.store.sealing import seal, unseal

FOLDER = "keep/"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a project says.

    Attributes:
        name: the project's, for people.
        kept: content of joined raw ids of everything its ledger stands on; None until it was first said.
        given_up: content of joined raw ids of commits whose trees it does not need any more; None where there are none.
        seen: the tombstones that were there before it looked at its ledger.
    """

    name: str
    kept: Digest | None = None
    given_up: Digest | None = None
    seen: tuple[str, ...] = ()
    format: int = FORMAT


def projects(backend: Backend) -> dict[str, Kept | None]:
    """Every project that a store knows of, by id; None for one that only has refs there, as in a remote."""
    found: dict[str, Kept | None] = {key.split("/")[1]: None for key in backend.list("refs/")}
    for key in backend.list(FOLDER):
        project = key.removeprefix(FOLDER)
        found[project] = said(backend, project)
    return found


def said(backend: Backend, project: str) -> Kept | None:
    """What a project said last. Raises Integrity kind ``damaged-keep-set``."""
    sealed = backend.fetch(FOLDER + project)
    if sealed is None:
        return None
    body = unseal(sealed, name=f"what project {project} keeps", kind="damaged-keep-set", hint="Run this in that project: lineal data gc")
    try:
        version = msgspec.json.decode(body, type=dict).get("format", 0)
        if version > FORMAT:
            raise newer_format("a keep set", version)
        return msgspec.json.decode(body, type=Kept)
    except msgspec.MsgspecError as error:
        raise Integrity(f"what project {project} keeps is damaged: {error}", kind="damaged-keep-set", hint="Run there: lineal data gc") from error


def register(backend: Backend, project: str, name: str) -> None:
    """Makes a project known to all others that use the store, once."""
    if backend.fetch(FOLDER + project) is None:
        backend.swap(FOLDER + project, seal(msgspec.json.encode(Kept(name=name))), expected=None)


def publish(objects: Objects, project: str, *, name: str, kept: Iterable[bytes] | None, given_up: frozenset[bytes], seen: frozenset[str]) -> None:
    """Says anew what a project keeps.

    Args:
        kept: raw ids, or None to say no more than that the project exists.
        seen: the tombstones that were out of the index before the ledger was asked for ``kept``.
    """
    backend = objects.backend
    with objects.session():
        value = Kept(
            name=name,
            kept=None if kept is None else _put(objects, sorted(set(kept))),
            given_up=_put(objects, sorted(given_up)) if given_up else None,
            seen=tuple(sorted(seen)),
        )
        sealed = seal(msgspec.json.encode(value))
        while not backend.swap(FOLDER + project, sealed, expected=backend.fetch(FOLDER + project)):
            continue


def give_up(objects: Objects, project: str, more: frozenset[bytes]) -> None:
    """Notes further commits whose trees a project does not need, as another store of the project says."""
    key = FOLDER + project
    with objects.session():
        while True:
            sealed = objects.backend.fetch(key)
            value = said(objects.backend, project) or Kept(name="")
            known = given_up(objects, value)
            if more <= known:
                return
            new = replace(value, given_up=_put(objects, sorted(known | more)))
            if objects.backend.swap(key, seal(msgspec.json.encode(new)), expected=sealed):
                return


def given_up(objects: Objects, kept: Kept | None) -> frozenset[bytes]:
    """The raw ids of the commits whose trees a project gave up."""
    return frozenset(ids(objects, kept.given_up)) if kept is not None and kept.given_up is not None else frozenset()


def ids(objects: Objects, digest: Digest) -> Iterator[bytes]:
    """Raw ids in a content that is nothing but those."""
    held = content.read(objects, raw_hash(digest))
    return (held[place : place + 32] for place in range(0, len(held), 32))


def _put(objects: Objects, keys: list[bytes]) -> Digest:
    return blake3_digest(content.put_bytes(objects, b"".join(keys))[0])
