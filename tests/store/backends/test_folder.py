"""What is particular to a folder."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from lineal.errors import Conflict, LinealError
from lineal.store.backends import folder
from lineal.store.backends.folder import FolderBackend, storage_error


def test_what_a_dead_writer_left_long_ago_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    FolderBackend(tmp_path)
    old, new = tmp_path / "tmp" / "1-old", tmp_path / "tmp" / "2-new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    FolderBackend(tmp_path)
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["2-new"]


def test_a_writer_that_never_lets_go_is_named_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FolderBackend(tmp_path)
    monkeypatch.setattr(folder, "LOCK_SECONDS", 0.05)
    with backend._locked(), pytest.raises(Conflict) as caught:
        backend.swap("x", b"1", expected=None)
    assert caught.value.kind == "store-busy"


@pytest.mark.parametrize(
    ("number", "kind", "exit_code"),
    [
        (errno.ENOSPC, "disk-full", 6),
        (errno.EDQUOT, "disk-full", 6),
        (errno.EACCES, "store-denied", 4),
        (errno.EROFS, "store-denied", 4),
        (errno.ENOENT, "missing-file", 5),
        (errno.EIO, "store-unavailable", 6),
    ],
)
def test_every_failure_of_the_system_has_its_meaning(number: int, kind: str, exit_code: int) -> None:
    error: LinealError = storage_error(OSError(number, os.strerror(number)), Path("/store/packs"))
    assert (error.kind, error.exit_code) == (kind, exit_code)
    assert "/store/packs" in error.message
