"""What is known of files without reading them: never wrong."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from lineal.records.digest import Digest
from lineal.store.statindex import StatIndex

ONE, TWO = Digest("blake3:" + "1" * 64), Digest("blake3:" + "2" * 64)
LATER = 10**9


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a file\n"
    path.write_bytes(b"content")
    return path


def test_a_file_that_did_not_change_is_known_to_the_next_process(tmp_path: Path, file: Path) -> None:
    index = StatIndex.open(tmp_path / "stat.db")
    index.remember(os.fsencode(file), file.stat(), ONE, seen=time.time_ns() + LATER)
    assert index.known(os.fsencode(file), file.stat()) == ONE
    index.close()
    again = StatIndex.open(tmp_path / "stat.db")
    assert again.known(os.fsencode(file), file.stat()) == ONE
    assert again.known(os.fsencode(file) + b"x", file.stat()) is None
    again.close()


def test_a_file_written_in_the_moment_it_was_seen_is_not_known(tmp_path: Path, file: Path) -> None:
    index = StatIndex.open(tmp_path / "stat.db")
    index.remember(os.fsencode(file), file.stat(), ONE, seen=file.stat().st_mtime_ns + 1000)
    assert index.known(os.fsencode(file), file.stat()) is None
    index.close()


def test_any_change_makes_a_file_unknown(tmp_path: Path, file: Path) -> None:
    index = StatIndex.open(tmp_path / "stat.db")
    index.remember(os.fsencode(file), file.stat(), ONE, seen=time.time_ns() + LATER)
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(b"CONTENT")
    os.utime(file, ns=times)
    assert index.known(os.fsencode(file), file.stat()) is None
    index.close()


def test_two_writers_keep_what_both_remember(tmp_path: Path, file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"x")
    seen = time.time_ns() + LATER
    first, second = StatIndex.open(tmp_path / "stat.db"), StatIndex.open(tmp_path / "stat.db")
    first.remember(os.fsencode(file), file.stat(), ONE, seen=seen)
    second.remember(os.fsencode(other), other.stat(), TWO, seen=seen)
    first.close()
    second.close()
    again = StatIndex.open(tmp_path / "stat.db")
    assert (again.known(os.fsencode(file), file.stat()), again.known(os.fsencode(other), other.stat())) == (ONE, TWO)
    again.close()


def test_a_damaged_cache_is_made_anew(tmp_path: Path, file: Path) -> None:
    path = tmp_path / "stat.db"
    path.write_bytes(b"not a database at all, but long enough to be taken for one" * 20)
    index = StatIndex.open(path)
    assert index.known(os.fsencode(file), file.stat()) is None
    index.remember(os.fsencode(file), file.stat(), ONE, seen=time.time_ns() + LATER)
    index.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE folders SET body = x'00ff'")
    connection.close()
    again = StatIndex.open(path)
    assert again.known(os.fsencode(file), file.stat()) is None
    again.close()
