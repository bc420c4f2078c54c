"""Files that share their bytes on the disk with others of the same content, where the file system can: no byte is written for them.

Source: ioctl_ficlone(2).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable

from lineal.records.digest import Digest, raw_hash
from lineal.store.chunking import WHOLE
from lineal.store.copyindex import SUBFOLDER, CopyIndex
from lineal.store.status import Status, status_of

_FICLONE = 0x40049409
"""Of Linux; elsewhere the call is unknown, and files are written."""


class Donors:
    """Files whose content is known, by content. Small ones are written: opening two files costs more than that."""

    def __init__(self, copies: Iterable[tuple[bytes, CopyIndex]]) -> None:
        self._copies = tuple(copies)
        self._known: dict[bytes, tuple[bytes, Status]] | None = None
        self._can_clone = True
        self.cloned = 0

    def clone(self, digest: Digest, size: int, descriptor: int) -> bool:
        """Makes an empty new file a clone of one that has the content; says whether that could be done."""
        if size < WHOLE or not self._can_clone:
            return False
        found = self._files().get(raw_hash(digest))
        return found is not None and self._clone_from(*found, descriptor)

    def add(self, digest: Digest, path: bytes, status: Status) -> None:
        """Notes a file that has just been written, for others of the same content."""
        if status.st_size >= WHOLE and self._can_clone:
            self._files().setdefault(raw_hash(digest), (path, status))

    def _clone_from(self, path: bytes, status: Status, descriptor: int) -> bool:
        try:
            source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            if status_of(os.fstat(source)) != status:
                return False
            fcntl.ioctl(descriptor, _FICLONE, source)
            if status_of(os.fstat(source)) == status:
                self.cloned += 1
                return True
            os.ftruncate(descriptor, 0)  # it was written to meanwhile
        except OSError:  # this file system cannot, or the two are on different ones
            self._can_clone = False
        finally:
            os.close(source)
        return False

    def _files(self) -> dict[bytes, tuple[bytes, Status]]:
        """Asked for only where there is something that is large enough."""
        if self._known is None:
            self._known = {}
            for folder, index in self._copies:
                for path, record in index.records.items():
                    self._known |= {
                        kept.raw: (os.path.join(folder, path, name), kept.status)
                        for name, kept in record.kept().items()
                        if kept.status.st_size >= WHOLE and kept.flag != SUBFOLDER
                    }
        return self._known
