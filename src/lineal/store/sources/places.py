"""Which places are tracked, in one small file: for programs that record and must not open the ledger.

It is a hint. Without it, what a run reads there is recorded like anything else it reads; the ledger decides what it is tied to.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lineal.errors import LinealError
from lineal.records.digest import Digest
from lineal.records.tracked import SourceFacts, recorded_facts
from lineal.store.repository import Repository
from lineal.store.sources.folder import facts_of_stat

NAME = "tracked.json"
FORMAT = 1


def read_places(state: Path) -> dict[str, dict[str, Any]]:
    """The latest fixed point of each tracked dataset, by its name: ``url kind root single`` and ``options``, if there are any; empty where none can be read."""
    try:
        document = json.loads((state / NAME).read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError):
        return {}
    known = isinstance(document, dict) and document.get("format") == FORMAT
    return dict(document.get("places") or {}) if known else {}


def note_place(state: Path, name: str, place: Mapping[str, Any] | None) -> None:
    """Notes a dataset's latest fixed point, or with None that it has none any more; in one step."""
    places = read_places(state)
    if places.get(name) == place:
        return
    places.pop(name, None)
    if place is not None:
        places[name] = dict(place)
    temporary = state / f".{NAME}.{secrets.token_hex(4)}"
    temporary.write_text(json.dumps({"format": FORMAT, "places": places}, sort_keys=True), encoding="utf-8", errors="surrogateescape")
    temporary.replace(state / NAME)


@dataclass(slots=True, kw_only=True)
class TrackedFolders:
    """The folders that are tracked, and what was recorded of their files.

    Attributes:
        changed: paths that are no longer what was recorded, with the dataset's name.
    """

    store: Repository
    folders: Mapping[bytes, tuple[str, Digest, bool]]
    changed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, state: Path, store: Repository) -> TrackedFolders:
        """Those of a project."""
        places = {name: place for name, place in read_places(state).items() if place.get("kind") == "folder"}
        folders = {os.fsencode(place["url"]): (name, Digest(place["root"]), bool(place["single"])) for name, place in places.items()}
        return cls(store=store, folders=folders)

    def facts(self, path: bytes, found: os.stat_result) -> SourceFacts | None:
        """What was recorded of a file, if it lies in a tracked folder and still is that."""
        if not self.folders:
            return None
        for folder in _holders(path):
            if folder not in self.folders:
                continue
            name, root, single = self.folders[folder]
            recorded = self._recorded(root, os.path.basename(path) if single else path[len(folder) + 1 :])
            if recorded is not None and recorded.etag == facts_of_stat(found).etag:
                return recorded
            if recorded is not None:
                self.changed[os.fsdecode(path)] = name
        return None

    def _recorded(self, root: Digest, path: bytes) -> SourceFacts | None:
        try:
            entry = self.store.entry(root, path) if path else None
            return recorded_facts(entry, self.store.read(entry.digest)) if entry is not None and entry.mode == "tracked" else None
        except LinealError:  # what cannot be read proves nothing; fsck tells of it
            return None


def _holders(path: bytes) -> list[bytes]:
    found = [path]
    while len(path) > 1:
        path = os.path.dirname(path)
        found.append(path)
    return found
