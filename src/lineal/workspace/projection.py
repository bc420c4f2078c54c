"""The ledger's rows about dataset versions, made from the store's refs and commits, which decide."""

from __future__ import annotations

import base64
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from lineal.errors import LinealError
from lineal.ledger.datasets import add_used, find_source, generated_below, insert_version, known_commits, occurrences_of_commits
from lineal.ledger.graph import FileFact, add_occurrence
from lineal.records.dataset import MAIN, DatasetVersion, PathConflict, TreeEntry
from lineal.records.digest import Digest
from lineal.records.history import oldest_first
from lineal.records.ids import run_id
from lineal.records.location import Location
from lineal.records.tracked import recorded_facts
from lineal.store.commits import Commit
from lineal.store.repository import Repository
from lineal.workspace.lines import all_tips, dataset_names
from lineal.workspace.places import note_version
from lineal.workspace.site import Site

_MOST_COMPARED = 5000
_MAKING = {"added": "import", "merged": "merge", "reverted": "revert"}
_PLAIN = ("name", "root", "path", "single_file", "files", "size", "stored_bytes", "message", "author", "source", "md5")
_MORE = ("branch", "reverts")


def commit_meta(version: DatasetVersion, location: Location) -> Mapping[str, Any]:
    """What a dataset's commit says beside its tree: enough to make the ledger's row anew."""
    meta = {key: getattr(version, key) for key in _PLAIN}
    meta |= {key: found for key in _MORE if (found := getattr(version, key)) not in {"", MAIN}}
    if version.tracked:
        meta["tracked"] = version.tracked
    if version.conflicts:
        meta["conflicts"] = [asdict(conflict) for conflict in version.conflicts]
    return {**meta, "kind": "dataset", "at": version.created_at, "path_b64": base64.b64encode(location.path).decode()}


def version_of_commit(identity: Digest, commit: Commit) -> tuple[DatasetVersion, Location]:
    """The version that a commit says, without the number and node that only the ledger gives."""
    meta = commit.meta
    known = {key: meta[key] for key in _PLAIN} | {key: meta[key] for key in _MORE if key in meta}
    location = Location(root=meta["root"], path=base64.b64decode(meta["path_b64"]))
    conflicts = tuple(PathConflict(**conflict) for conflict in meta.get("conflicts", ()))
    version = DatasetVersion(
        number=0,
        commit=identity,
        digest=commit.root,
        parents=commit.parents,
        created_at=meta["at"],
        schema=commit.schema,
        tracked=meta.get("tracked", {}),
        conflicts=conflicts,
        **known,
    )
    return version, location


def project(site: Site, name: str, tips: Iterable[Digest] | None = None) -> tuple[DatasetVersion, ...]:
    """Adds rows for the commits of a dataset that have none, the oldest first; returns those versions. Safe to repeat.

    Args:
        tips: where to look from; all of the dataset's lines unless given.
    """
    starts = all_tips(site, name) if tips is None else list(tips)
    with site.ledger.write() as connection:
        known = known_commits(connection, project_id=site.project_id, name=name)
        missing = missing_commits(site.store, starts, known)
        return tuple(_add(site, connection, identity, commit) for identity, commit in missing)


def project_all(site: Site) -> tuple[DatasetVersion, ...]:
    """Adds what is missing of every dataset whose refs can be read."""
    return tuple(version for name in dataset_names(site) for version in project(site, name))


def missing_commits(store: Repository, tips: Iterable[Digest], known: Collection[str]) -> list[tuple[Digest, Commit]]:
    """The commits that tips lead to and that are not known, parents before what stands on them, else by time: the order of their numbers."""
    found: dict[str, Commit] = {}
    waiting = list(tips)
    while waiting:
        identity = waiting.pop()
        if identity not in known and identity not in found:
            found[identity] = store.read_commit(identity)
            waiting += found[identity].parents
    order = oldest_first({identity: commit.parents for identity, commit in found.items()}, lambda identity: (found[identity].meta["at"], identity))
    return [(Digest(identity), found[identity]) for identity in order]


def _add(site: Site, connection: Connection, identity: Digest, commit: Commit) -> DatasetVersion:
    version, location = version_of_commit(identity, commit)
    done = "reverted" if version.reverts else "merged" if len(version.parents) > 1 else "added"
    added = insert_version(
        connection,
        version,
        project_id=site.project_id,
        location=location,
        new_id=lambda: run_id(site.entropy(16)),
        making=_MAKING[done],
    )
    origins = _origins(site, connection, added, location) if done == "added" else _made_of(site, connection, added)
    add_used(connection, project_id=site.project_id, dataset=added.occurrence, used=origins)
    payload = {"commit": identity, "digest": added.digest, "files": added.files, "size": added.size}
    if done != "added":
        payload |= {"branch": added.branch, "conflicts": len(added.conflicts)}
    site.record_event(connection, f"dataset.{done}", subject=f"data:{added.reference}", payload=payload, actor=version.author)
    if added.branch == MAIN:
        note_version(site, version)
    return added


def _made_of(site: Site, connection: Connection, version: DatasetVersion) -> list[str]:
    """The versions that a merge brings together, or that a revert goes back to and takes back from."""
    commits = (version.reverts, *version.parents) if version.reverts else version.parents
    return occurrences_of_commits(connection, project_id=site.project_id, name=version.name, commits=dict.fromkeys(commits))


def _origins(site: Site, connection: Connection, version: DatasetVersion, location: Location) -> list[str]:
    """What the version was made from: what runs generated of it, and a source for what no run did."""
    found: list[str] = []
    covered = 0
    for row in generated_below(connection, project_id=site.project_id, location=location):
        share = _share(site.store, version, location, row)
        if share:
            found.append(row.id)
            covered += share
    if covered < version.files or version.source:
        found.append(_source(site, connection, version, location))
    return found


def _share(store: Repository, version: DatasetVersion, location: Location, row: Any) -> int:
    """How many files of the version are what a run generated, judged by path and content."""
    path = bytes(row.path)
    if version.single_file:
        entry = store.entry(version.digest, os.path.basename(location.path))
        return int(path == location.path and entry is not None and _is(store, entry, row.digest))
    inner = path[len(location.path) :].lstrip(b"/")
    if row.kind != "folder":
        entry = store.entry(version.digest, inner) if inner else None
        return int(entry is not None and _is(store, entry, row.digest))
    try:
        made = list(store.entries(Digest(row.digest), limit=_MOST_COMPARED))
    except LinealError:  # a folder that was not kept, or is damaged, proves nothing
        return 0
    prefix = inner + b"/" if inner else b""
    entries = [(entry, store.entry(version.digest, prefix + entry.path)) for entry in made]
    return sum(there is not None and there.digest == entry.digest for entry, there in entries)


def _is(store: Repository, entry: TreeEntry, digest: str) -> bool:
    """Whether an entry is what was generated: the same content, or for a tracked file the same mark of its source."""
    if entry.mode != "tracked":
        return entry.digest == digest
    return recorded_facts(entry, store.read(entry.digest)).digest == digest


def _source(site: Site, connection: Connection, version: DatasetVersion, location: Location) -> str:
    """The occurrence that stands for where the bytes came from: a URL, or the file or folder itself."""
    digest, size = _own_content(site.store, version, location)
    label = version.source or FileFact(root=location.root, path=location.path, digest=None).label
    detail = {"source": version.source, "kind": "file" if version.single_file else "folder", "files": version.files}
    if version.single_file and version.md5:
        detail["md5"] = next(iter(version.md5.values()))
    known = find_source(connection, project_id=site.project_id, location=location, digest=digest, label=label)
    if known is not None and not version.md5:
        return known
    return add_occurrence(
        connection,
        id=run_id(site.entropy(16)),
        project_id=site.project_id,
        kind="source",
        label=label,
        digest=digest,
        at=version.created_at - 1,  # it was there before its import: runs that read these bytes tie to the dataset, the later of the two
        root=location.root,
        path=location.path,
        size=size,
        detail=detail,
    )


def _own_content(store: Repository, version: DatasetVersion, location: Location) -> tuple[Digest, int]:
    if version.single_file and not version.tracked:
        entry = store.entry(version.digest, os.path.basename(location.path))
        if entry is not None:
            return entry.digest, entry.size
    return version.digest, version.size
