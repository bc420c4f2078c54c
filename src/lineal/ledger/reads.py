"""Which occurrence something was that an activity read by URL.

A ``lineal://`` address is the dataset version it names. Any other URL is the version of a tracked dataset that recorded it, if what is known of
both agrees; else the newest version that holds it, with a warning; else what a run wrote to it, or a source of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select

from lineal.errors import LinealError
from lineal.ledger.graph import FileFact, add_source
from lineal.ledger.schema import dataset_versions
from lineal.ledger.ties import Holder, Ties, as_holder, folded, whole
from lineal.records.address import is_address, parse_address
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.records.folding import ancestors, below
from lineal.records.location import URL
from lineal.records.tracked import SourceFacts, recorded_facts

Containers = Mapping[tuple[str, bytes], Sequence[Mapping[str, object]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRead:
    """Something that was read by URL.

    Attributes:
        commit: of a ``lineal://`` address the commit that was read, where it is known.
        through: the folder of the mount that it was read through, or empty.
        asked: whether ``facts`` are what its source said when the run ended.
    """

    url: str
    facts: SourceFacts = field(default_factory=SourceFacts)
    role: str = ""
    role_origin: str = "declared"
    declared: bool = False
    commit: str = ""
    through: str = ""
    asked: bool = False


def tie_reads(ties: Ties, reads: Sequence[UrlRead]) -> list[str]:
    """Ties everything that was read by URL; what the user should know of it, one sentence each."""
    warnings: list[str] = []
    own = [read for read in reads if is_address(read.url)]
    if own:
        _tie_addresses(ties, own, warnings)
    foreign = [read for read in reads if not is_address(read.url)]
    if foreign:
        _tie_foreign(ties, foreign, warnings)
    return list(dict.fromkeys(warnings))


def _tie_addresses(ties: Ties, reads: Sequence[UrlRead], warnings: list[str]) -> None:
    files: list[FileFact] = []
    known: dict[int, Holder] = {}
    barred = ties.barred()
    for read in reads:
        address = parse_address(read.url)
        row = _version(ties, address.reference, read.commit)
        if row is None or row.occurrence in barred:
            warnings.append(f"{read.url} names no dataset version that is recorded here")
            continue
        name = f"lineal://{row.name}@{row.number}"
        entry = _entry_at(ties, Digest(row.digest), address.path)
        holder = entry or whole(Digest(row.digest))
        known[len(files)] = Holder(id=row.occurrence, at=row.created_at, root=URL, path=name.encode(), entry=holder)
        files.append(_address_fact(read, name, address.path, entry, _digest_of(ties, entry, address.path, Digest(row.digest))))
    ties.tie_inside(files, known, {})


def _address_fact(read: UrlRead, name: str, path: bytes, entry: TreeEntry | None, digest: Digest | None) -> FileFact:
    """The fact of one file of a version, of a folder of it, or of all of it."""
    url = name.encode() + (b"/" + path if path else b"")
    size = entry.size if entry is not None else 0
    return FileFact(
        root=URL,
        path=url,
        digest=digest,
        size=size,
        kind="file" if entry is not None else "folder",
        role=read.role,
        role_origin=read.role_origin,
        declared=read.declared,
        note=", ".join(_notes(read, "file" if entry is not None else "folder", digest)),
        told={"through": read.through} if read.through else {},
    )


def _digest_of(ties: Ties, entry: TreeEntry | None, path: bytes, root: Digest) -> Digest | None:
    """A file's content id, of a tracked one its source's mark; of a whole version that of its tree, of a folder in it none."""
    if entry is None:
        return None if path else root
    if entry.mode != "tracked":
        return entry.digest
    try:
        return recorded_facts(entry, ties.trees.read(entry.digest)).digest
    except LinealError:
        return None


def _notes(read: UrlRead, kind: str, digest: Digest | None) -> Iterator[str]:
    if digest is None and kind == "folder":
        yield "a folder of the version"
    if read.through:
        yield f"through the mount at {read.through}"


def _entry_at(ties: Ties, root: Digest, path: bytes) -> TreeEntry | None:
    return ties.entry(root, path) if path else None


def _version(ties: Ties, reference: str, commit: str) -> Any:
    """The row of the version that an address names: by commit where that is known, else by number, by the commit's beginning, or the newest."""
    columns = dataset_versions.c
    name, _at, version = reference.partition("@")
    query = select(columns.name, columns.number, columns.digest, columns.occurrence, columns.created_at)
    query = query.where(columns.project_id == ties.project_id, columns.name == name).order_by(columns.number.desc()).limit(1)
    if commit:
        query = query.where(columns.commit == commit)
    elif version.isdigit():
        query = query.where(columns.number == int(version))
    elif version.startswith("~"):
        query = query.where(columns.commit.startswith(f"blake3:{version[1:]}", autoescape=True))
    else:
        query = query.where(columns.deleted_at.is_(None))
    return ties.connection.execute(query).first()


def _tie_foreign(ties: Ties, reads: Sequence[UrlRead], warnings: list[str]) -> None:
    barred = ties.barred()
    facts = [_foreign_fact(read) for read in reads]
    containers: Containers = ties.containers(facts, barred)  # type: ignore[assignment]  # a row is a mapping
    inside: dict[int, Holder] = {}
    for place, (read, fact) in enumerate(zip(reads, facts, strict=True)):
        holder, agrees = _tracked_holder(ties, fact, containers)
        if holder is not None:
            inside[place] = holder
            facts[place] = _recorded(ties, fact, holder)
            if not agrees and read.facts.known:
                warnings.append(f"{read.url} is no longer what {_name_of(ties, holder)} recorded of it: track it again to fix what was read")
    found: dict[int, str] = {}
    ties.tie_inside(facts, inside, found)
    _tie_rest(ties, [fact for place, fact in enumerate(facts) if place not in found], barred)


def _tie_rest(ties: Ties, facts: Sequence[FileFact], barred: frozenset[str]) -> None:
    """What is in no fixed point: what it was before, where it is known, else new sources; many below one folder are one."""
    exact = ties.exact([fact for fact in facts if fact.digest is not None], barred)
    new: list[tuple[int, FileFact]] = []
    for place, fact in enumerate(facts):
        known = exact.get((fact.root, fact.path, fact.digest or ""))
        if known is None:
            new.append((place, fact))
        else:
            ties.use(fact, known)
    for fact, _places in folded(new, ties.trees):
        same = ties.exact([fact], barred) if fact.kind == "folder" else {}
        ties.use(fact, next(iter(same.values()), None) or _new_source(ties, fact))


def _new_source(ties: Ties, fact: FileFact) -> Holder:
    identifier = add_source(ties.connection, project_id=ties.project_id, file=fact, at=ties.at, new_id=ties.new_id)
    return Holder(id=identifier, at=ties.at, root=fact.root, path=fact.path)


def _foreign_fact(read: UrlRead) -> FileFact:
    return FileFact(
        root=URL,
        path=os.fsencode(read.url.rstrip("/")),
        digest=read.facts.digest,
        size=read.facts.size or 0,
        role=read.role,
        role_origin=read.role_origin,
        declared=read.declared,
        restorable=False,
        facts=read.facts,
        note="as its source said when the run ended" if read.asked else "",
        told=read.facts.document(),
    )


def _tracked_holder(ties: Ties, fact: FileFact, containers: Containers) -> tuple[Holder | None, bool]:
    """The newest version that recorded exactly what was read and True; else the newest that holds the place, and False."""
    newest: Holder | None = None
    for row, entry in _candidates(ties, fact, containers):
        holder = replace(as_holder(row), entry=entry)  # type: ignore[arg-type]
        if entry.mode != "tracked":  # the whole of it, or a folder
            return holder, True
        if ties.agrees(entry, fact):
            return holder, True
        newest = newest or holder
    return newest, False


def _candidates(ties: Ties, fact: FileFact, containers: Containers) -> Iterator[tuple[Mapping[str, object], TreeEntry]]:
    for folder in (fact.path, *ancestors(fact.path)):
        for row in containers.get((URL, folder), ()):
            root = Digest(str(row["digest"]))
            inner = below(folder, fact.path) if folder != fact.path else fact.path.rpartition(b"/")[2]
            entry = ties.entry(root, inner)
            if row["kind"] != "dataset":
                if entry is not None and entry.mode == "tracked" and ties.agrees(entry, fact):
                    yield row, entry  # among many that a run wrote, or read
            elif entry is not None:
                yield row, entry
            elif folder == fact.path:
                yield row, whole(root)


def _recorded(ties: Ties, fact: FileFact, holder: Holder) -> FileFact:
    """The fact with what the fixed point recorded, where what was read is not known by itself."""
    if fact.facts is not None and fact.facts.known:
        return fact
    if holder.entry is None or holder.entry.mode != "tracked":
        return replace(fact, kind="folder", digest=None if holder.entry is None else holder.entry.digest)
    note = "what it was when it was read is not known"
    try:
        recorded = recorded_facts(holder.entry, ties.trees.read(holder.entry.digest))
    except LinealError:
        return replace(fact, note=note)
    return replace(fact, digest=recorded.digest, size=holder.entry.size, note=note)


def _name_of(ties: Ties, holder: Holder) -> str:
    columns = dataset_versions.c
    row = ties.connection.execute(select(columns.name, columns.number).where(columns.occurrence == holder.id)).first()
    return f"{row.name}@{row.number}" if row is not None else "the dataset"
