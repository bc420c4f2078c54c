"""Mending a store: what is damaged is taken out of the way, and what was in it is brought back from wherever it still is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from blake3 import blake3

from lineal.errors import Integrity, LinealError
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest, raw_hash
from lineal.store import content, keeping
from lineal.store.columns import pack_slice, slices
from lineal.store.commits import decode_commit
from lineal.store.objects import Objects
from lineal.store.packs import pack_key
from lineal.store.refs import Refs
from lineal.store.survey import key_of
from lineal.store.tombstones import drop_damaged
from lineal.store.tree import Trees
from lineal.store.verification import Expected, Findings, Progress, Walk, check_index, check_packs, rebuild_index

DAMAGED = "damaged/"
"""Where packs are moved that could not be read as a whole; nothing of them is needed any more, but nothing is thrown away either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """Where lost things may be had again.

    Attributes:
        stores: other stores' objects by their names for people, the nearest first.
        copies: stores again, from a working copy, what an entry of a tree names; says whether it could.
        heads: what a ref may have pointed at, the likeliest first, by its name; certain: how the names of those begin that nobody deletes.
        name: what people call the project.
    """

    stores: Mapping[str, Objects] = field(default_factory=dict)
    copies: Callable[[TreeEntry], bool] = lambda _entry: False
    heads: Mapping[str, Sequence[Digest]] = field(default_factory=dict)
    certain: str = "datasets/"
    name: str = ""


def repair_store(
    objects: Objects, trees: Trees, refs: Refs, *, project: str, expected: Expected, help_from: Help, progress: Progress
) -> tuple[str, ...]:
    """Mends what can be mended; says what was done, one sentence each. What is still damaged, verifying tells afterwards.

    Crash order: what is readable of a damaged pack is written anew, then the pack is moved aside, then the index is made anew. Whoever dies in
    between is gone on with by doing it again.
    """
    done = [*_drop_damaged_notes(objects, project, expected, help_from)]
    found = Findings(progress=progress)
    check_index(objects, found)
    if found.damaged:
        done.append(_index_anew(objects, progress))
    check_packs(objects, found)
    if found.packs:
        done += [_set_aside(objects, name, found.broken) for name in found.packs]
        done.append(_index_anew(objects, progress))
    done += _mend_refs(objects, refs, help_from)
    filling = _Filling(objects, help_from)
    walk = Walk(objects, trees, Findings(progress=progress), expected=expected, fill=filling.fill, mend=filling.mend)
    with objects.batch():
        for name in refs.names():
            walk.ref(refs, name)
    return (*done, *filling.told())


@dataclass(slots=True)
class _Filling:
    """Brings objects back, and counts from where."""

    objects: Objects
    help_from: Help
    counts: dict[str, int] = field(default_factory=dict)
    lost: set[bytes] = field(default_factory=set)

    def fill(self, key: bytes) -> bool:
        """Looks for one object in the other stores, each once."""
        if key in self.lost:
            return False
        for name, store in self.help_from.stores.items():
            try:
                kind, data = store.get(key)
            except LinealError:
                continue  # it has not got it, or does not answer
            self.objects.put(key, data, kind)
            self._count(f"object brought back from {name}", f"objects brought back from {name}")
            return True
        self.lost.add(key)
        return False

    def mend(self, entry: TreeEntry) -> bool:
        """Looks for a whole content among the working copies."""
        if not self.help_from.copies(entry):
            return False
        self.lost.clear()  # chunks of it are here now
        self._count("file stored again from a working copy", "files stored again from working copies")
        return True

    def told(self) -> Iterator[str]:
        """What was brought back."""
        for text, count in self.counts.items():
            one, many = text.split("\n")
            yield f"{count:,} {one if count == 1 else many}"

    def _count(self, one: str, many: str) -> None:
        text = f"{one}\n{many}"
        self.counts[text] = self.counts.get(text, 0) + 1


def _drop_damaged_notes(objects: Objects, project: str, expected: Expected, help_from: Help) -> Iterator[str]:
    """What a collection noted: a tombstone that cannot be read gives its packs back, and what the project said is said again."""
    for tombstone in drop_damaged(objects.backend):
        yield f"the tombstone {tombstone} was damaged; what it had condemned is back"
    try:
        keeping.said(objects.backend, project)
    except Integrity:
        keeping.publish(objects, project, name=help_from.name, kept=None, given_up=expected.given_up, seen=frozenset())
        yield "what the project says it keeps was damaged; the next lineal data gc says it anew"


def _index_anew(objects: Objects, progress: Progress) -> str:
    progress("making the index anew", 0, 0)
    count = rebuild_index(objects.backend)
    objects.refresh()
    return f"the index was made anew from {count} packs"


def _set_aside(objects: Objects, name: str, broken: set[bytes]) -> str:
    """Writes anew what is readable of a damaged pack, and moves it out of the way."""
    readable: list[bytes] = []
    lost = 0
    for key in _keys_of(objects, name):
        if key in broken or not _is_readable(objects, key):
            lost += 1
        else:
            readable.append(key)
    if readable:
        own = f"saved from {name}".encode()  # without which the new pack could have the name of the damaged one, and be that
        with objects.batch():
            objects.put(blake3(own).digest(), own)
        objects.rewrite([*readable, blake3(own).digest()], meta=name in objects.index.meta_packs())
    objects.backend.move(pack_key(name), f"{DAMAGED}{name}.pack")
    return f"pack {name} was damaged: {len(readable):,} of its objects were saved, {lost:,} must come from elsewhere"


def _is_readable(objects: Objects, key: bytes) -> bool:
    try:
        kind, data = objects.get(key)
    except LinealError:
        return False
    return content.is_intact(kind, key, data)


def _keys_of(objects: Objects, name: str) -> Iterator[bytes]:
    """The keys of a pack's objects: as it says itself, or, where it cannot say it any more, as the index does."""
    with suppress(LinealError):
        yield from map(key_of, pack_slice(objects.backend, name).table)
        return
    raw = bytes.fromhex(name)
    with suppress(LinealError):
        for piece in (some for records in objects.index.records() for some in slices(records)):
            if raw in piece.packs:
                yield from map(key_of, piece.table[piece.table["pack"] == piece.packs.index(raw)])


def _mend_refs(objects: Objects, refs: Refs, help_from: Help) -> Iterator[str]:
    """Points refs whose files are damaged, or gone although they are known, at the newest commit that is known to have been theirs."""
    heads = help_from.heads
    for name in sorted({*refs.names(), *(head for head in heads if head.startswith(help_from.certain))}):
        try:
            if refs.get(name) is not None:
                continue
        except Integrity:
            pass
        candidate = next((commit for commit in (*refs.remains(name), *heads.get(name, ())) if _is_commit(objects, commit)), None)
        if candidate is not None:
            refs.restore(name, candidate)
            yield f"ref {name} was damaged or gone; it points at {candidate} again"


def _is_commit(objects: Objects, commit: Digest) -> bool:
    try:
        decode_commit(content.read(objects, raw_hash(commit)), commit)
    except LinealError:
        return False
    return True
