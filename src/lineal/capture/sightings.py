"""What the journals of a run say of its files: one sighting per path, whoever saw it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lineal.capture.code import source_of
from lineal.capture.journal import journal_paths, read_journal
from lineal.errors import LinealError
from lineal.records import journal
from lineal.records.location import without_server

StatKey = tuple[int, ...]
"""Device, inode, size, modification and change time in nanoseconds, mode: what a file looked like."""


@dataclass(slots=True, kw_only=True)
class Sighting:
    """One path that a run touched or declared.

    Attributes:
        read_at, written_at: when it was first opened for that, microseconds UTC, or None.
        before: what it looked like before its first use, or None where it was not there.
        rank: of the process that used it first.
        named: whether it was only named in the arguments of a program that could not be watched.
        declared: ``input``, ``output`` or both, with the role given.
    """

    path: bytes
    read_at: int | None = None
    written_at: int | None = None
    before: StatKey | None = None
    first_at: int | None = None
    rank: int = 0
    named: bool = False
    declared: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Sightings:
    """Everything that the journals of one run say.

    Attributes:
        begins: the `BEGIN` entries in the order of their starts; the owner's is among them.
        unwatched: programs whose files could not be seen, and libraries that open files by themselves.
        done: direction, root and path of the newest attempt's `FILE` entries that are there already.
        metrics: names of the metrics that the program recorded itself.
        sources: up to where event files were read for the series, by path.
        series_root: the folder that their series are named from.
        hosts: object stores from which everything that was read is noted by its URL.
        urls: what was read or declared to be read by URL, and whether anything is known of what it was then.
        damaged: what could not be read, one sentence each.
    """

    files: dict[bytes, Sighting] = field(default_factory=dict)
    begins: list[Mapping[str, Any]] = field(default_factory=list)
    unwatched: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: set[str] = field(default_factory=set)
    sources: dict[bytes, int] = field(default_factory=dict)
    series_root: str = ""
    done: set[tuple[str, str, bytes]] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    urls: dict[str, bool] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    @property
    def owner(self) -> Mapping[str, Any]:
        """The `BEGIN` of the newest attempt's owner; empty where there is none."""
        owners = [entry for entry in self.begins if entry.get("role") == "owner"]
        return max(owners, key=lambda entry: int(entry.get("started", 0))) if owners else {}

    @property
    def interpreter(self) -> Mapping[str, Any]:
        """The `BEGIN` of the first Python process that was watched; empty where there is none."""
        return min((entry for entry in self.begins if entry.get("interpreter")), key=lambda entry: int(entry.get("started", 0)), default={})


def read_sightings(folder: Path) -> Sightings:
    """What the journals in a run's folder say so far. A damaged journal is read up to the damage, which is told of."""
    found = Sightings()
    done: list[tuple[int, tuple[str, str, bytes]]] = []
    for path in journal_paths(folder):
        started = rank = 0
        for entry in _tolerant(path, found):
            if entry.get("k") == journal.BEGIN:
                started, rank = int(entry.get("started", 0)), int(entry.get("rank", 0))
            if entry.get("k") == journal.FILE:
                done.append((started, (entry["direction"], entry["root"], entry["path"])))
            else:
                _take(found, entry, rank)
    found.begins.sort(key=lambda entry: int(entry.get("started", 0)))
    newest = int(found.owner.get("started", 0))
    found.done.update(key for started, key in done if started >= newest)
    return found


def look(path: bytes) -> StatKey | None:
    """What a file looks like now; None where it is not there or is no file or folder."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return key_of(found) if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) else None


def changed_at(path: bytes) -> int:
    """When a file was last written, microseconds UTC; 0 where it is not there."""
    found = look(path)
    return 0 if found is None else found[3] // 1000


def key_of(found: os.stat_result) -> StatKey:
    """The facts of a stat that change when a file does."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode


def same_content(first: StatKey | None, second: StatKey | None) -> bool:
    """Whether a file surely was not written between two looks: same inode, size and times."""
    return first is not None and second is not None and first[1:4] == second[1:4]


def is_folder(key: StatKey) -> bool:
    """Whether what was looked at is a folder."""
    return stat.S_ISDIR(key[5])


def _tolerant(path: Path, found: Sightings) -> Iterator[Mapping[str, Any]]:
    try:
        yield from read_journal(path)
    except LinealError as error:
        found.damaged.append(error.message)
    except OSError as error:
        found.damaged.append(f"{path.name} cannot be read: {error.strerror}")


def _take(found: Sightings, entry: Mapping[str, Any], rank: int) -> None:
    kind = entry.get("k")
    found.kinds.add(str(kind))
    if kind == journal.OPENED:
        _opened(found, entry, rank)
    elif kind == journal.DECLARED:
        if b"://" not in entry["path"]:
            _sighting(found, entry["path"]).declared.setdefault(entry["direction"], entry.get("role", ""))
    elif kind == journal.SPAWNED and not entry.get("traced", True):
        found.unwatched.setdefault(entry["program"], entry.get("reason", ""))
    elif kind == journal.BEGIN:
        found.begins.append(entry)
    else:
        _take_words(found, entry)


def _take_words(found: Sightings, entry: Mapping[str, Any]) -> None:
    """What an entry says that is about no file."""
    kind = entry.get("k")
    if kind == journal.READ:
        _read(found, entry)
    elif kind == journal.PARAMS:
        found.params.update(dict.fromkeys(entry["values"], entry.get("origin", "")))
    elif kind == journal.POINTS and entry.get("source"):
        found.sources[entry["source"]] = max(found.sources.get(entry["source"], 0), int(entry["behind"]))
        found.series_root = os.fsdecode(entry["root"])
    elif kind in {journal.SUMMARY, journal.POINTS}:
        found.metrics.update(entry["values"] if kind == journal.SUMMARY else entry["keys"])


def _read(found: Sightings, entry: Mapping[str, Any]) -> None:
    if entry.get("host"):
        found.hosts.add(str(entry["host"]))
    if entry.get("direction") != "output":
        url = without_server(str(entry["url"]))
        found.urls[url] = found.urls.get(url, False) or bool(entry.get("facts"))


def _opened(found: Sightings, entry: Mapping[str, Any], rank: int) -> None:
    path, at, mode = source_of(entry["path"]), int(entry["time"]), entry["mode"]
    sighting = _sighting(found, path)
    before = None if entry.get("stat") is None or path != entry["path"] else tuple(entry["stat"])
    if sighting.first_at is None or at < sighting.first_at:
        sighting.first_at, sighting.before, sighting.rank = at, before, rank
    if mode in {"r", "rw"}:
        sighting.read_at = _earlier(sighting.read_at, at)
    if mode in {"w", "rw"}:
        sighting.written_at = _earlier(sighting.written_at, at)
    if mode == "named":
        sighting.named = True


def _earlier(first: int | None, second: int) -> int:
    return second if first is None else min(first, second)


def _sighting(found: Sightings, path: bytes) -> Sighting:
    return found.files.setdefault(path, Sighting(path=path))
