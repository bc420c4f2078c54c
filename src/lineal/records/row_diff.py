"""How two tables differ, row by row, without a key: rows that both have are anchors, and what lies between them was added, removed or changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows that can be compared, and taken apart where they differ.

    Attributes:
        columns: names, in order.
        rows: in order; equal rows are equal values.
        cells: a row's values in the order of ``columns``, as text or numbers.
    """

    columns: Sequence[str]
    rows: Sequence[Hashable]
    cells: Callable[[Any], Sequence[Any]]

    def narrowed(self, columns: Sequence[str]) -> Table:
        """The same rows with fewer columns."""
        places = [self.columns.index(name) for name in columns]

        def narrow(row: Any) -> tuple[Any, ...]:
            cells = self.cells(row)
            return tuple(cells[place] if place < len(cells) else None for place in places)

        return Table(columns=columns, rows=[narrow(row) for row in self.rows], cells=_itself)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDiff:
    """What differs between two tables.

    Attributes:
        columns: how many changed rows differ in each column that any differs in.
        examples: the first few changed cells, added rows and removed rows; ``row`` counts from 1, without the header.
    """

    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    columns: Mapping[str, int] = field(default_factory=dict)
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    examples: tuple[Mapping[str, Any], ...] = ()


def compare_tables(before: Table, after: Table) -> RowDiff:
    """How ``after`` differs from ``before``.

    In tables of the same length rows at the same place are compared, unless rows have only moved up or down; else rows that only one side has
    are matched between the rows that both have. Columns that only one side has are named, and left out of the comparison.

    >>> rows = [("a", 1), ("b", 2), ("c", 3)]
    >>> old = Table(columns=("k", "v"), rows=rows, cells=list)
    >>> found = compare_tables(old, Table(columns=("k", "v"), rows=[("a", 1), ("b", 9), ("c", 3), ("d", 4)], cells=list))
    >>> found.changed, found.added, found.removed, dict(found.columns)
    (1, 1, 0, {'v': 1})
    """
    gone = tuple(name for name in before.columns if name not in after.columns)
    new = tuple(name for name in after.columns if name not in before.columns)
    if list(before.columns) != list(after.columns):
        shared = [name for name in before.columns if name in after.columns]
        before, after = before.narrowed(shared), after.narrowed(shared)
    pairs, removed, added = _matched(before.rows, after.rows)
    columns: Counter[str] = Counter()
    examples: list[Mapping[str, Any]] = []
    for place_before, place_after in pairs:
        _compare_rows((before, place_before), (after, place_after), columns, examples)
    examples += [_example(before, place, "removed") for place in removed[:EXAMPLES]]
    examples += [_example(after, place, "added") for place in added[:EXAMPLES]]
    return RowDiff(
        rows_before=len(before.rows),
        rows_after=len(after.rows),
        added=len(added),
        removed=len(removed),
        changed=len(pairs),
        columns=dict(columns.most_common()),
        columns_added=new,
        columns_removed=gone,
        examples=tuple(examples),
    )


def _matched(before: Sequence[Hashable], after: Sequence[Hashable]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Places of changed pairs, of rows only before, and of rows only after."""
    only_before, only_after = _only_there(before, after), _only_there(after, before)
    if len(before) == len(after):
        pairs = [(place, place) for place, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
        if len(pairs) <= len(only_before) or _without(before, only_before) != _without(after, only_after):
            return pairs, [], []
    return _between_anchors(only_before, only_after)


def _without(rows: Sequence[Hashable], places: Sequence[int]) -> list[Hashable]:
    left_out = set(places)
    return [row for place, row in enumerate(rows) if place not in left_out]


def _only_there(rows: Sequence[Hashable], others: Sequence[Hashable]) -> list[int]:
    """Places of rows that the other side does not have, or has fewer times."""
    spare = Counter(rows)
    spare.subtract(Counter(others))
    lacking = {row: count for row, count in spare.items() if count > 0}
    places = []
    for place, row in enumerate(rows):
        if row in lacking and lacking[row] > 0:
            lacking[row] -= 1
            places.append(place)
    return places


def _between_anchors(before: list[int], after: list[int]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pairs unmatched rows that lie in the same gap between rows that both sides have."""
    gaps_before, gaps_after = _gaps(before), _gaps(after)
    pairs: list[tuple[int, int]] = []
    removed: list[int] = []
    added: list[int] = []
    for anchor in sorted(gaps_before.keys() | gaps_after.keys()):
        here, there = gaps_before.get(anchor, []), gaps_after.get(anchor, [])
        both = min(len(here), len(there))
        pairs += zip(here[:both], there[:both], strict=True)
        removed += here[both:]
        added += there[both:]
    return pairs, removed, added


def _gaps(places: list[int]) -> dict[int, list[int]]:
    """Unmatched places by how many matched rows come before them."""
    gaps: dict[int, list[int]] = {}
    for unmatched, place in enumerate(places):
        gaps.setdefault(place - unmatched, []).append(place)
    return gaps


def _compare_rows(before: tuple[Table, int], after: tuple[Table, int], columns: Counter[str], examples: list[Mapping[str, Any]]) -> None:
    one, other = (list(table.cells(table.rows[place])) for table, place in (before, after))
    for place, name in enumerate(before[0].columns):
        old, new = (cells[place] if place < len(cells) else None for cells in (one, other))
        if old != new:
            columns[name] += 1
            if len(examples) < EXAMPLES:
                examples.append({"change": "changed", "row": before[1] + 1, "column": name, "before": old, "after": new})


def _example(table: Table, place: int, change: str) -> Mapping[str, Any]:
    return {"change": change, "row": place + 1, "values": dict(zip(table.columns, table.cells(table.rows[place]), strict=False))}


def _itself(row: Any) -> Sequence[Any]:
    return row  # type: ignore[no-any-return]
