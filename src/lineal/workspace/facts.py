"""What a version says of its files beside their content: columns and rows of tables, and MD5 where it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from lineal.records.dataset import DatasetVersion, TreeEntry
from lineal.records.digest import Digest
from lineal.store.repository import Repository
from lineal.store.snapshot import store_found
from lineal.store.statindex import StatIndex
from lineal.store.workingcopy import Found
from lineal.workspace.tables import DELIMITED, PARQUET, DelimitedFacts, parquet_facts, suffix

_FILES = frozenset({"file", "executable"})
_TABLES = tuple(ending.encode() for ending in (*DELIMITED, PARQUET))

Pairs = Iterable[tuple[TreeEntry | None, TreeEntry | None]]


def text_of(path: bytes) -> str:
    """A path as a JSON key: bytes that are not UTF-8 are shown by a backslash, x and their hex digits."""
    return path.decode("utf-8", "backslashreplace")


class Facts:
    """Stores what is new and describes it on the way; what a version before it says of the rest is carried over.

    Attributes:
        schema, md5s: by path, whole after `complete`.
    """

    def __init__(self, *, store: Repository, index: StatIndex, md5: bool, step: Callable[[int, int], None]) -> None:
        self._store = store
        self._index = index
        self._md5 = md5
        self._step = step
        self._taken: list[TreeEntry] = []
        self._counted: dict[bytes, dict[str, Any]] = {}
        self._steps = 0
        self.schema: dict[str, Any] = {}
        self.md5s: dict[str, str] = {}

    def take(self, found: Found) -> TreeEntry:
        """Stores one thing."""
        self._steps += 1
        self._step(self._steps, 0)
        ending = _table(found)
        entry = self._take_table(found, ending) if ending else store_found(self._store, self._index, found)
        if ending or self._md5:
            self._taken.append(entry)
        return entry

    def complete(self, root: Digest, before: DatasetVersion | None, *, all_taken: bool) -> None:
        """Describes everything of a tree that the version before does not have.

        Args:
            all_taken: whether everything in the tree went through `take`.
        """
        if before is not None:
            self.schema, self.md5s = dict(before.schema), dict(before.md5) if self._md5 else {}
            self._describe(self._store.diff(before.digest, root))
        elif all_taken:
            self._describe((None, entry) for entry in sorted(self._taken, key=lambda entry: entry.path))
        else:
            self._describe((None, entry) for entry in self._store.entries(root))
        if self._md5 and before is not None:
            self._digest(entry for entry in self._store.entries(root) if text_of(entry.path) not in self.md5s)

    def _take_table(self, found: Found, ending: str) -> TreeEntry:
        counting = DelimitedFacts(DELIMITED[ending]) if ending in DELIMITED else None
        entry = store_found(self._store, self._index, found, observe=None if counting is None else counting.observe)
        if counting is not None and counting.seen:
            self._counted[entry.path] = counting.facts()
        return entry

    def _describe(self, pairs: Pairs) -> None:
        for old, new in pairs:
            if old is not None:
                self.schema.pop(text_of(old.path), None)
                self.md5s.pop(text_of(old.path), None)
            if new is not None and new.mode in _FILES:
                if facts := self._table_facts(new):
                    self.schema[text_of(new.path)] = {**facts, "digest": new.digest}
                if self._md5:
                    self._digest((new,))

    def _table_facts(self, entry: TreeEntry) -> dict[str, Any]:
        ending = suffix(entry.path.decode("utf-8", "replace"))
        if not ending or entry.path in self._counted:
            return self._counted.get(entry.path, {})
        if ending == PARQUET:
            with self._store.open_content(entry.digest) as file:
                return parquet_facts(file)
        counting = DelimitedFacts(DELIMITED[ending])
        for chunk in self._store.chunks(entry.digest):
            counting.observe(memoryview(chunk))
        return counting.facts()

    def _digest(self, entries: Iterable[TreeEntry]) -> None:
        """From the store, so that it is of exactly the bytes that were stored."""
        for entry in entries:
            if entry.mode in _FILES:
                hasher = hashlib.md5(usedforsecurity=False)
                for chunk in self._store.chunks(entry.digest):
                    hasher.update(chunk)
                self.md5s[text_of(entry.path)] = hasher.hexdigest()


def _table(found: Found) -> str:
    """The ending of a table file; an empty string of anything else."""
    return suffix(found.path.decode("utf-8", "replace")) if found.mode in _FILES and found.path.lower().endswith(_TABLES) else ""
