"""Row differences without a key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lineal.records.row_diff import Table, compare_tables

Rows = list[tuple[str, int]]


def table(rows: Rows, columns: tuple[str, ...] = ("name", "value")) -> Table:
    return Table(columns=columns, rows=rows, cells=list)


def base(count: int) -> Rows:
    return [(f"row {number}", number % 7) for number in range(count)]


def test_equal_tables_do_not_differ() -> None:
    found = compare_tables(table(base(100)), table(base(100)))
    assert (found.added, found.removed, found.changed, found.examples) == (0, 0, 0, ())


def test_an_inserted_and_a_removed_row_do_not_make_all_between_them_changed() -> None:
    rows = base(1000)
    after = [*rows[:100], ("new", 1), *rows[100:900], *rows[901:]]
    found = compare_tables(table(rows), table(after))
    assert (found.added, found.removed, found.changed) == (1, 1, 0)
    assert {example["change"]: example["row"] for example in found.examples} == {"removed": 901, "added": 101}


def test_flipped_values_that_other_rows_have_too_are_still_changed_rows() -> None:
    before: Rows = [("x", number % 2) for number in range(1000)]
    after = [(name, 1 - value) if 300 <= place < 500 else (name, value) for place, (name, value) in enumerate(before)]
    found = compare_tables(table(before), table(after))
    assert (found.changed, dict(found.columns)) == (200, {"value": 200})


def test_a_changed_row_beside_an_added_one_is_matched_with_its_own_place() -> None:
    rows = base(50)
    after = [*rows[:10], ("row 10", 99), *rows[11:40], ("extra", 0), *rows[40:]]
    found = compare_tables(table(rows), table(after))
    assert (found.changed, found.added, found.removed) == (1, 1, 0)
    assert found.examples[0] == {"change": "changed", "row": 11, "column": "value", "before": 3, "after": 99}


def test_columns_that_came_or_went_are_named_and_left_out() -> None:
    before = Table(columns=("id", "old", "same"), rows=[(1, 2, 3), (4, 5, 6)], cells=list)
    after = Table(columns=("same", "id", "new"), rows=[(3, 1, 9), (7, 4, 9)], cells=list)
    found = compare_tables(before, after)
    assert (found.columns_added, found.columns_removed) == (("new",), ("old",))
    assert (found.changed, dict(found.columns)) == (1, {"same": 1})


def test_rows_that_are_too_short_are_compared_all_the_same() -> None:
    before = Table(columns=("a", "b"), rows=["1,2", "3"], cells=lambda row: row.split(","))
    after = Table(columns=("a", "b"), rows=["1,2", "3,4"], cells=lambda row: row.split(","))
    assert compare_tables(before, after).examples[0] == {"change": "changed", "row": 2, "column": "b", "before": None, "after": "4"}


rows = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=30)


@given(rows, rows)
def test_the_counts_always_add_up(before: Rows, after: Rows) -> None:
    found = compare_tables(table(before), table(after))
    assert len(before) - found.removed + found.added == len(after)
    assert (found.rows_before, found.rows_after) == (len(before), len(after))
    assert found.changed + found.added + found.removed == 0 or before != after
    assert before == after or found.changed + found.added + found.removed > 0 or sorted(before) == sorted(after)
