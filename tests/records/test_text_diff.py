from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lineal.records.text_diff import LONGEST_LINE, TextDiff, lines_of, text_diff

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "+d"]), max_size=30)


def patched(old: list[str], found: TextDiff | None) -> list[str]:
    """The lines after, made of those before and the hunks."""
    new: list[str] = []
    place = 0
    for hunk in found.hunks if found else ():
        new += old[place : hunk.before - 1]
        assert hunk.after - 1 == len(new)
        place = hunk.before - 1
        for line in hunk.lines:
            if line[0] != "+":
                assert old[place] == line[1:]
                place += 1
            new += [line[1:]] if line[0] != "-" else []
    return new + old[place:]


@given(LINES, LINES)
def test_the_hunks_lead_from_one_text_to_the_other(old: list[str], new: list[str]) -> None:
    found = text_diff("a", old, new, most=1000)
    assert patched(old, found) == new
    assert (found is None) == (old == new)


def test_distant_changes_stand_in_hunks_of_their_own() -> None:
    old = [str(number) for number in range(100)]
    found = text_diff("a", old, [*old[:10], "x", *old[11:80], *old[85:]], most=1000)
    assert found is not None
    assert [(hunk.before, hunk.after, len(hunk.lines)) for hunk in found.hunks] == [(8, 8, 8), (78, 78, 11)]
    assert (found.added, found.removed) == (1, 6)


def test_a_text_that_is_new_or_gone_is_said_to_be_even_where_it_is_empty() -> None:
    assert [found.change for found in (text_diff("a", None, [], most=9), text_diff("a", ["x"], None, most=9)) if found] == ["added", "removed"]


def test_long_lines_and_many_of_them_are_cut_and_counted() -> None:
    found = text_diff("a", [], ["x" * 5000, *map(str, range(99))], most=10)
    assert found is not None
    assert (len(found.hunks[0].lines), found.added, found.note) == (10, 100, "90 further lines are not shown")
    assert len(found.hunks[0].lines[0]) < LONGEST_LINE + 40


def test_moved_and_repeated_lines_take_no_long_time_in_large_texts() -> None:
    old = ["same", "other"] * 5000
    found = text_diff("a", old, [*reversed(old), "end"], most=100)
    assert found is not None
    assert found.added > 0


def test_lines_are_read_as_a_terminal_shows_them() -> None:
    assert lines_of(b"10%\r50%\r100%\n\x1b[31mred\x1b[0m\r\n") == ["100%", "red"]
    assert lines_of(b"a\0b") is None
    assert lines_of(b"") == []
