"""Which occurrence a file was that an activity read.

The latest whose recorded path and content match, where a dataset version and a folded folder count for every path in them; else the latest with
that content anywhere; else a new source. What the activity made itself, or what stands on it, never counts: the graph has no cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import Connection, RowMapping, Select, func, select

from lineal.errors import LinealError
from lineal.ledger.graph import FileFact, NewId, add_edge, add_output, add_source
from lineal.ledger.nodes import reach_down
from lineal.ledger.portable import pieces
from lineal.ledger.schema import edges, occurrences
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.records.folding import MORE_THAN, ancestors, below, fold
from lineal.records.graph import GENERATED, USED
from lineal.records.location import URL
from lineal.records.tracked import SourceFacts, recorded_facts

NEWEST = 200
"""Of the folders and dataset versions at one path, how many are asked for a file."""

_ALL = b"."

Place = tuple[str, bytes, str]
"""Root, path and digest."""


class Trees(Protocol):
    """What a store is asked here: `lineal.store.repository.Repository`."""

    def entry(self, root: Digest, path: bytes) -> TreeEntry | None:
        """The entry at a path of a tree."""

    def put_tree(self, entries: Iterable[TreeEntry]) -> Digest:
        """Keeps a tree; its root."""

    def put_bytes(self, data: bytes) -> Digest:
        """Keeps bytes; their content id."""

    def read(self, digest: Digest) -> bytes:
        """The whole content of that id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """An occurrence that a file was, or was in.

    Attributes:
        entry: the file inside it, where it is a dataset version or a folder.
    """

    id: str
    at: int
    root: str
    path: bytes
    entry: TreeEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """Ties one activity's files; everything it adds belongs to the caller's transaction."""

    connection: Connection
    project_id: str
    activity: str
    at: int
    new_id: NewId
    trees: Trees

    def inputs(self, files: Sequence[FileFact]) -> list[str]:
        """Ties every file that was read; the occurrences' ids, in the files' order."""
        barred = self.barred()
        known = self._known(files, barred)
        found: dict[int, str] = {}
        self.tie_inside(files, known, found)
        rest = [place for place in range(len(files)) if place not in found and place not in known]
        for place, holder in known.items():
            if holder.entry is None:
                found[place] = self.use(files[place], holder)
        for fact, places in folded([(place, files[place]) for place in rest], self.trees):
            same = self.exact([fact], barred).get((fact.root, fact.path, fact.digest or "")) if fact.kind == "folder" else None
            identifier = self._tie_by_content(fact, barred) if same is None else self.use(fact, same)
            found.update(dict.fromkeys(places, identifier))
        return [found[place] for place in range(len(files))]

    def outputs(self, files: Sequence[FileFact]) -> list[str]:
        """Adds every file that was written as an occurrence of its own; the ids of those that are new."""
        joined = occurrences.join(edges, (edges.c.source == occurrences.c.id) & (edges.c.relation == GENERATED))
        query = select(occurrences.c.root, occurrences.c.path, occurrences.c.digest).select_from(joined).where(edges.c.target == self.activity)
        made = {tuple(row) for row in self.connection.execute(query)}
        single = [(place, file) for place, file in enumerate(files) if file.kind != "file" or file.digest is None]
        many = [(place, file) for place, file in enumerate(files) if file.kind == "file" and file.digest is not None]
        facts = [file for _place, file in single] + [fact for fact, _places in folded(many, self.trees)]
        return [
            add_output(self.connection, project_id=self.project_id, activity=self.activity, file=fact, at=self.at, new_id=self.new_id)
            for fact in facts
            if (fact.root, fact.path, fact.digest) not in made
        ]

    def barred(self) -> frozenset[str]:
        """What the activity made, and what stands on that: it cannot have used those."""
        return frozenset(reach_down(self.connection, [self.activity]).ids)

    def _known(self, files: Sequence[FileFact], barred: frozenset[str]) -> dict[int, Holder]:
        """For each file that is known at its place, by its place among the files, the latest occurrence."""
        exact = self.exact(files, barred)
        containers = self.containers(files, barred)
        found: dict[int, Holder] = {}
        for place, file in enumerate(files):
            if file.digest is None:
                continue
            holder = exact.get((file.root, file.path, file.digest))
            inside = self._inside(file, containers, newer_than=-1 if holder is None else holder.at)
            if inside is not None:
                found[place] = inside
            elif holder is not None:
                found[place] = holder
        return found

    def exact(self, files: Sequence[FileFact], barred: frozenset[str]) -> dict[Place, Holder]:
        """The latest occurrence of each file's content at its very place, where there is one."""
        found: dict[Place, Holder] = {}
        wanted = {(file.root, file.path, file.digest) for file in files if file.digest is not None}
        for piece in pieces(sorted({path for _root, path, _digest in wanted})):
            digests = sorted({digest for _root, path, digest in wanted if path in set(piece)})
            for part in pieces(digests):
                query = self._live().where(occurrences.c.path.in_(piece), occurrences.c.digest.in_(part))
                for row in self.connection.execute(query.order_by(occurrences.c.at, occurrences.c.id)).mappings():
                    if row["id"] not in barred:
                        found[row["root"], row["path"], row["digest"]] = as_holder(row)
        return {place: holder for place, holder in found.items() if place in wanted}

    def containers(self, files: Sequence[FileFact], barred: frozenset[str]) -> dict[tuple[str, bytes], list[RowMapping]]:
        """Dataset versions and folders by their place, the newest first."""
        places = {folder for file in files for folder in (file.path, *ancestors(file.path))}
        found: dict[tuple[str, bytes], list[RowMapping]] = {}
        latest = func.row_number().over(partition_by=(occurrences.c.root, occurrences.c.path), order_by=occurrences.c.at.desc()).label("latest")
        for piece in pieces(sorted(places)):
            holds = occurrences.c.kind.in_(("dataset", "folder", "source"))
            of_trees = occurrences.c.digest.startswith("blake3:")
            ranked = self._live().add_columns(latest).where(occurrences.c.path.in_(piece), holds, of_trees).subquery()
            # An import's source and the dataset made of it came at the same moment: the dataset goes first, since it is what people name and guard.
            query = select(ranked).where(ranked.c.latest <= NEWEST).order_by(ranked.c.at.desc(), ranked.c.kind, ranked.c.id)
            for row in self.connection.execute(query).mappings():
                if row["id"] not in barred:
                    found.setdefault((row["root"], row["path"]), []).append(row)
        return found

    def _inside(self, file: FileFact, containers: dict[tuple[str, bytes], list[RowMapping]], *, newer_than: int) -> Holder | None:
        best: Holder | None = None
        for folder in (file.path, *ancestors(file.path)):
            for row in containers.get((file.root, folder), ()):
                if row["at"] <= (newer_than if best is None else best.at):
                    break
                if folder == file.path and row["kind"] != "dataset":
                    continue  # a file holds nothing, but a dataset of one file holds it by its own name
                entry = self.entry(row["digest"], below(folder, file.path) if folder != file.path else file.path.rpartition(b"/")[2])
                if entry is not None and self.agrees(entry, file):
                    best = replace(as_holder(row), entry=entry)
                    break
        return best

    def agrees(self, entry: TreeEntry, file: FileFact) -> bool | None:
        """Whether an entry is the file that was read: by its content, or by what is known of it where it is tracked; None where that cannot be told."""
        if entry.mode != "tracked":
            return entry.digest == file.digest
        try:
            recorded = recorded_facts(entry, self.trees.read(entry.digest))
        except LinealError:
            return False
        return (file.facts or SourceFacts()).agrees(recorded)

    def entry(self, root: str, path: bytes) -> TreeEntry | None:
        """The entry at a path of a tree that can be read."""
        try:
            return self.trees.entry(Digest(root), path)
        except LinealError:  # a damaged or missing tree holds nothing that could be proven; fsck tells of it
            return None

    def tie_inside(self, files: Sequence[FileFact], known: Mapping[int, Holder], found: dict[int, str]) -> None:
        """Edges to dataset versions and folders: with each file's path, or with the folder's where there are many."""
        groups: dict[str, list[int]] = {}
        for place, holder in known.items():
            if holder.entry is not None:
                groups.setdefault(holder.id, []).append(place)
        for identifier, places in groups.items():
            holder = known[places[0]]
            facts = [files[place] for place in places]
            if len(places) > MORE_THAN:
                entries = {entry.path: entry for place in places if (entry := known[place].entry) is not None and entry.path != _ALL}
                facts = [_whole(holder, facts, self.trees.put_tree(entries[path] for path in sorted(entries)))]
            for fact in facts:
                self.use(fact, holder)
            found.update(dict.fromkeys(places, identifier))

    def _tie_by_content(self, file: FileFact, barred: frozenset[str]) -> str:
        """Ties a file that is not known at its place: to the latest of the same content, else to a new source. An empty file ties nothing."""
        if file.digest is not None and file.size and not file.digest.startswith("etag:"):  # an entity tag says nothing beyond its own URL
            query = self._live().where(occurrences.c.digest == file.digest).order_by(occurrences.c.at.desc(), occurrences.c.id)
            for row in self.connection.execute(query).mappings():
                if row["id"] not in barred:
                    return self.use(file, as_holder(row))
        identifier = add_source(self.connection, project_id=self.project_id, file=file, at=self.at, new_id=self.new_id)
        return self.use(file, Holder(id=identifier, at=self.at, root=file.root, path=file.path))

    def use(self, file: FileFact, holder: Holder) -> str:
        """Adds the edge to what the file was; the occurrence's id."""
        elsewhere = holder.entry is not None or (holder.root, holder.path) != (file.root, file.path)
        add_edge(
            self.connection,
            project_id=self.project_id,
            source=self.activity,
            target=holder.id,
            relation=USED,
            path=file.path if elsewhere else b"",
            root=file.root,
            digest=file.digest if elsewhere else None,
            size=file.size if elsewhere else 0,
            role=file.role,
            detail=file.edge_detail,
        )
        return holder.id

    def _live(self) -> Select[tuple[str, str, str, bytes, str, int]]:
        table = occurrences.c
        columns = (table.id, table.kind, table.root, table.path, table.digest, table.at)
        return select(*columns).where(table.project_id == self.project_id, table.deleted_at.is_(None))


def folded(files: Sequence[tuple[int, FileFact]], trees: Trees) -> list[tuple[FileFact, list[int]]]:
    """The files with many below one folder folded, each with the places of the files it stands for."""
    found: list[tuple[FileFact, list[int]]] = []
    for root in sorted({file.root for _place, file in files}):
        here = [(place, file) for place, file in files if file.root == root and _foldable(file)]
        taken: set[int] = set()
        for folder, members in fold([file.path for _place, file in here]).items():
            if root == URL and b"://" not in folder:
                continue  # several hosts or buckets: they lie below nothing
            facts = [here[member][1] for member in members]
            entries = {fact.path: _as_entry(fact, below(folder, fact.path), trees) for fact in facts}
            places = [here[member][0] for member in members]
            found.append((_whole_folder(root, folder, facts, trees.put_tree(entries[path] for path in sorted(entries))), places))
            taken.update(places)
        found.extend((file, [place]) for place, file in files if file.root == root and place not in taken)
    return found


def _foldable(file: FileFact) -> bool:
    """Whether a file can be an entry of a tree; a URL may have parts that no path has."""
    if file.digest is None or file.kind != "file":
        return False
    return file.root != URL or not {b"", b".", b".."} & set(file.path.partition(b"://")[2].split(b"/"))


def _as_entry(fact: FileFact, path: bytes, trees: Trees) -> TreeEntry:
    """A file as an entry; one that is known by its source's marks as a tracked one."""
    if fact.digest is not None and fact.digest.startswith("blake3:"):
        return TreeEntry(path=path, mode="file", size=fact.size, digest=Digest(fact.digest))
    known = fact.facts or SourceFacts(size=fact.size, etag=str(fact.digest).partition(":")[2])
    return TreeEntry(path=path, mode="tracked", size=fact.size, digest=trees.put_bytes(known.encode(path)))


def _whole(holder: Holder, facts: Sequence[FileFact], digest: Digest) -> FileFact:
    return _whole_folder(holder.root, holder.path, facts, digest)


def _whole_folder(root: str, path: bytes, facts: Sequence[FileFact], digest: Digest) -> FileFact:
    roles = {fact.role for fact in facts}
    through = {str(fact.told.get("through", "")) for fact in facts}
    return FileFact(
        root=root,
        path=path,
        digest=digest,
        size=sum(fact.size for fact in facts),
        kind="folder",
        role=roles.pop() if len(roles) == 1 else "",
        role_origin="declared" if all(fact.role_origin == "declared" for fact in facts) else "guessed",
        declared=any(fact.declared for fact in facts),
        restorable=all(fact.restorable for fact in facts),
        note=f"{len(facts)} files",
        told={"through": through.pop()} if len(through) == 1 and "" not in through else {},
    )


def whole(root: Digest) -> TreeEntry:
    """Stands for all of a tree, or for a folder of it, where a file would stand for itself."""
    return TreeEntry(path=_ALL, mode="folder", size=0, digest=root)


def as_holder(row: RowMapping) -> Holder:
    """The occurrence of a row."""
    return Holder(id=row["id"], at=row["at"], root=row["root"], path=row["path"])
