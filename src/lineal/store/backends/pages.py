"""Pages of files that never change, kept on this machine's disk, so that what was read from afar once is not asked for again.

The folder is shared by any number of processes. A page is written whole or not at all, carries its own checksum, and may vanish at any moment.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

PAGE = 256 * 1024
_CHECKSUM = 16
_IN_MEMORY = 32
_SLACK = 0.9
_CHECKS = 16


class PageCache:
    """Keeps pages by name, the least recently used go first. Thread safe, and safe among processes.

    Args:
        folder: made when the first page is kept.
        capacity: bytes that the pages may take on the disk together; a little more between two sweeps.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        self._folder = folder
        self._capacity = capacity
        self._lock = threading.Lock()
        self._recent: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._unswept = capacity  # the first page asks how much others have left

    def get(self, key: str, page: int) -> bytes | None:
        """A page of a file, or None where it is not kept."""
        with self._lock:
            if (key, page) in self._recent:
                self._recent.move_to_end((key, page))
                return self._recent[key, page]
        found = self._load(self._path(key, page))
        if found is not None:
            self._remember(key, page, found)
        return found

    def put(self, key: str, page: int, data: bytes) -> None:
        """Keeps a page. A full disk or a missing right is no error: the page is only fetched again."""
        self._remember(key, page, data)
        if len(data) > self._capacity:
            return
        path = self._path(key, page)
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(blake3(data).digest(_CHECKSUM) + data)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            return
        self._count(len(data))

    def noted(self, note: str) -> bool:
        """Whether something that is true of a place for bytes was noted here before."""
        return self._note(note).exists()

    def note(self, note: str) -> None:
        """Notes something that is true of a place for bytes, and would cost requests to find out again."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._note(note).touch()

    def _note(self, note: str) -> Path:
        return self._folder / f"{blake3(note.encode()).hexdigest(16)}.note"

    def _path(self, key: str, page: int) -> Path:
        name = blake3(key.encode()).hexdigest(16)
        return self._folder / name[:2] / f"{name}-{page}.page"

    def _load(self, path: Path) -> bytes | None:
        try:
            raw = path.read_bytes()
            os.utime(path)  # it is young again
        except OSError:
            return None
        data = raw[_CHECKSUM:]
        if blake3(data).digest(_CHECKSUM) != raw[:_CHECKSUM]:
            with suppress(OSError):
                path.unlink()
            return None
        return data

    def _remember(self, key: str, page: int, data: bytes) -> None:
        with self._lock:
            self._recent[key, page] = data
            self._recent.move_to_end((key, page))
            if len(self._recent) > _IN_MEMORY:
                self._recent.popitem(last=False)

    def _count(self, size: int) -> None:
        """Sweeps when a sixteenth of what may be kept has been added since the last time."""
        with self._lock:
            self._unswept += size
            if self._unswept < self._capacity / _CHECKS:
                return
            self._unswept = 0
        self._sweep()

    def _sweep(self) -> None:
        pages = sorted(self._kept())
        total = sum(size for _used, size, _path in pages)
        goal = self._capacity * _SLACK if total > self._capacity else total
        for _used, size, path in pages:
            if total <= goal:
                return
            with suppress(OSError):
                os.unlink(path)
            total -= size

    def _kept(self) -> list[tuple[float, int, str]]:
        """Time of last use, size and path of every page, those half written included."""
        found = []
        with suppress(OSError), os.scandir(self._folder) as folders:
            for folder in folders:
                with suppress(OSError), os.scandir(folder) as pages:
                    found += [_facts(item) for item in pages]
        return found


def _facts(item: os.DirEntry[str]) -> tuple[float, int, str]:
    status = item.stat()
    return status.st_mtime, status.st_size, item.path
