"""Inputs that lie in no file of the project: answers of databases, rows that were made in memory, and data that only has a name here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lineal.ledger.graph import FileFact
from lineal.records import journal
from lineal.records.location import RUN

_FOLDERS = (b"queries/", b"rows/")
_ROWS = ("name", "rows", "unique", "columns", "labels")
_NAMED = ("name", "digest", "source", "source_type", "rows")
_QUERY = ("text", "params", "source", "brand", "asked", "took", "rows", "columns", "kept")


def is_made(entry: Mapping[str, Any]) -> bool:
    """Whether a `FILE` entry is of a file that an entry of its own says more of."""
    return entry["k"] == journal.FILE and entry["direction"] == "input" and entry["root"] == RUN and bytes(entry["path"]).startswith(_FOLDERS)


def made_inputs(entries: Iterable[Mapping[str, Any]]) -> list[FileFact]:
    """The facts of those inputs, in the order in which they were made."""
    known = list(entries)
    stored = {bytes(entry["path"]) for entry in known if is_made(entry) and entry.get("digest") and entry.get("restorable", True)}
    return [_MAKERS[entry["k"]](entry, stored) for entry in known if entry["k"] in _MAKERS]


def _query(entry: Mapping[str, Any], stored: set[bytes]) -> FileFact:
    path = bytes(entry["path"])
    kept = path in stored
    return FileFact(
        root=str(entry["root"]),
        path=path,
        digest=str(entry["digest"]),
        size=int(entry["size"]),
        kind="query",
        role=str(entry.get("role") or ""),
        role_origin="declared",
        declared=True,
        restorable=kept,
        note="" if kept else "the result was not kept",
        detail={"name": entry["name"], "text": entry["text"], "source": entry["source"]},
        told={"query": {"name": entry["name"], **{key: entry[key] for key in _QUERY if key in entry}}},
    )


def _rows(entry: Mapping[str, Any], stored: set[bytes]) -> FileFact:
    path = bytes(entry["path"])
    role = str(entry.get("role") or "")
    return FileFact(
        root=str(entry["root"]),
        path=path,
        digest=str(entry["digest"]),
        size=int(entry["size"]),
        kind="rows",
        role=role,
        role_origin="declared",
        declared=True,
        restorable=path in stored,
        note="hashes of rows; the table was not stored",
        detail={"name": entry["name"]},
        told={"rows": {key: entry[key] for key in _ROWS if entry.get(key) is not None}},
    )


def _named(entry: Mapping[str, Any], _stored: set[bytes]) -> FileFact:
    """The same name and digest is the same data, whichever run says so."""
    told = {key: entry[key] for key in _NAMED if entry.get(key) not in {None, ""}}
    return FileFact(
        root=RUN,
        path=b"datasets/" + str(entry["name"]).encode("utf-8", "surrogateescape"),
        digest=f"mlflow:{entry['digest']}",
        size=0,
        kind="named",
        role=str(entry.get("role") or ""),
        role_origin="declared",
        declared=True,
        restorable=False,
        note="only its name and digest are known, as they were logged",
        detail={"name": entry["name"]},
        told={"named": told},
    )


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], set[bytes]], FileFact]] = {journal.QUERY: _query, journal.ROWS: _rows, journal.NAMED: _named}
