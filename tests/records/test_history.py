"""Histories that part and meet: what two lines have in common, in which order they come, and how they are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from lineal.records.history import ancestors, apart, drawn, lanes, merge_bases, oldest_first

CROSSWISE: Mapping[str, Sequence[str]] = {"r": [], "a": ["r"], "b": ["r"], "ab": ["a", "b"], "ba": ["b", "a"]}


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[str]]:
    """Commits 0, 1, …, each with up to two parents among those before it."""
    made: dict[str, list[str]] = {}
    for number in range(draw(st.integers(1, 12))):
        parents = draw(st.lists(st.sampled_from(sorted(made)), max_size=2, unique=True)) if made else []
        made[str(number)] = parents
    return made


def order(commit: str) -> tuple[int, str]:
    return int(commit), commit


def test_two_lines_have_the_commit_in_common_at_which_they_parted() -> None:
    history = {"r": [], "s": ["r"], "a": ["s"], "b": ["s"]}.__getitem__
    assert merge_bases(history, ["a"], ["b"]) == {"s"}


def test_lines_that_were_merged_crosswise_have_both_parents_in_common() -> None:
    assert merge_bases(CROSSWISE.__getitem__, ["ab"], ["ba"]) == {"a", "b"}


def test_lines_that_never_met_have_nothing_in_common() -> None:
    assert merge_bases({"a": [], "b": []}.__getitem__, ["a"], ["b"]) == frozenset()


def test_a_commit_is_neither_ahead_of_nor_behind_itself() -> None:
    assert apart(CROSSWISE.__getitem__, "ab", "ab") == (0, 0)
    assert apart(CROSSWISE.__getitem__, "ab", "a") == (2, 0)


@given(histories())
def test_a_best_common_ancestor_is_common_and_no_other_stands_on_it(history: dict[str, list[str]]) -> None:
    ours, theirs = min(history), max(history)
    found = merge_bases(history.__getitem__, [ours], [theirs])
    assert found == merge_bases(history.__getitem__, [theirs], [ours])
    common = ancestors(history.__getitem__, [ours]) & ancestors(history.__getitem__, [theirs])
    assert found <= common
    for commit in found:
        assert not any(commit in ancestors(history.__getitem__, history[other]) for other in common)
    assert bool(found) == bool(common)


@given(histories())
def test_the_oldest_come_first_and_nothing_comes_before_its_parents(history: dict[str, list[str]]) -> None:
    found = oldest_first(history, order)
    assert sorted(found) == sorted(history)
    for place, commit in enumerate(found):
        assert set(history[commit]) <= set(found[:place])


@given(histories())
def test_every_line_of_a_drawn_history_leads_from_a_commit_to_its_parent(history: dict[str, list[str]]) -> None:
    newest = oldest_first(history, order)[::-1]
    rows = lanes([(commit, history[commit]) for commit in newest])
    assert [row.commit for row in rows] == newest
    for place, row in enumerate(rows):
        reached: set[str] = set()
        ends = {end for start, end in row.down if start == row.lane}
        for lower in rows[place + 1 :]:
            if lower.lane in ends:
                reached.add(lower.commit)
                ends.discard(lower.lane)
            ends = {end for start, end in lower.down if start in ends}
        assert set(history[row.commit]) <= reached


def test_a_merge_is_drawn_as_two_lines_that_meet() -> None:
    text = "\n".join(drawn(row) for row in lanes([("m", ["a", "b"]), ("b", ["r"]), ("a", ["r"]), ("r", [])]))
    assert text == "*\n|\\\n| *\n* |\n|/\n*"
