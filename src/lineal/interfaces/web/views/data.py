"""Datasets, their versions, and what differs between two."""

from __future__ import annotations

from typing import Any

from lineal.errors import LinealError, NotFound
from lineal.interfaces.web.drawing import strip
from lineal.interfaces.web.links import page, with_query
from lineal.interfaces.web.pages import Page, Visit
from lineal.records.dataset import DatasetVersion

FILES = 200
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
    versions = sorted(visit.workspace.datasets.versions(name), key=lambda version: (-version.created_at, -version.number))
    if not versions:
        raise NotFound(f"no dataset is called {name}", kind="unknown-reference", hint="The Data page lists them.")
    context = {"name": name, "versions": versions, "strip": strip(visit.workspace, f"data:{versions[0].reference}")}
    return Page(template="dataset.html", title=name, rail="data", value={"name": name, "versions": versions}, context=context)


def _version(visit: Visit, reference: str) -> Page:
    version = visit.workspace.datasets.get(reference)
    prefix, after = visit.word("prefix"), visit.query.get("after", "")
    entries = list(visit.workspace.datasets.entries(reference, prefix=prefix, limit=FILES + 1, after=after))
    shown = entries[:FILES]
    more = ""
    if len(entries) > FILES:
        more = with_query(visit.address, {"prefix": prefix, "after": shown[-1].path.decode("utf-8", "surrogateescape")})
    context = {
        "version": version,
        "entries": shown,
        "more": more,
        "tables": _tables(version),
        "prefix": prefix,
        "after": after,
        "before": _before(visit, version),
        "used_by": _used_by(visit, version),
        "strip": strip(visit.workspace, f"data:{version.reference}"),
    }
    return Page(template="version.html", title=version.reference, rail="data", value={"version": version, "entries": shown}, context=context)


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
        a, b = _last_two(versions)
    if a == b:
        return Page(template="diff_empty.html", title=f"{name}: differences", rail="data", value={"versions": versions}, context={"name": name})
    found = visit.workspace.datasets.diff(_full(name, a), _full(name, b))
    context = {
        "name": name,
        "diff": found,
        "changes": found.changes[:CHANGES],
        "left_out": max(0, len(found.changes) - CHANGES),
        "versions": versions,
        "a": _full(name, a),
        "b": _full(name, b),
    }
    return Page(template="diff.html", title=f"{name}: {a} to {b}", rail="data", value=found, context=context)


def _last_two(versions: list[DatasetVersion]) -> tuple[str, str]:
    return (versions[-2].reference, versions[-1].reference) if len(versions) > 1 else ("", "")


def _full(name: str, version: str) -> str:
    return version if "@" in version else f"{name}@{version}"


def _before(visit: Visit, version: DatasetVersion) -> str:
    """The address of the difference to the version before, or an empty text for the first."""
    if not version.parents:
        return ""
    for other in visit.workspace.datasets.versions(version.name):
        if other.commit == version.parents[0]:
            return with_query(page("data", version.name, "diff"), {"a": other.reference, "b": version.reference})
    return ""


def _used_by(visit: Visit, version: DatasetVersion) -> list[Any]:
    """The runs that read it, the newest first."""
    try:
        graph = visit.workspace.lineage.graph(f"data:{version.reference}", down=True, depth=1, limit=200)
    except LinealError:
        return []
    return sorted((node for node in graph.nodes if node.kind == "run"), key=lambda node: -node.at)[:50]
