"""Datasets, their versions, and what differs between two."""

from __future__ import annotations

import os
from itertools import islice
from typing import Any

from lineal.errors import LinealError, NotFound
from lineal.interfaces.web.drawing import strip
from lineal.interfaces.web.history import growth, rails
from lineal.interfaces.web.links import with_query
from lineal.interfaces.web.pages import Page, Visit
from lineal.interfaces.web.views.merging import CONFLICTS
from lineal.records.dataset import DatasetVersion
from lineal.records.digest import Digest

FILES = 200
VERSIONS = 100
CHOICES = 200
CHANGES = 500


def datasets_page(visit: Visit) -> Page:
    """Every dataset."""
    found = visit.workspace.datasets.list()
    return Page(template="datasets.html", title="Data", rail="data", value={"datasets": found}, context={"datasets": found})


def data_page(visit: Visit) -> Page:
    """A dataset, or with ``@`` one of its versions."""
    name = visit.path["name"]
    return _version(visit, name) if "@" in name else _dataset(visit, name)


def _dataset(visit: Visit, name: str) -> Page:
    versions = sorted(visit.workspace.datasets.versions(name), key=lambda version: -version.number)
    if not versions:
        raise NotFound(f"no dataset is called {name}", kind="unknown-reference", hint="The Data page lists them.")
    branches = visit.workspace.branches.list(name)
    start = visit.number("offset", 0)
    drawn = list(zip(versions, rails(versions), strict=True))[start : start + VERSIONS]
    by_commit = {version.commit: version.reference for version in versions}
    latest = visit.workspace.datasets.get(f"data:{name}")
    context = {
        "name": name,
        "latest": latest,
        "branches": branches,
        "rows": [(version, rail, by_commit.get(version.parents[0], "") if version.parents else "") for version, rail in drawn],
        "at": {commit: [branch for branch in branches if branch.commit == commit] for commit in {branch.commit for branch in branches}},
        "pages": _pages(visit, start, len(versions)),
        "growth": growth(versions),
        "total": len(versions),
        "choices": versions[:CHOICES],
        "strip": strip(visit.workspace, f"data:{latest.reference}"),
    }
    value = {"name": name, "versions": versions, "branches": branches}
    return Page(template="dataset.html", title=name, rail="data", value=value, context=context)


def _pages(visit: Visit, start: int, total: int) -> dict[str, Any] | None:
    """Where the versions before and after lie, if they do not fit on one page."""
    if total <= VERSIONS:
        return None
    return {
        "first": start + 1,
        "last": min(total, start + VERSIONS),
        "total": total,
        "before": with_query(visit.address, {"offset": max(0, start - VERSIONS) or ""}) if start else "",
        "after": with_query(visit.address, {"offset": start + VERSIONS}) if start + VERSIONS < total else "",
    }


def _version(visit: Visit, reference: str) -> Page:
    version = visit.workspace.datasets.get(reference)
    prefix, folder, after = visit.word("prefix"), visit.query.get("folder", "").strip("/"), visit.query.get("after", "")
    if prefix:
        entries = list(visit.workspace.datasets.entries(reference, prefix=prefix, limit=FILES + 1, after=after))
    else:
        children = visit.workspace.datasets.view(version.reference).children(os.fsencode(folder), after=os.fsencode(after))
        entries = list(islice(children, FILES + 1))
    shown = entries[:FILES]
    here = {"prefix": prefix, "folder": folder}
    named = {other.commit: other.reference for other in visit.workspace.datasets.versions(version.name)}
    context = {
        "version": version,
        "entries": shown,
        "more": with_query(visit.address, {**here, "after": os.fsdecode(shown[-1].path)}) if len(entries) > FILES else "",
        "from_start": with_query(visit.address, here),
        "tables": _tables(version),
        "prefix": prefix,
        "folder": folder,
        "crumbs": _crumbs(folder),
        "after": after,
        "parents": [named[parent] for parent in version.parents if parent in named],
        "reverts": named.get(Digest(version.reverts), ""),
        "conflict_words": CONFLICTS,
        "on_tip": [branch for branch in visit.workspace.branches.list(version.name) if branch.commit == version.commit],
        "used_by": _used_by(visit, version),
        "strip": strip(visit.workspace, f"data:{version.reference}"),
    }
    return Page(template="version.html", title=version.reference, rail="data", value={"version": version, "entries": shown}, context=context)


def _crumbs(folder: str) -> list[tuple[str, str]]:
    """The folders on the way to one: name and path of each."""
    parts = folder.split("/") if folder else []
    return [(part, "/".join(parts[: place + 1])) for place, part in enumerate(parts)]


def _tables(version: DatasetVersion) -> list[tuple[Any, list[str], int]]:
    """The tables of a version by their columns: those alike are said once, with their paths and all their rows."""
    found: dict[str, tuple[Any, list[str], int]] = {}
    for path, table in version.schema.items():
        columns = table.get("columns") or ()
        if columns:
            first, paths, rows = found.get(repr(columns), (columns, [], 0))
            found[repr(columns)] = (first, [*paths, path], rows + int(table.get("rows") or 0))
    return list(found.values())


def diff_page(visit: Visit) -> Page:
    """What differs between two versions of a dataset."""
    name = visit.path["name"]
    a, b = visit.word("a"), visit.word("b")
    versions = sorted(visit.workspace.datasets.versions(name), key=lambda version: version.created_at)
    if not (a and b):
        a, b = _last_step(visit, name, versions)
    if a == b:
        return Page(template="diff_empty.html", title=f"{name}: differences", rail="data", value={"versions": versions}, context={"name": name})
    found = visit.workspace.datasets.diff(_full(name, a), _full(name, b))
    context = {
        "name": name,
        "diff": found,
        "changes": found.changes[:CHANGES],
        "left_out": max(0, len(found.changes) - CHANGES),
        "versions": _choices(versions, {_full(name, a), _full(name, b)}),
        "a": _full(name, a),
        "b": _full(name, b),
    }
    return Page(template="diff.html", title=f"{name}: {a} to {b}", rail="data", value=found, context=context)


def _last_step(visit: Visit, name: str, versions: list[DatasetVersion]) -> tuple[str, str]:
    """The latest version of the main line, and what it was made of first."""
    latest = visit.workspace.datasets.get(f"data:{name}")
    before = [version.reference for version in versions if version.commit in latest.parents[:1]]
    return (before[0], latest.reference) if before else ("", "")


def _choices(versions: list[DatasetVersion], chosen: set[str]) -> list[DatasetVersion]:
    """What can be picked: the newest, and what is chosen already."""
    return [version for version in versions[:-CHOICES] if version.reference in chosen] + versions[-CHOICES:]


def _full(name: str, version: str) -> str:
    return version if "@" in version else f"{name}@{version}"


def _used_by(visit: Visit, version: DatasetVersion) -> list[Any]:
    """The runs that read it, the newest first."""
    try:
        graph = visit.workspace.lineage.graph(f"data:{version.reference}", down=True, depth=1, limit=200)
    except LinealError:
        return []
    return sorted((node for node in graph.nodes if node.kind == "run"), key=lambda node: -node.at)[:50]
