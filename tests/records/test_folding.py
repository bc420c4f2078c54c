from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lineal.records.folding import ancestors, below, fold

PART = st.sampled_from([b"a", b"b", b"c"])
PATHS = st.lists(st.lists(PART, min_size=1, max_size=4).map(b"/".join), max_size=40, unique=True)


@given(PATHS, st.integers(1, 5), st.booleans())
def test_every_file_is_folded_at_most_once_into_a_folder_that_holds_it(paths: list[bytes], most: int, absolute: bool) -> None:  # noqa: FBT001 - drawn
    every = [b"/" + path for path in paths] if absolute else paths
    folded = fold(every, more_than=most)
    members = [place for places in folded.values() for place in places]
    assert len(members) == len(set(members))
    for folder, places in folded.items():
        assert len(places) > most
        for place in places:
            assert folder in ancestors(every[place])
            assert every[place].endswith(below(folder, every[place]))
            assert not below(folder, every[place]).startswith(b"/")


@given(PATHS, st.integers(1, 5))
def test_no_more_files_than_allowed_are_left_below_any_folder(paths: list[bytes], most: int) -> None:
    folded = fold(paths, more_than=most)
    left = [path for place, path in enumerate(paths) if not any(place in places for places in folded.values())]
    for folder in {folder for path in left for folder in ancestors(path)}:
        assert sum(folder in ancestors(path) for path in left) <= most


def test_neighbouring_folders_fold_apart_and_sparse_ones_together() -> None:
    dense = [f"{letter}/{number}".encode() for letter in "xy" for number in range(70)]
    sparse = [f"z/{number}/f".encode() for number in range(70)]
    assert {folder: len(places) for folder, places in fold(dense + sparse).items()} == {b"x": 70, b"y": 70, b"z": 70}
