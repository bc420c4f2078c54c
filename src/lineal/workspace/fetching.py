"""Bytes of tracked versions, from where they lie: exactly those that were recorded, or a clear word that they are not there any more."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from lineal.errors import Conflict, Integrity, InvalidInput, PermissionDenied, Unavailable
from lineal.records.dataset import DatasetStatus, DatasetVersion, PathChange, TreeEntry, VerifyReport
from lineal.records.tracked import RESTORABLE, SourceFacts, recorded_facts
from lineal.store.checkout import write_entry
from lineal.store.files import write_file
from lineal.store.sources import BUCKET, FOLDER
from lineal.store.sources.interface import Source
from lineal.workspace.facts import text_of
from lineal.workspace.fixed_points import compare_source
from lineal.workspace.importing import throttled
from lineal.workspace.interface import Progress, silent
from lineal.workspace.site import Site
from lineal.workspace.sources import recorded_source

_AT_ONCE = 8
_PAGE = 1000
_PIECE = 1 << 20


class TrackedBytes:
    """The files of one tracked version. Thread safe."""

    def __init__(self, site: Site, version: DatasetVersion) -> None:
        self._site = site
        self._version = version

    @cached_property
    def source(self) -> Source:
        """The place, as it was recorded."""
        return source_of(self._site, self._version)

    def read(self, entry: TreeEntry, start: int, stop: int) -> bytes:
        """A part of a file. Raises Conflict kind ``source-changed``."""
        stop = min(stop, entry.size)
        facts = self._facts(entry)
        return self.source.part(facts.path or entry.path, facts, start, stop) if start < stop else b""

    def open(self, entry: TreeEntry) -> BinaryIO:
        """A file, seekable and lazy. Raises Conflict kind ``source-changed`` where it is read."""
        return cast("BinaryIO", io.BufferedReader(_TrackedFile(self, entry), _PIECE))

    def pieces(self, entry: TreeEntry) -> Iterator[bytes]:
        """All of a file, compared with its size and MD5 as far as those were recorded.

        Raises:
            Conflict: kind ``source-changed``, at the end if only the bytes tell.
        """
        facts, hasher, size = self._facts(entry), hashlib.md5(usedforsecurity=False), 0
        for piece in self.source.read(facts.path or entry.path, facts):
            size += len(piece)
            if facts.md5:
                hasher.update(piece)
            yield piece
        if (entry.size and size != entry.size) or (facts.md5 and hasher.hexdigest() != facts.md5):
            raise Conflict(
                f"{text_of(entry.path)}: what {self.source.place} sent is not what was recorded",
                kind="source-changed",
                hint=f"See what changed with: lineal data verify {self._version.reference}",
            )

    def write_all(self, target: bytes, *, progress: Progress = silent) -> int:
        """Writes every file of the version into a folder; one that is there already with the same bytes stays. How many were written.

        Raises:
            Conflict: kind ``source-changed``, before anything is written where the source keeps no versions; kind ``would-overwrite``.
        """
        if self._version.tracked.get("label") != RESTORABLE:
            self._refuse_changes(progress)
        step, done, written = throttled("fetching", progress), 0, 0
        entries = self._site.store.entries(self._version.digest)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lineal-fetch") as pool:
            while page := list(islice(entries, _PAGE)):
                for new in pool.map(lambda entry: self.write(entry, os.path.join(target, entry.path)), page):
                    done, written = done + 1, written + new
                    step(done, self._version.files)
        return written

    def write(self, entry: TreeEntry, path: bytes) -> bool:
        """Writes one file in one step; False where the same bytes were there."""
        if entry.mode != "tracked":
            write_entry(self._site.store, entry, path)
            return True
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.lexists(path):
            write_file(self.pieces(entry), path, executable=False)
            return True
        with tempfile.TemporaryFile(dir=self._scratch()) as fetched:
            for piece in self.pieces(entry):
                fetched.write(piece)
            fetched.seek(0)
            if not _same_bytes(fetched, path):
                raise Conflict(
                    f"{text_of(path)} is there, with other bytes than the version's", kind="would-overwrite", hint="Check out into another folder."
                )
        return False

    def _refuse_changes(self, progress: Progress) -> None:
        found = compare_source(
            self._site.store, self.source, self._version.digest, reread=False, scratch=self._site.layout.temporary, progress=progress
        )
        gone = [change.path for change in found.changes if change.change != "added"]
        if gone:
            raise Conflict(
                f"{self._version.reference} cannot be had again: {', '.join(gone[:3])}{' and more' if len(gone) > 3 else ''} changed at "
                f"{self.source.place}, which keeps no versions",
                kind="source-changed",
                hint=f"See everything that changed with: lineal data verify {self._version.reference}",
            )

    def _facts(self, entry: TreeEntry) -> SourceFacts:
        return recorded_facts(entry, self._site.store.read(entry.digest))

    def _scratch(self) -> Path:
        self._site.layout.temporary.mkdir(parents=True, exist_ok=True)
        return self._site.layout.temporary


class _TrackedFile(io.RawIOBase):
    """A tracked file that reads the parts it is asked for. Not thread safe."""

    def __init__(self, bytes_: TrackedBytes, entry: TreeEntry) -> None:
        self._bytes = bytes_
        self._entry = entry
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The offset that is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves to an offset."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._entry.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Reads as much as fits."""
        part = self._bytes.read(self._entry, self._position, self._position + len(buffer))
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)


def source_of(site: Site, version: DatasetVersion) -> Source:
    """The place of a tracked version. Raises PermissionDenied kind ``foreign-source``."""
    return recorded_source(site, str(version.tracked["url"]), version.tracked.get("options"))


def ask_source(site: Site, version: DatasetVersion, report: VerifyReport, *, progress: Progress = silent) -> VerifyReport:
    """The report with what changed at the source since, and what can no longer be had again; files whose MD5 was recorded are read."""
    source = source_of(site, version)
    reread = bool(version.tracked.get("md5")) and source.kind != BUCKET
    found = compare_source(site.store, source, version.digest, reread=reread, scratch=site.layout.temporary, progress=progress)
    return replace(
        report,
        objects=found.files,
        bytes=found.size,
        damaged=report.damaged + found.damaged,
        changed=found.changes,
        label=str(version.tracked["label"]),
    )


def ask_source_if_it_answers(site: Site, version: DatasetVersion, report: VerifyReport, *, progress: Progress = silent) -> VerifyReport:
    """The same; a source that cannot be asked now is said in the label, and keeps nobody from verifying the rest."""
    try:
        return ask_source(site, version, report, progress=progress)
    except (PermissionDenied, Unavailable) as error:
        return replace(report, label=f"{version.tracked['label']}, not asked: {error.message}")


def tracked_status(site: Site, version: DatasetVersion) -> DatasetStatus:
    """How a folder that is looked at differs from its latest fixed point, by sizes and times; a source on the network is not asked."""
    changes: tuple[PathChange, ...] = ()
    if version.tracked["kind"] == FOLDER:
        source = source_of(site, version)
        changes = compare_source(site.store, source, version.digest, reread=False, scratch=site.layout.temporary, progress=silent).changes
    label = str(version.tracked["label"])
    return DatasetStatus(name=version.name, path=version.path, latest=version.reference, changes=changes, clean=not changes, tracked=label)


def check_out_tracked(site: Site, version: DatasetVersion, target: Path | None, *, progress: Progress = silent) -> int:
    """Writes a tracked version's files into a folder (of a single file, to a path); how many were written.

    Raises:
        InvalidInput: kind ``bad-path``, without a target: what is tracked stays where it lies.
        Conflict: kinds ``source-changed`` and ``would-overwrite``.
    """
    if target is None:
        where = "a folder that is only looked at" if version.tracked["kind"] == FOLDER else version.tracked["url"]
        raise InvalidInput(
            f"{version.reference} lies at {where}, where nothing is written",
            kind="bad-path",
            hint=f"Say where to: lineal data checkout {version.reference} DIR",
        )
    fetched, full = TrackedBytes(site, version), os.path.abspath(os.fsencode(target))
    if not version.single_file:
        return fetched.write_all(full, progress=progress)
    entry = next(site.store.entries(version.digest, limit=1), None)
    if entry is None:
        raise Integrity(f"{version.reference} has no file", kind="damaged-tree", hint="See what is left with: lineal fsck")
    return int(fetched.write(entry, os.path.join(full, entry.path) if os.path.isdir(full) else full))


def _same_bytes(one: BinaryIO, path: bytes) -> bool:
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as other:
        while True:
            left, right = one.read(_PIECE), other.read(_PIECE)
            if left != right:
                return False
            if not left:
                return True
