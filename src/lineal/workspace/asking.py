"""Asks tracked sources what a run read there, where the run only declared it: what they say when the run has ended is as near as one comes to it.

Only what was tracked is asked, and only for files that the newest fixed point holds; whoever does not answer in time leaves things as they are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lineal.errors import LinealError
from lineal.records import journal
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.store.sources import FOLDER
from lineal.store.sources.places import read_places
from lineal.workspace.sources import recorded_source

if TYPE_CHECKING:
    from lineal.capture.sightings import Sightings
    from lineal.workspace.site import Site

MOST_ASKED = 100
"""URLs of one run."""

ASK_SECONDS = 10.0

Asked = tuple[str, Mapping[str, Any], bytes]
"""A URL, its tracked place, and the path of the file there."""


def ask_sources(site: Site, seen: Sightings, *, deadline: float) -> list[tuple[str, dict[str, Any]]]:
    """Kinds and fields of the entries that say what was declared by URL and not seen: `READ`, or `WARNING` where it is gone. Never fails.

    Args:
        deadline: of `time.monotonic`; it waits for `ASK_SECONDS` at most.
    """
    unknown = sorted(url for url, known in seen.urls.items() if not known)
    places = [place for place in read_places(site.layout.state).values() if place.get("kind") != FOLDER] if unknown else []
    asked = [found for url in unknown[:MOST_ASKED] for found in _tracked_at(site, url, places)]
    if not asked:
        return []
    answers: list[tuple[str, dict[str, Any]]] = []
    asker = threading.Thread(target=_ask, args=(site, asked, answers), name="lineal-asking", daemon=True)  # a server that hangs holds nobody up
    asker.start()
    asker.join(max(0.0, min(ASK_SECONDS, deadline - time.monotonic())))
    return list(answers)


def _tracked_at(site: Site, url: str, places: list[dict[str, Any]]) -> list[Asked]:
    """The file that a URL names in the first place that holds it."""
    for place in places:
        inside = place["url"].rstrip("/") + "/"
        if url == place["url"] if place["single"] else url.startswith(inside):
            entry = _entry(site, place, url[len(inside) :])
            if entry is not None:
                return [(url, place, entry.path)]
    return []


def _entry(site: Site, place: Mapping[str, Any], inner: str) -> TreeEntry | None:
    try:
        if place["single"]:
            return next(iter(site.store.entries(Digest(place["root"]))), None)
        entry = site.store.entry(Digest(place["root"]), inner.encode("utf-8", "surrogateescape"))
    except LinealError:  # what cannot be read proves nothing; fsck tells of it
        return None
    return entry if entry is not None and entry.mode == "tracked" else None


def _ask(site: Site, asked: list[Asked], answers: list[tuple[str, dict[str, Any]]]) -> None:
    silent: set[str] = set()
    for url, place, path in asked:
        if place["url"] in silent:
            continue
        try:
            answers.append(_answer(site, url, place, path))
        except Exception:  # noqa: BLE001 - of a source that cannot be asked nothing is known, which is what the record says then
            silent.add(place["url"])


def _answer(site: Site, url: str, place: Mapping[str, Any], path: bytes) -> tuple[str, dict[str, Any]]:
    source = recorded_source(site, place["url"], place.get("options"))
    facts = source.look(path)
    if facts is None:
        return journal.WARNING, {"text": f"{url} was declared as an input, and was not at its source any more when the run ended"}
    told = {**facts.document(), "asked": True}
    return journal.READ, {"direction": "input", "url": url, "role": "", "declared": False, "facts": told, "time": site.clock()}
