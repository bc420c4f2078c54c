"""Keeps what programs that record know of tracked places (`lineal.store.sources.places`) in step with the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from lineal.ledger.datasets import versions_of
from lineal.records.dataset import DatasetVersion
from lineal.records.graph import Node
from lineal.store.sources.places import note_place
from lineal.workspace.site import Site


def note_version(site: Site, version: DatasetVersion) -> None:
    """Notes a version that is a dataset's newest now."""
    note_place(site.layout.state, version.name, _hint(version))


def renew_places(site: Site, connection: Connection, nodes: Iterable[Node]) -> None:
    """Notes anew the newest living versions of the datasets of which versions were deleted or brought back."""
    for name in sorted({str(node.detail["name"]) for node in nodes if node.kind == "dataset"}):
        living = versions_of(connection, project_id=site.project_id, name=name)
        note_place(site.layout.state, name, _hint(living[0]) if living else None)


def _hint(version: DatasetVersion) -> Mapping[str, Any] | None:
    if not version.tracked:
        return None
    place = {"url": version.tracked["url"], "kind": version.tracked["kind"], "root": version.digest, "single": version.single_file}
    return {**place, "options": dict(version.tracked["options"])} if version.tracked.get("options") else place
