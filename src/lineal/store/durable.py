"""Bytes that are on the disk when a function returns, or not there at all: for whoever keeps files outside the store, too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder last: a new or renamed file is only certain to be found after it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write what ``path`` shall hold; it takes the place of the old one whole, or, if anything fails, not at all.

    Only for one writer at a time: its temporary name is always the same, so that what a killed writer left is overwritten.
    """
    temporary = path.with_name(f".{path.name}")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
