"""Lines of commits that part and meet: what two of them have in common, which is further, and how they are drawn.

A history is a function from a commit to its parents, the line it goes on with first; commits are named by texts, nothing else is asked of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

Parents = Callable[[str], Sequence[str]]


def ancestors(parents: Parents, tips: Iterable[str]) -> frozenset[str]:
    """Everything that the tips stand on, themselves too."""
    found: set[str] = set()
    waiting = list(tips)
    while waiting:
        commit = waiting.pop()
        if commit not in found:
            found.add(commit)
            waiting += parents(commit)
    return frozenset(found)


def merge_bases(parents: Parents, ours: Iterable[str], theirs: Iterable[str]) -> frozenset[str]:
    """The best common ancestors of two sides: those that no other common ancestor stands on.

    One in most histories, none where they have nothing in common, several where lines were merged crosswise.
    """
    common = ancestors(parents, ours) & ancestors(parents, theirs)
    return common - ancestors(parents, (parent for commit in common for parent in parents(commit)))


def apart(parents: Parents, ours: str, theirs: str) -> tuple[int, int]:
    """How many commits one has that the other has not: ahead, behind.

    >>> apart({"a": [], "b": ["a"], "c": ["b"], "x": ["a"]}.__getitem__, "c", "x")
    (2, 1)
    """
    one, other = ancestors(parents, [ours]), ancestors(parents, [theirs])
    return len(one - other), len(other - one)


def oldest_first(parents: Mapping[str, Sequence[str]], order: Callable[[str], tuple[int, str]]) -> list[str]:
    """The commits so that each comes behind its parents; of those that may come next the least by ``order``."""
    waiting = {commit: sum(parent in parents for parent in set(found)) for commit, found in parents.items()}
    children: dict[str, list[str]] = {}
    for commit, found in parents.items():
        for parent in set(found):
            children.setdefault(parent, []).append(commit)
    ready = [(order(commit), commit) for commit, count in waiting.items() if not count]
    heapq.heapify(ready)
    done: list[str] = []
    while ready:
        _key, commit = heapq.heappop(ready)
        done.append(commit)
        for child in children.get(commit, ()):
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, (order(child), child))
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRow:
    """One commit of a drawn history.

    Attributes:
        lane: where its dot is; 0 is leftmost.
        through: lanes that pass by it.
        down: lines to the next row, as lane here and lane there.
    """

    commit: str
    lane: int
    through: tuple[int, ...]
    down: tuple[tuple[int, int], ...]


def lanes(history: Sequence[tuple[str, Sequence[str]]]) -> list[LaneRow]:
    """The rows of a history that is given newest first, each commit with its parents. A line whose next commit is not given ends.

    >>> [(row.lane, row.down) for row in lanes([("m", ["a", "b"]), ("b", ["r"]), ("a", ["r"]), ("r", [])])]
    [(0, ((0, 0), (0, 1))), (1, ((0, 0), (1, 1))), (0, ((0, 0), (1, 0))), (0, ())]
    """
    given = {commit for commit, _parents in history}
    waiting: list[str | None] = []
    rows: list[LaneRow] = []
    for place, (commit, parents) in enumerate(history):
        lane = _lane_of(waiting, commit)
        waiting = [None if expected == commit else expected for expected in waiting]
        through = tuple(number for number, expected in enumerate(waiting) if expected is not None)
        down = [(number, number) for number in through]
        down += [(lane, _lane_for(waiting, parent, wanted=lane)) for parent in dict.fromkeys(parents) if parent in given]
        following = history[place + 1][0] if place + 1 < len(history) else ""
        landing = waiting.index(following) if following in waiting else -1
        ends = sorted({(start, landing if waiting[end] == following else end) for start, end in down})
        rows.append(LaneRow(commit=commit, lane=lane, through=through, down=tuple(ends)))
        while waiting and waiting[-1] is None:
            waiting.pop()
    return rows


def _lane_of(waiting: list[str | None], commit: str) -> int:
    """Where a commit is expected, else a free lane, which is taken."""
    return waiting.index(commit) if commit in waiting else _take(waiting, commit)


def _lane_for(waiting: list[str | None], parent: str, *, wanted: int) -> int:
    """The wanted lane where that is free, so that a line goes straight on; else the one in which the parent is expected already, else another."""
    if waiting[wanted] is None:
        waiting[wanted] = parent
        return wanted
    return waiting.index(parent) if parent in waiting else _take(waiting, parent)


def _take(waiting: list[str | None], commit: str) -> int:
    if None not in waiting:
        waiting.append(None)
    lane = waiting.index(None)
    waiting[lane] = commit
    return lane


def drawn(row: LaneRow) -> str:
    """A row as text: its dot among the lanes that pass by, and below it how the lines go on where they do not go straight."""
    width = 1 + max((row.lane, *row.through))
    dots = " ".join("*" if lane == row.lane else "|" if lane in row.through else " " for lane in range(width))
    if all(start == end for start, end in row.down):
        return dots
    below = [" "] * (2 * max(max(pair) for pair in row.down) + 1)
    for start, end in row.down:
        left, right = sorted((2 * start, 2 * end))
        if start == end:
            below[left] = "|"
            continue
        below[left + 1 : right] = "_" * (right - left - 1)
        below[2 * end - 1 if end > start else 2 * end + 1] = "\\" if end > start else "/"
    return f"{dots}\n{''.join(below).rstrip()}"
