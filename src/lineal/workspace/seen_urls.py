"""What the journals of a run say of URLs: one read for each state of each, whoever saw it, with the role that was declared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lineal.ledger.graph import FileFact
from lineal.ledger.reads import UrlRead
from lineal.records import journal
from lineal.records.location import URL, without_server
from lineal.records.roles import guess_role
from lineal.records.tracked import facts_of


def url_reads(entries: Iterable[Mapping[str, Any]]) -> list[UrlRead]:
    """What was read by URL. Where the same URL was both declared and seen, what was seen says which state it was and the declaration its role."""
    seen: dict[str, dict[tuple[Any, ...], UrlRead]] = {}
    declared: dict[str, UrlRead] = {}
    for entry in entries:
        if entry["k"] != journal.READ or entry.get("direction") == "output":
            continue
        read = _read(entry)
        if read.declared and not read.facts.known and not read.commit:
            declared.setdefault(read.url, read)
        else:
            states = seen.setdefault(read.url, {})
            before = states.get(_state(read))
            states[_state(read)] = read if before is None or (read.declared and not before.declared) else before
    for states in seen.values():
        if len(states) > 1:
            states.pop(_UNKNOWN, None)
    for url in [url for url, states in seen.items() if set(states) == {_UNKNOWN} and any(other.startswith(f"{url.rstrip('/')}/") for other in seen)]:
        del seen[url]  # a folder, whose files were seen one by one
    found = [_with_role(read, declared.get(url)) for url, states in seen.items() for read in states.values()]
    return [*found, *(read for url, read in declared.items() if url not in seen)]


def url_outputs(entries: Iterable[Mapping[str, Any]]) -> list[FileFact]:
    """What was written to URLs, each once in its last state."""
    found: dict[str, FileFact] = {}
    for entry in entries:
        if entry["k"] == journal.READ and entry.get("direction") == "output":
            found[entry["url"]] = _output(_read(entry))
    return list(found.values())


_UNKNOWN = ("", "", "", "", "", None)


def _state(read: UrlRead) -> tuple[Any, ...]:
    return read.commit, read.through, read.facts.version, read.facts.etag, read.facts.md5, None if read.facts.etag else read.facts.modified


def _read(entry: Mapping[str, Any]) -> UrlRead:
    facts, url, role = entry.get("facts") or {}, str(entry["url"]), str(entry.get("role") or "")
    if entry.get("declared"):
        url = without_server(url)
    return UrlRead(
        url=url,
        facts=facts_of(facts),
        role=role or guess_role(url),
        role_origin="declared" if role else "guessed",
        declared=bool(entry.get("declared")),
        commit=str(facts.get("commit") or ""),
        through=str(facts.get("through") or ""),
        asked=bool(facts.get("asked")),
    )


def _with_role(read: UrlRead, declared: UrlRead | None) -> UrlRead:
    if declared is None:
        return read
    return replace(read, role=declared.role, role_origin=declared.role_origin, declared=True)


def _output(read: UrlRead) -> FileFact:
    return FileFact(
        root=URL,
        path=os.fsencode(read.url),
        digest=read.facts.digest,
        size=read.facts.size or 0,
        role=read.role,
        role_origin=read.role_origin,
        declared=read.declared,
        restorable=False,
        facts=read.facts,
        note="" if read.facts.digest else "it lies at a URL, and what it holds is not known",
        told=read.facts.document(),
    )
