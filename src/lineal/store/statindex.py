"""What is known of files that did not change, so that they need not be read again. A cache: losing it costs time and nothing else."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from lineal.records.digest import Digest, blake3_digest, raw_hash
from lineal.store.copyindex import CopyIndex, Kept, flag_of, load_index, save_index
from lineal.store.status import Looked, is_settled

_VERSION = 1
_BUSY_SECONDS = 10.0

_Known = tuple[int, int, int, int, int, bytes]
"""Size, mtime, ctime, inode, when it was seen (all times in ns), raw hash."""

COPIES = "copies"
"""The folder beside it in which the indexes of working copies lie."""

_FILES = frozenset({flag_of("file"), flag_of("executable")})

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[bytes, _Known]).decode


class StatIndex:
    """Remembers the digest of a file beside its stat, one packed record a folder. Thread safe, and safe among processes.

    What the indexes of working copies know counts, too. A wrong guess is never made: a file that was touched so shortly before it was read that a later change could carry the same time is not
    known (git's racy rule). A digest says nothing about whether the store still has the content.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._folders: dict[bytes, dict[bytes, _Known]] = {}
        self._changed: dict[bytes, dict[bytes, _Known]] = {}
        self._copies = _Copies(path.with_name(COPIES))
        self._connection = _connect(path)

    @classmethod
    def open(cls, path: Path) -> StatIndex:
        """The index in a file, created where there is none, and made anew where it cannot be read."""
        return cls(path)

    def known(self, path: bytes, stat: Looked) -> Digest | None:
        """The file's digest, if it certainly did not change since it was remembered.

        Args:
            path: absolute; stat: what it is now, by ``lstat`` or ``stat`` of a regular file.
        """
        folder, _slash, name = path.rpartition(b"/")
        with self._lock:
            found = self._folder(folder).get(name)
            if found is None or found[:4] != (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino):
                return self._copies.known(folder, name, stat)
        return blake3_digest(found[5]) if is_settled(stat, found[4]) else None

    def remember(self, path: bytes, stat: Looked, digest: Digest, *, seen: int | None = None) -> None:
        """Notes a digest.

        Args:
            stat: from before the file was read.
            seen: when that reading began, in nanoseconds; now, where it is left out.
        """
        folder, _slash, name = path.rpartition(b"/")
        began = time.time_ns() if seen is None else seen
        known = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, began, raw_hash(digest))
        with self._lock:
            self._folder(folder)[name] = known
            self._changed.setdefault(folder, {})[name] = known

    def copy_of(self, folder: bytes) -> CopyIndex | None:
        """What the working copy in an absolute folder looked like, if that is known."""
        return load_index(self._path.with_name(COPIES), folder)

    def keep_copy(self, folder: bytes, index: CopyIndex) -> None:
        """Notes what a working copy looks like."""
        save_index(self._path.with_name(COPIES), folder, index)

    def flush(self) -> None:
        """Writes what was remembered."""
        with self._lock, suppress(sqlite3.Error):  # a cache that cannot be written costs time later, and nothing now
            changed, self._changed = self._changed, {}
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                for folder, names in changed.items():
                    merged = {**self._stored(folder), **names}
                    self._connection.execute("INSERT OR REPLACE INTO folders VALUES (?, ?)", (folder, _encode(merged)))

    def close(self) -> None:
        """Writes what was remembered, and gives the file back."""
        self.flush()
        self._connection.close()

    def _folder(self, folder: bytes) -> dict[bytes, _Known]:
        if folder not in self._folders:
            self._folders[folder] = self._stored(folder)
        return self._folders[folder]

    def _stored(self, folder: bytes) -> dict[bytes, _Known]:
        try:
            row = self._connection.execute("SELECT body FROM folders WHERE path = ?", (folder,)).fetchone()
            return _decode(row[0]) if row else {}
        except (sqlite3.Error, msgspec.MsgspecError):
            return {}


class _Copies:
    """What the indexes of working copies know, opened where a file is asked for that lies in one."""

    def __init__(self, indexes: Path) -> None:
        self._indexes = indexes
        self._above: dict[bytes, tuple[bytes, CopyIndex] | None] = {}
        self._folders: dict[bytes, Mapping[bytes, Kept]] = {}

    def known(self, folder: bytes, name: bytes, stat: Looked) -> Digest | None:
        if folder not in self._folders:
            self._folders[folder] = self._kept(folder)
        kept = self._folders[folder].get(name)
        same = kept is not None and (stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino) == kept.status
        return blake3_digest(kept.raw) if kept is not None and same and kept.flag in _FILES else None

    def _kept(self, folder: bytes) -> Mapping[bytes, Kept]:
        found = self._index_above(folder)
        record = None if found is None else found[1].records.get(folder[len(found[0]) :].lstrip(b"/"))
        return {} if record is None else record.kept()

    def _index_above(self, folder: bytes) -> tuple[bytes, CopyIndex] | None:
        """The working copy that a folder lies in, with its index."""
        if folder not in self._above:
            index = load_index(self._indexes, folder)
            parent = os.path.dirname(folder)
            self._above[folder] = (folder, index) if index is not None else None if parent == folder else self._index_above(parent)
        return self._above[folder]


def _connect(path: Path) -> sqlite3.Connection:
    """The cache in its file; made anew where that is damaged, and for this time only in memory where the disk is full or may not be written."""
    try:
        return _prepared(path)
    except sqlite3.OperationalError:
        return _prepared(":memory:")
    except sqlite3.DatabaseError:
        for leftover in (path, path.with_name(path.name + "-journal")):
            leftover.unlink(missing_ok=True)
    try:
        return _prepared(path)
    except sqlite3.Error:
        return _prepared(":memory:")


def _prepared(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous=OFF")  # it is made anew where it is damaged
        with closing(connection.execute("PRAGMA user_version")) as cursor:
            if cursor.fetchone()[0] not in {0, _VERSION}:
                raise sqlite3.DatabaseError("another version's cache")
        connection.execute("CREATE TABLE IF NOT EXISTS folders (path BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")
        connection.execute(f"PRAGMA user_version={_VERSION}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
