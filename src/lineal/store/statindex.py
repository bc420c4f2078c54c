"""What is known of files that did not change, so that they need not be read again."""

from __future__ import annotations

import os
from pathlib import Path

from lineal.records.digest import Digest


class StatIndex:
    """Remembers the digest of a file beside its stat. A wrong guess is never made: what is in doubt is not known."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[bytes, tuple[tuple[int, ...], Digest]] = {}

    @classmethod
    def open(cls, path: Path) -> StatIndex:
        """The index in a file, created where there is none or where it cannot be read."""
        return cls(path)

    def known(self, path: bytes, stat: os.stat_result) -> Digest | None:
        """The file's digest, if it certainly did not change since it was remembered."""
        found = self._known.get(path)
        return found[1] if found is not None and found[0] == (stat.st_size, stat.st_mtime_ns, stat.st_ino) else None

    def remember(self, path: bytes, stat: os.stat_result, digest: Digest) -> None:
        """Notes a digest; ``stat`` is from before the file was read."""
        self._known[path] = (stat.st_size, stat.st_mtime_ns, stat.st_ino), digest

    def close(self) -> None:
        """Writes what was remembered."""
