"""Bringing a folder or file into the store as a commit: what changed is read, tables are counted while they go by."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lineal.errors import InvalidInput, NotFound
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.records.location import Location, locate
from lineal.store.files import readable
from lineal.store.repository import Repository
from lineal.store.snapshot import Found, look_at, scan, store_found
from lineal.store.statindex import StatIndex
from lineal.workspace.interface import Progress
from lineal.workspace.site import Site
from lineal.workspace.tables import DELIMITED, PARQUET, DelimitedFacts, parquet_facts, suffix

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_PROGRESS_SECONDS = 0.2


@dataclass(slots=True)
class Snapshot:
    """What was found and stored.

    Attributes:
        md5, schema: by path.
    """

    root: Digest
    entries: list[TreeEntry]
    md5: dict[str, str] = field(default_factory=dict)
    schema: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """Files and links; empty folders do not count."""
        return sum(entry.mode != "folder" for entry in self.entries)

    @property
    def size(self) -> int:
        """Bytes of all contents."""
        return sum(entry.size for entry in self.entries)


def checked_name(given: str, path: bytes) -> str:
    """A dataset's name: the given one, or one made from the path.

    Raises:
        InvalidInput: kind ``bad-name``.
    """
    if given:
        if not _NAME.match(given):
            raise InvalidInput(
                f"{given!r} cannot be a dataset's name", kind="bad-name", hint="Use letters, digits and . _ - (at most 100, a letter or digit first)."
            )
        return given
    stem = os.path.basename(path).decode("utf-8", "replace")
    stem = stem.partition(".")[0] if os.path.isfile(path) else stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100]
    if not _NAME.match(name):
        raise InvalidInput(f"no name can be made from {stem!r}", kind="bad-name", hint="Give one with --name.")
    return name


def checked_path(site: Site, path: Path) -> bytes:
    """The absolute path of something to add.

    Raises:
        NotFound: kind ``unknown-path``; InvalidInput: kind ``bad-path``, for Lineal's own folder; kind ``link-loop``.
    """
    full = os.path.abspath(os.fsencode(path))
    try:
        os.stat(full)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no {os.fsdecode(path)}", kind="unknown-path", hint="Give a folder or a file that exists.") from error
    except PermissionError:
        pass  # said more exactly where it is read
    except OSError as error:
        raise InvalidInput(f"{os.fsdecode(path)} cannot be followed: {error.strerror}", kind="link-loop", hint="Remove or mend the link.") from error
    state = os.fsencode(site.layout.state.absolute())
    if full == state or full.startswith(state + b"/"):
        raise InvalidInput(f"{os.fsdecode(path)} is Lineal's own folder", kind="bad-path", hint="Add the data itself.")
    return full


def location_of(site: Site, full: bytes) -> Location:
    """Where an absolute path is, relative to the project or home where it lies there."""
    return locate(full, project=os.fsencode(site.layout.root.absolute()), home=os.fsencode(os.path.expanduser("~")))


@contextmanager
def stat_index(site: Site) -> Iterator[StatIndex]:
    """The project's stat index, written back at the end."""
    index = StatIndex.open(site.layout.stat_index)
    try:
        yield index
    finally:
        index.close()


def take_snapshot(store: Repository, index: StatIndex, full: bytes, *, md5: bool, before: Mapping[str, Any], progress: Progress) -> Snapshot:
    """Stores a folder or file and its tree; all of it is durable when this returns, or none of it counts.

    Args:
        before: the schema of the version before, by path, with each table's digest, so that unchanged tables are not read again.
    """
    reading = _Reading(store=store, index=index, md5=md5, before=before, step=throttled("reading", progress))
    with store.batch():
        for found in scan(full) if os.path.isdir(full) else (look_at(full, os.path.basename(full)),):
            reading.take(found)
        root = store.put_tree(reading.entries)
    reading.entries.sort(key=lambda entry: entry.path)
    return Snapshot(root=root, entries=reading.entries, md5=reading.md5s, schema=reading.schema)


def md5_of_file(path: bytes) -> str:
    """The MD5 hex of a file as it is now. Raises NotFound kind ``file-vanished`` and PermissionDenied kind ``file-unreadable``."""
    with readable(path), open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def text_of(path: bytes) -> str:
    """A path as a JSON key: bytes that are not UTF-8 are shown by a backslash, x and their hex digits."""
    return path.decode("utf-8", "backslashreplace")


class _Reading:
    """Goes through what was found, one by one."""

    def __init__(self, *, store: Repository, index: StatIndex, md5: bool, before: Mapping[str, Any], step: Callable[[int, int], None]) -> None:
        self._store = store
        self._index = index
        self._md5 = md5
        self._before = before
        self._step = step
        self.entries: list[TreeEntry] = []
        self.md5s: dict[str, str] = {}
        self.schema: dict[str, Any] = {}

    def take(self, found: Found) -> None:
        """Stores one thing."""
        ending = suffix(found.path.decode("utf-8", "replace")) if found.mode in {"file", "executable"} else ""
        counting = DelimitedFacts(DELIMITED[ending]) if ending in DELIMITED else None
        entry = store_found(self._store, self._index, found, observe=None if counting is None else counting.observe)
        self.entries.append(entry)
        self._step(len(self.entries), 0)
        if ending:
            self._describe(entry, ending, counting)
        if self._md5 and found.mode in {"file", "executable"}:
            self.md5s[text_of(entry.path)] = self._md5_of(entry)

    def _describe(self, entry: TreeEntry, ending: str, counting: DelimitedFacts | None) -> None:
        name = text_of(entry.path)
        known = self._before.get(name)
        if known and known.get("digest") == entry.digest:
            self.schema[name] = known
            return
        if ending == PARQUET:
            with self._store.open_content(entry.digest) as file:
                facts = parquet_facts(file)
        else:
            facts = self._counted(entry, ending, counting)
        if facts:
            self.schema[name] = {**facts, "digest": entry.digest}

    def _counted(self, entry: TreeEntry, ending: str, counting: DelimitedFacts | None) -> dict[str, Any]:
        if counting is None or not counting.seen:
            counting = DelimitedFacts(DELIMITED[ending])
            for chunk in self._store.chunks(entry.digest):
                counting.observe(memoryview(chunk))
        return counting.facts()

    def _md5_of(self, entry: TreeEntry) -> str:
        """From the store, so that it is of exactly the bytes that were stored."""
        hasher = hashlib.md5(usedforsecurity=False)
        for chunk in self._store.chunks(entry.digest):
            hasher.update(chunk)
        return hasher.hexdigest()


def throttled(what: str, progress: Progress) -> Callable[[int, int], None]:
    """Progress at most a few times a second, whatever it costs to show."""
    last = time.monotonic()

    def step(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_SECONDS or (total and done == total):
            last = now
            progress(what, done, total)

    return step
