"""Rows of datasets and their versions: a projection of the store's refs and commits, with the number and the node that the workspace gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from lineal.ledger.graph import NewId, add_activity, add_edge, add_occurrence
from lineal.ledger.portable import insert_or_ignore
from lineal.ledger.schema import dataset_versions, datasets, edges, occurrences
from lineal.ledger.version_rows import IN_BODY, version_of_row
from lineal.records.dataset import MAIN, Dataset, DatasetVersion
from lineal.records.graph import GENERATED, USED
from lineal.records.location import ABSOLUTE, Location
from lineal.records.tracked import NOTICE_ONLY
from lineal.records.values import plain


def insert_version(
    connection: Connection, version: DatasetVersion, *, project_id: str, location: Location, new_id: NewId, making: str = "import"
) -> DatasetVersion:
    """Adds a version with its occurrence and the activity that generated it; returns it with number and occurrence.

    Args:
        location: where the dataset lies, which is also its occurrence's place.
        making: what the activity is called: ``import``, ``merge`` or ``revert``.
    """
    number = 1 + (connection.execute(_newest_number(project_id, version.name)).scalar() or 0)
    label = f"{version.name}@{number}"
    row = {"project_id": project_id, "name": version.name, "root": location.root, "path": location.path, "created_at": version.created_at}
    if not insert_or_ignore(connection, datasets, row):
        place = (datasets.c.project_id == project_id) & (datasets.c.name == version.name)
        connection.execute(update(datasets).where(place).values(root=location.root, path=location.path))
    brought_in = add_activity(connection, id=new_id(), project_id=project_id, kind="import", label=f"{making} {label}", at=version.created_at)
    occurrence = add_occurrence(
        connection,
        id=new_id(),
        project_id=project_id,
        kind="dataset",
        label=label,
        digest=version.digest,
        at=version.created_at,
        root=location.root,
        path=location.path,
        size=version.size,
        restorable=version.tracked.get("label") != NOTICE_ONLY,
        detail={"files": version.files, "single_file": version.single_file},
    )
    add_edge(connection, project_id=project_id, source=occurrence, target=brought_in, relation=GENERATED)
    body = {key: plain(getattr(version, key)) for key in IN_BODY}
    body["conflicts"] = [plain(asdict(conflict)) for conflict in version.conflicts]
    columns = {"commit": version.commit, "digest": version.digest, "occurrence": occurrence, "created_at": version.created_at}
    connection.execute(insert(dataset_versions).values(project_id=project_id, name=version.name, number=number, body=json.dumps(body), **columns))
    return replace(version, number=number, occurrence=occurrence)


def renumber(connection: Connection, *, project_id: str, name: str, numbers: Mapping[str, int]) -> None:
    """Gives a dataset's versions the numbers that whoever owns its line has given them, by commit; all others come behind those, in their order."""
    columns = dataset_versions.c
    mine = (columns.project_id == project_id) & (columns.name == name)
    rows = connection.execute(select(columns.commit, columns.number).where(mine).order_by(columns.number)).all()
    behind = max(numbers.values(), default=0)
    wanted: dict[str, int] = {}
    for row in rows:
        behind += row.commit not in numbers
        wanted[row.commit] = numbers.get(row.commit, behind)
    moved = {row.commit: wanted[row.commit] for row in rows if wanted[row.commit] != row.number}
    for sign in (-1, 1):  # by way of numbers that nobody has: two versions may change places
        for commit, number in moved.items():
            connection.execute(update(dataset_versions).where(mine, columns.commit == commit).values(number=sign * number))


def add_used(connection: Connection, *, project_id: str, dataset: str, used: Iterable[str], role: str = "") -> None:
    """Ties the import behind a dataset's occurrence to what it was made from."""
    generated = select(edges.c.target).where(edges.c.source == dataset, edges.c.relation == GENERATED)
    activity = connection.execute(generated).scalar_one()
    for identifier in used:
        add_edge(connection, project_id=project_id, source=activity, target=identifier, relation=USED, role=role)


def find_source(connection: Connection, *, project_id: str, location: Location, digest: str | None, label: str) -> str | None:
    """The newest occurrence of kind ``source`` of that content at that place, or None."""
    columns = occurrences.c
    same = (columns.root == location.root, columns.path == location.path, columns.digest == digest, columns.label == label)
    query = select(columns.id).where(columns.project_id == project_id, columns.kind == "source", columns.deleted_at.is_(None), *same)
    return connection.execute(query.order_by(columns.at.desc(), columns.id).limit(1)).scalar()


def generated_below(connection: Connection, *, project_id: str, location: Location) -> Sequence[Row[Any]]:
    """Files and folders that runs generated at a place or below it, newest first: ``id kind path digest``."""
    columns = occurrences.c
    here: ColumnElement[bool] = columns.path == location.path
    if location.path:
        start = location.path.rstrip(b"/") + b"/"
        here |= (columns.path > start) & (columns.path < start[:-1] + b"0")  # "0" follows "/"
    else:
        here |= columns.path > b""
    made = occurrences.join(edges, (edges.c.source == columns.id) & (edges.c.relation == GENERATED))
    query = select(columns.id, columns.kind, columns.path, columns.digest).select_from(made)
    kept = (columns.project_id == project_id, columns.root == location.root, columns.kind.in_(("file", "folder", "model")))
    living = (columns.deleted_at.is_(None), columns.digest.is_not(None))
    return list(connection.execute(query.where(*kept, *living, here).order_by(columns.at.desc(), columns.id)))


def version_of_commit(connection: Connection, *, project_id: str, name: str, commit: str) -> DatasetVersion | None:
    """The version of a dataset that is a commit, deleted or not."""
    row = connection.execute(_versions(project_id).where(dataset_versions.c.name == name, dataset_versions.c.commit == commit)).first()
    return None if row is None else _version(row)


def occurrences_of_commits(connection: Connection, *, project_id: str, name: str, commits: Iterable[str]) -> list[str]:
    """The nodes of those of the commits that have a row."""
    columns = dataset_versions.c
    query = select(columns.occurrence).where(columns.project_id == project_id, columns.name == name, columns.commit.in_(list(commits)))
    return list(connection.execute(query).scalars())


def commit_parents(connection: Connection, *, project_id: str, name: str) -> Mapping[str, Sequence[str]]:
    """The parents of each commit of a dataset that has a row, deleted ones too."""
    columns = dataset_versions.c
    query = select(columns.commit, columns.body).where(columns.project_id == project_id, columns.name == name)
    return {row.commit: json.loads(row.body).get("parents", ()) for row in connection.execute(query)}


def versions_of(connection: Connection, *, project_id: str, name: str) -> tuple[DatasetVersion, ...]:
    """Every version of a dataset that is not deleted, newest first."""
    query = _versions(project_id).where(dataset_versions.c.name == name, dataset_versions.c.deleted_at.is_(None))
    return tuple(_version(row) for row in connection.execute(query.order_by(dataset_versions.c.number.desc())))


def version_of_occurrence(connection: Connection, *, project_id: str, occurrence: str) -> DatasetVersion | None:
    """The version behind a node, if it is one."""
    row = connection.execute(_versions(project_id).where(dataset_versions.c.occurrence == occurrence)).first()
    return None if row is None else _version(row)


def known_commits(connection: Connection, *, project_id: str, name: str) -> frozenset[str]:
    """The commits of a dataset that have a row, deleted ones too."""
    columns = dataset_versions.c
    return frozenset(connection.execute(select(columns.commit).where(columns.project_id == project_id, columns.name == name)).scalars())


def is_version(connection: Connection, *, project_id: str, digest: str) -> bool:
    """Whether a version that is not deleted, of any dataset, has that tree."""
    columns = dataset_versions.c
    query = select(columns.number).where(columns.project_id == project_id, columns.digest == digest, columns.deleted_at.is_(None)).limit(1)
    return connection.execute(query).first() is not None


def list_datasets(connection: Connection, *, project_id: str, tip: Callable[[str], str | None]) -> tuple[Dataset, ...]:
    """Every dataset that has a version which is not deleted, by name; the latest is that of the main line.

    Args:
        tip: the main line's newest commit by the dataset's name; only asked for where there are branches.
    """
    query = _versions(project_id).where(dataset_versions.c.deleted_at.is_(None))
    newest: dict[str, DatasetVersion] = {}
    counts: dict[str, int] = {}
    tips: dict[str, str | None] = {}
    for row in connection.execute(query.order_by(dataset_versions.c.name, dataset_versions.c.number)):
        version = _version(row)
        if version.branch != MAIN and row.name not in tips:
            tips[row.name] = tip(row.name)
        at_tip = row.name in newest and newest[row.name].commit == tips.get(row.name)
        newest[row.name] = newest[row.name] if at_tip else version
        counts[row.name] = counts.get(row.name, 0) + 1
    return tuple(
        Dataset(
            name=name,
            path=latest.path,
            versions=counts[name],
            latest=latest.reference,
            size=latest.size,
            files=latest.files,
            updated_at=latest.created_at,
        )
        for name, latest in newest.items()
    )


def dataset_location(connection: Connection, *, project_id: str, name: str) -> Location | None:
    """Where a dataset lies, or None where there is none of that name."""
    columns = datasets.c
    row = connection.execute(select(columns.root, columns.path).where(columns.project_id == project_id, columns.name == name)).first()
    return None if row is None else Location(root=row.root, path=bytes(row.path))


def dataset_at(connection: Connection, *, project_id: str, location: Location) -> str | None:
    """The name of the dataset that lies there, if one does; of several the one that is longest there."""
    columns = datasets.c
    here = (columns.project_id == project_id, columns.root == location.root, columns.path == location.path)
    living = select(dataset_versions.c.name).where(dataset_versions.c.project_id == project_id, dataset_versions.c.deleted_at.is_(None))
    query = select(columns.name).where(*here, columns.name.in_(living)).order_by(columns.created_at, columns.name).limit(1)
    return connection.execute(query).scalar()


def shown_path(location: Location) -> str:
    """A dataset's path for people and JSON: relative where it lies in the project."""
    text = location.text if location.root != ABSOLUTE else location.path.decode("utf-8", "surrogateescape")
    return text.encode("utf-8", "replace").decode()


def _versions(project_id: str) -> Any:
    return select(dataset_versions).where(dataset_versions.c.project_id == project_id)


def _newest_number(project_id: str, name: str) -> Any:
    columns = dataset_versions.c
    return select(func.max(columns.number)).where(columns.project_id == project_id, columns.name == name)


def _version(row: Row[Any]) -> DatasetVersion:
    return version_of_row(row._mapping)  # type: ignore[arg-type]  # noqa: SLF001 - its public way to a mapping by name
