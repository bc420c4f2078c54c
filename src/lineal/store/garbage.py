"""Collecting what nobody needs any more, in two steps with a grace between them, beside writers that never wait.

docs/design/garbage.md has the argument why nothing that is needed is ever lost.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lineal.errors import Conflict, Integrity, InvalidInput, InvalidState
from lineal.records.garbage import Collection, Waiting
from lineal.store import keeping
from lineal.store.index import Footer
from lineal.store.leases import Lease, living, reading_note
from lineal.store.objects import Objects
from lineal.store.packs import pack_key
from lineal.store.survey import COLLECTING, Store, Survey, needed_keys, needed_of, refusal, survey
from lineal.store.tombstones import Condemned, Tombstone, bury, out_of_index, place_of, tombstones

REWRITE_BELOW = 2 / 3
"""A pack of which less is needed is written anew without the rest."""
SHORTEST_WITHOUT_LEASES = 86_400.0
"""Where nobody can tell who is writing, only time protects a writer: no add may take longer than this many seconds."""
_CLOCK_DOUBT = 86_400.0


@dataclass(slots=True)
class _Done:
    """What a collection has changed so far."""

    freed: list[Condemned] = field(default_factory=list)
    restored: int = 0
    waiting: list[Waiting] = field(default_factory=list)


def preview(store: Store, *, grace: float) -> Collection:
    """What `collect` would do; changes nothing."""
    found = survey(store)
    dead, sparse = _judged(found)
    done = _Done()
    for tombstone in found.tombstones:
        _weigh(store.objects, found, tombstone, grace=grace, done=done)
    report = _report(found, done, condemned=[*_packs(found, dead), *_packs(found, sparse)], rewritten=int(sparse.sum()))
    return replace(report, dry_run=True)


def collect(store: Store, *, name: str, grace: float) -> Collection:
    """Deletes what was condemned at least ``grace`` seconds ago and is needed by nobody, and condemns what is garbage now.

    Args:
        name: the project's, for the others that use the store.

    Raises:
        Conflict: kind ``gc-running``. Integrity: kind ``damaged-store``.
        InvalidState: kind ``shared-store``, if another project uses the store and has never said what it keeps.
        InvalidInput: kind ``grace-too-short``, where the store's place cannot tell who is writing.
    """
    backend = store.objects.backend
    _refuse_second(living(backend), grace)
    with backend.hold(lambda: reading_note(backend, COLLECTING, ())):
        _undo_unfinished(store.objects)
        first = _said(store, name)
        _refuse_silent(first)
        done = _Done()
        for tombstone in first.tombstones:
            _settle(store.objects, first, tombstone, grace=grace, done=done)
        dead, sparse = _judged(first)
        condemned = _condemn(store.objects, first, dead, sparse)
        if condemned is not None and not grace:
            second = _said(store, name)
            mine = [tombstone for tombstone in second.tombstones if tombstone.id == condemned.id]
            for tombstone in mine:
                _settle(store.objects, second, tombstone, grace=grace, done=done)
        elif condemned is not None:
            done.waiting.append(_waits(condemned, ()))
        return _report(first, done, condemned=() if condemned is None else condemned.packs, rewritten=int(sparse.sum()))


def _said(store: Store, name: str) -> Survey:
    """A survey, after which the store says what this project keeps as the survey saw it, where others must know that."""
    backend = store.objects.backend
    seen = out_of_index(backend)
    found = survey(store)
    shared = bool(found.projects) or keeping.said(backend, store.project) is not None
    if shared or found.roots.given_up:
        kept = found.roots.kept if shared else None
        keeping.publish(store.objects, store.project, name=name, kept=kept, given_up=found.roots.given_up, seen=seen)
    return found


def _refuse_second(leases: tuple[Lease, ...] | None, grace: float) -> None:
    if leases is None and grace < SHORTEST_WITHOUT_LEASES:
        raise InvalidInput(
            "nobody can tell who is writing to a bucket, so what is garbage must wait there for a day at least",
            kind="grace-too-short",
            hint="Give --grace 1d or more.",
        )
    running = next((lease for lease in leases or () if lease.what == COLLECTING), None)
    if running is not None:
        raise Conflict(f"process {running.process} is collecting garbage here", kind="gc-running", hint="Wait until it is done.")


def _refuse_silent(found: Survey) -> None:
    silent = [kept.name or project for project, kept in found.projects.items() if kept is not None and kept.kept is None and kept.given_up is None]
    if silent:
        raise InvalidState(
            f"this store is also that of {', '.join(sorted(silent))}, which never said what it keeps; nothing was collected",
            kind="shared-store",
            hint="Run there first: lineal data gc",
        )


def _judged(found: Survey) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which packs nobody needs, and which are to be written anew; one that is condemned already is neither.

    Anew is written of what too little is needed, and what has a list of chunks that nobody needs: whoever finds a list relies on its chunks.
    """
    use = found.use
    condemned = {pack.name for tombstone in found.tombstones for pack in tombstone.packs}
    judged = np.array([name not in condemned for name in use.names], dtype=bool)
    dead = judged & (use.needed == 0)
    sparse = judged & ~dead & ((use.needed_plain < REWRITE_BELOW * use.plain) | (use.dead_lists > 0))
    return dead, sparse


def _packs(found: Survey, which: NDArray[np.bool_]) -> Iterator[Condemned]:
    for place in np.flatnonzero(which):
        yield Condemned(name=found.use.names[place], bytes=int(found.use.size[place]))


def _condemn(objects: Objects, found: Survey, dead: NDArray[np.bool_], sparse: NDArray[np.bool_]) -> Tombstone | None:
    """Crash order: what is needed is written anew; the tombstone; the index; the packs are moved; the tombstone counts."""
    meta = objects.index.meta_packs()
    packs, new = list(_packs(found, dead)), dict[str, Footer]()
    for pack in _packs(found, sparse):
        packs.append(pack)
        new |= _rewritten(objects, found, pack.name, meta=pack.name in meta)
    packs = [pack for pack in packs if pack.name not in new]  # what a collection that died had written anew is written just so again
    if not packs:
        return None
    tombstone = Tombstone(id=secrets.token_hex(8), packs=tuple(packs))
    bury(objects.backend, tombstone)
    objects.index.exchange(frozenset(pack.name for pack in packs), new)
    for pack in packs:
        if objects.backend.exists(pack_key(pack.name)):
            objects.backend.move(pack_key(pack.name), tombstone.grave(pack.name))
    objects.backend.create(tombstone.out_key, [b"\n"])
    return tombstone


def _rewritten(objects: Objects, found: Survey, pack: str, *, meta: bool) -> dict[str, Footer]:
    """Writes what is needed of a pack into new ones, which the index does not name yet."""
    try:
        return objects.rewrite(needed_keys(objects, found, pack, pack_key(pack)), meta=meta)
    except Integrity as error:
        raise refusal(error) from error


def _undo_unfinished(objects: Objects) -> None:
    """Brings back the packs of tombstones that never counted: whoever condemned them died; they are judged anew."""
    backend = objects.backend
    counting = out_of_index(backend)
    for tombstone in tombstones(backend):
        if tombstone.id not in counting:
            for pack in tombstone.packs:
                if not backend.exists(pack_key(pack.name)) and backend.exists(tombstone.grave(pack.name)):
                    backend.move(tombstone.grave(pack.name), pack_key(pack.name))
                backend.delete(tombstone.grave(pack.name))
            backend.delete(tombstone.key)


def _settle(objects: Objects, found: Survey, tombstone: Tombstone, *, grace: float, done: _Done) -> None:
    """Brings back what is needed of a tombstone after all, and deletes the rest if it may go now."""
    backend = objects.backend
    needed, useless = _parted(objects, found, tombstone)
    for name in needed:
        _bring_back(objects, found, tombstone, name)
        done.restored += 1
    left = replace(tombstone, packs=tuple(pack for pack in tombstone.packs if pack.name in useless))
    age = _age(objects, tombstone)
    reasons = tuple(_reasons(found, tombstone))
    if reasons or age < grace:
        done.waiting.append(_waits(left, reasons, age=age))
        return
    for pack in tombstone.packs:
        if backend.exists(tombstone.grave(pack.name)):
            backend.delete(tombstone.grave(pack.name))
            done.freed.append(pack)
    backend.delete(tombstone.out_key)
    backend.delete(tombstone.key)


def _bring_back(objects: Objects, found: Survey, tombstone: Tombstone, pack: str) -> None:
    """Makes what is needed of a condemned pack known again: by a new pack of only that, or, where the index names it again, in its old place."""
    if pack in found.index:
        if not objects.backend.exists(pack_key(pack)):
            objects.backend.move(tombstone.grave(pack), pack_key(pack))
        return
    made = objects.rewrite(needed_keys(objects, found, pack, tombstone.grave(pack)), meta=False)
    objects.index.publish(list(made), made)


def _weigh(objects: Objects, found: Survey, tombstone: Tombstone, *, grace: float, done: _Done) -> None:
    """What `_settle` would do."""
    needed, useless = _parted(objects, found, tombstone)
    left = replace(tombstone, packs=tuple(pack for pack in tombstone.packs if pack.name in useless))
    age = _age(objects, tombstone)
    reasons = tuple(_reasons(found, tombstone))
    done.restored += len(needed)
    if reasons or age < grace:
        done.waiting.append(_waits(left, reasons, age=age))
    else:
        done.freed += left.packs


def _parted(objects: Objects, found: Survey, tombstone: Tombstone) -> tuple[list[str], list[str]]:
    """The packs of a tombstone that somebody needs after all, or has published again, and those that nobody does."""
    parted: dict[bool, list[str]] = {True: [], False: []}
    for pack in tombstone.packs:
        where = place_of(objects.backend, tombstone, pack.name)
        named = pack.name in found.index
        if where is None or (named and where == pack_key(pack.name)):
            continue  # it is gone, or was brought back before
        made_again = named and objects.backend.exists(pack_key(pack.name))
        parted[not made_again and (named or needed_of(objects, found, pack.name, where))].append(pack.name)
    return parted[True], parted[False]


def _age(objects: Objects, tombstone: Tombstone) -> float:
    """Since when a tombstone counts, in seconds. One from the future, as a clock that was off leaves it, begins anew."""
    backend = objects.backend
    age = backend.age(tombstone.out_key) or 0.0
    if age > -_CLOCK_DOUBT:
        return max(age, 0.0)
    backend.delete(tombstone.out_key)
    backend.create(tombstone.out_key, [b"\n"])
    return 0.0


def _reasons(found: Survey, tombstone: Tombstone) -> Iterator[str]:
    """Who may still rely on what was condemned."""
    for lease in found.leases or ():
        if lease.what != COLLECTING and tombstone.id not in lease.seen:
            yield f"process {lease.process} has been {lease.what} since before it was condemned"
    for project, kept in found.projects.items():
        if kept is not None and kept.kept is not None and tombstone.id not in kept.seen:
            yield f"project {kept.name or project} has not said since what it keeps; run there: lineal data gc"


def _waits(tombstone: Tombstone, reasons: tuple[str, ...], *, age: float = 0.0) -> Waiting:
    size = sum(pack.bytes for pack in tombstone.packs)
    return Waiting(tombstone=tombstone.id, packs=len(tombstone.packs), bytes=size, age_seconds=age, reasons=reasons)


def _report(found: Survey, done: _Done, *, condemned: Iterable[Condemned], rewritten: int) -> Collection:
    use, gone = found.use, tuple(condemned)
    useless = use.size * (use.plain - use.needed_plain) // np.maximum(use.plain, 1)
    useless = np.where(use.needed == 0, use.size, useless)
    return Collection(
        dry_run=False,
        objects=int(use.objects.sum()),
        needed_objects=int(use.needed.sum()),
        bytes=int(use.size.sum()),
        garbage_bytes=int(useless.sum()),
        condemned_packs=len(gone),
        condemned_bytes=sum(pack.bytes for pack in gone),
        rewritten_packs=rewritten,
        freed_packs=len(done.freed),
        freed_bytes=sum(pack.bytes for pack in done.freed),
        restored_packs=done.restored,
        waiting=tuple(done.waiting),
        held_by=tuple(_held_by(found)),
    )


def _held_by(found: Survey) -> Iterator[str]:
    yield f"{found.refs} refs and all versions behind them"
    if found.roots.kept:
        yield f"{len(found.roots.kept)} contents that runs, models and deployments name"
    for project, kept in found.projects.items():
        yield f"the refs of project {kept.name if kept is not None and kept.name else project}" + (
            ", and what it says it keeps" if kept is not None else ""
        )
    for lease in found.leases or ():
        if lease.what != COLLECTING:
            yield f"process {lease.process}, which is {lease.what}"
