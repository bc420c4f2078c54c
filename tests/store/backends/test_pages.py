"""Pages that are kept on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from lineal.store.backends.pages import PageCache


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.page"))


def test_a_page_is_found_by_another_process(tmp_path: Path) -> None:
    PageCache(tmp_path, 1000).put("packs/a", 3, b"bytes")
    assert PageCache(tmp_path, 1000).get("packs/a", 3) == b"bytes"
    assert PageCache(tmp_path, 1000).get("packs/a", 4) is None


def test_a_damaged_page_counts_as_not_kept(tmp_path: Path) -> None:
    PageCache(tmp_path, 1000).put("packs/a", 0, b"bytes")
    files(tmp_path)[0].write_bytes(files(tmp_path)[0].read_bytes()[:-1] + b"X")
    assert PageCache(tmp_path, 1000).get("packs/a", 0) is None
    assert not files(tmp_path)


def test_the_least_recently_used_pages_go_when_there_is_no_room(tmp_path: Path) -> None:
    cache = PageCache(tmp_path, 20_000)
    for page in range(15):
        cache.put("packs/a", page, bytes(984))
    for path in files(tmp_path):
        os.utime(path, (1, 1))
    assert PageCache(tmp_path, 20_000).get("packs/a", 7) is not None
    for page in range(15, 27):
        cache.put("packs/a", page, bytes(984))
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 22_000
    assert PageCache(tmp_path, 20_000).get("packs/a", 7) is not None
    assert not all(PageCache(tmp_path, 20_000).get("packs/a", page) for page in range(7))


def test_a_place_that_cannot_be_written_only_costs_the_pages(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = PageCache(tmp_path / "file", 1000)
    cache.put("packs/a", 0, b"bytes")
    cache.note("something")
    assert PageCache(tmp_path / "file", 1000).get("packs/a", 0) is None


def test_what_is_noted_is_known_by_others(tmp_path: Path) -> None:
    assert not PageCache(tmp_path, 0).noted("it keeps preconditions")
    PageCache(tmp_path, 0).note("it keeps preconditions")
    assert PageCache(tmp_path, 0).noted("it keeps preconditions")
    assert not PageCache(tmp_path, 0).noted("another")
