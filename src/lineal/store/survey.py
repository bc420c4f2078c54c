"""What a store holds and what of it is needed, pack by pack: the question that a collection of garbage begins with. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lineal.errors import Integrity, LinealError
from lineal.records.digest import Digest, raw_hash
from lineal.store import keeping
from lineal.store.columns import Slice, pack_slice, slices
from lineal.store.index import HEAD_KEY
from lineal.store.keeping import Kept
from lineal.store.leases import Lease, living
from lineal.store.marking import Lists, Marked, Marking, Marks
from lineal.store.objects import Objects
from lineal.store.packs import LIST, RECORD, TRAILER, pack_key
from lineal.store.refs import Refs
from lineal.store.segments import damaged_index
from lineal.store.tombstones import Tombstone, place_of, tombstones
from lineal.store.tree import Trees
from lineal.store.verification import pack_names

COLLECTING = "collecting garbage"
FRESH_SECONDS = 86_400.0
REMOTES = "remotes/"
"""Refs below it say what a remote was last seen at; what they lead to need not be here."""

_COLUMNS = ("objects", "needed", "dead_lists", "plain", "needed_plain", "size")

T = TypeVar("T")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """What a project needs beside what its refs lead to.

    Attributes:
        kept: raw ids of contents and trees.
        given_up: raw ids of commits whose trees it needs no more.
    """

    kept: frozenset[bytes] = frozenset()
    given_up: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The parts of a store that are looked at, and for whom.

    Attributes:
        roots: asks the project's ledger; called after the packs and leases were noted.
        scratch: a folder with room for two marks for each needed object.
    """

    objects: Objects
    trees: Trees
    project: str
    roots: Callable[[], Roots]
    scratch: Path
    progress: Progress


@dataclass(slots=True)
class Use:
    """How much of each pack is needed, in arrays by the place of its name in ``names``."""

    names: list[str] = field(default_factory=list)
    objects: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    needed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    plain: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    dead_lists: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    needed_plain: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    size: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found.

    Attributes:
        marked: everything that is needed; use: of each pack that was there before the roots were read.
        leases: of living processes before the roots were read; None where the place cannot tell.
        projects: every project of the store but the asking one, with what it says.
        tombstones: those that were there; index: names of the packs that the index knows now.
        refs: how many were followed.
    """

    marked: Marked
    use: Use
    leases: tuple[Lease, ...] | None
    projects: Mapping[str, Kept | None]
    tombstones: tuple[Tombstone, ...]
    index: frozenset[str]
    roots: Roots
    refs: int


def survey(store: Store) -> Survey:
    """Marks everything that is needed, then counts it in each pack.

    Order matters: the packs, then the leases, then refs and ledger, then the index. So whatever a ref leads to is found, and of what a
    writer does meanwhile nothing is judged.

    Raises:
        Integrity: kind ``damaged-store``, if what is needed cannot be followed: what hangs below it would look like garbage.
    """
    objects = store.objects
    there = frozenset(pack_names(objects.backend))
    leases = living(objects.backend)
    try:
        own = keeping.given_up(objects, keeping.said(objects.backend, store.project))
        roots = store.roots()
        roots = replace(roots, given_up=roots.given_up | own)  # once given up is for ever
        heads = list(_heads(objects))
        others = {project: kept for project, kept in keeping.projects(objects.backend).items() if project != store.project}
        objects.refresh()
        _refuse_lost_index(objects, there)
        dead = tuple(tombstones(objects.backend))
        marks = Marks(store.scratch)
        lists = _steadily(objects, lambda: Lists(_everything(objects, dead)))
        marking = Marking(objects, store.trees, lists=lists, marks=marks)
        _follow(store, marking, heads=heads, roots=roots, others=others)
        for lease in leases or ():
            _contents(marking, (raw_hash(Digest(root)) for root in lease.roots))
        if leases is not None and any(lease.what != COLLECTING for lease in leases):
            _keep_young(objects, marking, there)
        marked = marking.finish()
        del lists, marking
        use = _steadily(objects, lambda: _count(objects, marked, there))
    except Integrity as error:
        raise refusal(error) from error
    return Survey(
        marked=marked,
        use=use,
        leases=leases,
        projects=others,
        tombstones=dead,
        index=objects.index.packs(),
        roots=roots,
        refs=len(heads),
    )


def refusal(error: Integrity) -> Integrity:
    """Why nothing is collected: what hangs below something damaged would look like garbage."""
    return Integrity(
        f"nothing is collected while the store is damaged: {error.message}", kind="damaged-store", hint="Mend it with: lineal fsck --repair"
    )


def needed_keys(objects: Objects, found: Survey, pack: str, where: str) -> Iterator[bytes]:
    """The keys of what is needed of a pack, in the order in which it lies there."""
    records = pack_slice(objects.backend, pack, key=where).table
    records = records[found.marked.has(records["prefix"].astype(np.uint64))]
    return (key_of(record) for record in records[np.lexsort((records["start"], records["block"]))])


def needed_of(objects: Objects, found: Survey, pack: str, where: str) -> bool:
    """Whether anything in a pack is needed that the index does not find elsewhere."""
    return any(objects.index.find(key) is None for key in needed_keys(objects, found, pack, where))


def key_of(record: np.void) -> bytes:
    """The whole key of a record."""
    return record.tobytes()[:32]


def _refuse_lost_index(objects: Objects, there: frozenset[str]) -> None:
    """Without an index everything looks like garbage."""
    if there and not objects.backend.exists(HEAD_KEY):
        raise damaged_index("the head of the index is missing")


def _heads(objects: Objects) -> Iterator[tuple[str, str, Digest]]:
    """Project, name and commit of every ref in the store."""
    for key in objects.backend.list("refs/"):
        project, _slash, name = key.removeprefix("refs/").partition("/")
        commit = Refs(objects.backend, project).get(name)
        if commit is not None:
            yield project, name, commit


def _follow(store: Store, marking: Marking, *, heads: Iterable[tuple[str, str, Digest]], roots: Roots, others: Mapping[str, Kept | None]) -> None:
    objects = store.objects
    own = keeping.said(objects.backend, store.project)
    given_up = {project: keeping.given_up(objects, kept) for project, kept in others.items()} | {store.project: roots.given_up}
    ordered = sorted(heads)
    for done, (project, name, commit) in enumerate(ordered):
        store.progress("marking versions", done, len(ordered))
        marking.commits(commit, given_up=given_up.get(project, frozenset()), partial=name.startswith(REMOTES))
    store.progress("marking what runs and models stand on", 0, len(roots.kept))
    _contents(marking, roots.kept)
    for kept in (own, *others.values()):
        if kept is not None:
            _contents(marking, (raw_hash(part) for part in (kept.kept, kept.given_up) if part is not None))
    for kept in others.values():
        if kept is not None and kept.kept is not None:
            _contents(marking, keeping.ids(objects, kept.kept))


def _contents(marking: Marking, identities: Iterable[bytes]) -> None:
    for identity in identities:
        marking.content(identity)


def _keep_young(objects: Objects, marking: Marking, there: frozenset[str]) -> None:
    """While others write, everything in young packs counts as needed: it is most likely theirs, and would only come back."""
    for name in there:
        if (objects.backend.age(pack_key(name)) or 0.0) < FRESH_SECONDS:
            with suppress(LinealError):  # a list whose chunks were never finished, or a pack that fsck names
                marking.everything(pack_slice(objects.backend, name))


def _everything(objects: Objects, dead: Iterable[Tombstone]) -> Iterator[Slice]:
    """All records of the index and of condemned packs."""
    yield from _indexed(objects)
    for tombstone in dead:
        for pack in tombstone.packs:
            where = place_of(objects.backend, tombstone, pack.name)
            if where is not None:
                yield pack_slice(objects.backend, pack.name, key=where)


def _indexed(objects: Objects) -> Iterator[Slice]:
    for records in objects.index.records():
        yield from slices(records)


def _steadily(objects: Objects, work: Callable[[], T]) -> T:
    """Does something over the whole index, and again where others have merged it meanwhile and taken away what was being read."""
    while True:
        try:
            return work()
        except Integrity as error:
            if error.kind != "missing-file" or not objects.index.refresh():
                raise


def _count(objects: Objects, marked: Marked, there: frozenset[str]) -> Use:
    places: dict[bytes, int] = {}
    use = Use()
    known = objects.index.packs()
    for piece in _indexed(objects):
        _add(use, places, piece, marked)
    for name in sorted(there - known):
        try:
            _add(use, places, pack_slice(objects.backend, name), marked)
        except LinealError:
            continue  # fsck names it; what cannot be read is not judged
        use.needed[places[bytes.fromhex(name)]] = 0  # nobody finds anything in it: what a writer left that died
    use.names = [name.hex() for name in places]
    counted = np.array([name in there for name in use.names], dtype=bool)
    for column in _COLUMNS:
        values = getattr(use, column)[: len(places)]
        setattr(use, column, values[counted])
    use.names = [name for name in use.names if name in there]
    use.size += use.objects * RECORD.size + TRAILER.size
    return use


def _add(use: Use, places: dict[bytes, int], piece: Slice, marked: Marked) -> None:
    numbers = np.array([places.setdefault(pack, len(places)) for pack in piece.packs], dtype=np.int64)
    _make_room(use, len(places))
    table = piece.table
    packs = numbers[table["pack"]]
    lengths = table["length"].astype(np.int64)
    needed = marked.has(table["prefix"].astype(np.uint64))
    room = len(use.objects)
    use.objects += np.bincount(packs, minlength=room)
    use.needed += np.bincount(packs[needed], minlength=room)
    use.dead_lists += np.bincount(packs[~needed & (table["kind"] == LIST)], minlength=room)
    use.plain += np.bincount(packs, weights=lengths, minlength=room).astype(np.int64)
    use.needed_plain += np.bincount(packs[needed], weights=lengths[needed], minlength=room).astype(np.int64)
    np.maximum.at(use.size, packs, table["block"].astype(np.int64) + table["stored"])


def _make_room(use: Use, count: int) -> None:
    if count <= len(use.objects):
        return
    more = np.zeros(2 * count - len(use.objects), dtype=np.int64)
    for column in _COLUMNS:
        setattr(use, column, np.concatenate([getattr(use, column), more]))
