from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.records.tracked import SourceFacts
from lineal.store.sources.interface import SourceFile
from lineal.store.sources.listing import ordered
from lineal.workspace.fixed_points import side_by_side

PATHS = st.lists(st.binary(min_size=1, max_size=6), max_size=30)


def listed(path: bytes) -> SourceFile:
    return SourceFile(path=path, facts=SourceFacts(size=len(path), etag=path.hex(), version="v", md5="m", modified=7), mode="symlink", target=b"t")


def recorded(path: bytes) -> TreeEntry:
    return TreeEntry(path=path, mode="tracked", size=0, digest=Digest("blake3:" + "0" * 64))


def test_a_listing_in_any_order_comes_back_sorted_each_path_once_and_whole(tmp_path: Path) -> None:
    counts: list[int] = []
    paths = [b"a-b", b"a/b", b"a", b"\xff", b"a/b"]
    with ordered(map(listed, paths), tmp_path / "scratch", step=counts.append) as files:
        assert list(files) == [listed(path) for path in sorted(set(paths))]
    assert counts == [5]
    assert list((tmp_path / "scratch").iterdir()) == []


@given(PATHS, PATHS)
def test_two_listings_go_side_by_side(now: list[bytes], before: list[bytes]) -> None:
    pairs = list(side_by_side(map(listed, sorted(set(now))), map(recorded, sorted(set(before)))))
    for found, entry in pairs:
        assert found is None or entry is None or found.path == entry.path
    assert [found.path for found, _entry in pairs if found is not None] == sorted(set(now))
    assert [entry.path for _found, entry in pairs if entry is not None] == sorted(set(before))
    assert len(pairs) == len(set(now) | set(before))
