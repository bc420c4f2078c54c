"""A folder or file of this machine that is only looked at: sizes and times, without reading a byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lineal.errors import NotFound
from lineal.records.tracked import SourceFacts
from lineal.store.files import readable
from lineal.store.snapshot import look_at, scan
from lineal.store.sources.interface import SourceFile, changed
from lineal.store.status import Looked

_PIECE = 1 << 20


class FolderSource:
    """A folder or a file."""

    kind = "folder"
    options: dict[str, str] = {}  # noqa: RUF012 - a folder has none, ever

    def __init__(self, path: Path) -> None:
        self._full = os.path.normpath(os.path.abspath(os.fsencode(path)))

    @property
    def place(self) -> str:
        """The absolute path."""
        return os.fsdecode(self._full)

    @property
    def single(self) -> bool:
        """Whether it is a file."""
        return os.path.isfile(self._full)

    def files(self) -> Iterator[SourceFile]:
        """Every file, link and empty folder, in the order in which they are found; ``.linealignore`` counts as in an add."""
        if not os.path.exists(self._full):
            raise NotFound(f"there is no {self.place}", kind="unknown-source", hint="Give a folder or a file that exists.")
        for found in (look_at(self._full, os.path.basename(self._full)),) if self.single else scan(self._full):
            if found.mode in {"symlink", "folder"}:
                target = os.readlink(found.full) if found.mode == "symlink" else b""
                yield SourceFile(path=found.path, facts=SourceFacts(size=len(target)), mode=found.mode, target=target)
            else:
                yield SourceFile(path=found.path, facts=facts_of_stat(found.stat))

    def files_with_versions(self) -> Iterator[SourceFile] | None:
        """It keeps none."""
        return None

    def look(self, path: bytes, version: str = "") -> SourceFacts | None:
        """What a file looks like now."""
        del version
        try:
            return facts_of_stat(os.stat(self._path(path)))
        except OSError:
            return None

    def keeps_versions(self, path: bytes) -> bool:
        """It does not."""
        del path
        return False

    def read(self, path: bytes, facts: SourceFacts) -> Iterator[bytes]:
        """The bytes, if the file is what it was before and after they are read."""
        full = self._path(path)
        self._check(path, facts)
        with readable(full), open(full, "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece
        self._check(path, facts)

    def part(self, path: bytes, facts: SourceFacts, start: int, stop: int) -> bytes:
        """A part, if the file is what it was."""
        full = self._path(path)
        with readable(full), open(full, "rb", buffering=0) as file:
            found = os.pread(file.fileno(), stop - start, start)
        self._check(path, facts)
        return found

    def _check(self, path: bytes, facts: SourceFacts) -> None:
        now = self.look(path)
        if now is None:
            raise changed(self.place, path, "is not there any more")
        if now.etag != facts.etag:
            raise changed(self.place, path, "is no longer what was recorded")

    def _path(self, path: bytes) -> bytes:
        return self._full if self.single else os.path.join(self._full, path)


def facts_of_stat(found: Looked) -> SourceFacts:
    """What a stat says: size and time, and both as a mark, as web servers make their entity tags."""
    return SourceFacts(size=found.st_size, etag=f"{found.st_mtime_ns:x}-{found.st_size:x}", modified=found.st_mtime_ns // 1000)
