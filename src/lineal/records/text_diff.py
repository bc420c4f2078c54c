"""How two texts differ, line by line, as hunks with some lines around them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lineal.records.digest import Digest

CONTEXT = 3
LONGEST_LINE = 1000
_WIDEST_GAP = 40_000
"""Between lines that only one place has, so many pairs of lines are looked at one by one; a larger gap counts as replaced."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PASSING = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"  # times
    r"|\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
    r"|\b\d+(?:\.\d+)?\s?(?:ns|µs|us|ms|s|sec|secs|seconds|min|it/s|s/it)\b"  # spans and rates
    r"|\b0x[0-9a-fA-F]+\b"  # addresses
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Changed lines with those around them.

    Attributes:
        before, after: number of the first line on each side, from 1.
        lines: each begins with ``" "`` (in both), ``"-"`` (before only) or ``"+"`` (after only).
    """

    before: int
    after: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDiff:
    """How one text differs.

    Attributes:
        path: of the file, or what the text is.
        change: ``added``, ``removed`` or ``modified``.
        before, after: content ids, where the text is stored.
        added, removed: how many lines.
        note: what is not shown, and why.
    """

    path: str
    change: str = "modified"
    before: Digest | None = None
    after: Digest | None = None
    added: int = 0
    removed: int = 0
    hunks: tuple[Hunk, ...] = ()
    note: str = ""


def text_diff(path: str, before: Sequence[str] | None, after: Sequence[str] | None, *, most: int, keys: bool = False) -> TextDiff | None:
    """How the lines differ, None where they do not; at most about ``most`` lines of hunks are kept, and what is left out is counted in the note.

    Args:
        before, after: None for a text that is not there.
        keys: whether lines count as the same that differ only in times, spans of time and addresses, as those of logs do.

    >>> found = text_diff("a.py", ["x = 1", "y = 2"], ["x = 1", "y = 3"], most=100)
    >>> found.added, found.removed, found.hunks[0].lines
    (1, 1, (' x = 1', '-y = 2', '+y = 3'))
    >>> text_diff("log", ["10:00:01 done in 3 s"], ["11:30:59 done in 5 s"], most=100, keys=True) is None
    True
    """
    old, new = before or (), after or ()
    hunks = tuple(_hunks(old, new, [_key(line) for line in old] if keys else old, [_key(line) for line in new] if keys else new))
    if not hunks and (before is None) == (after is None):
        return None
    change = "added" if before is None else "removed" if after is None else "modified"
    signs = Counter(line[0] for hunk in hunks for line in hunk.lines)
    return _bounded(TextDiff(path=path, change=change, added=signs["+"], removed=signs["-"], hunks=hunks), most)


def lines_of(data: bytes) -> list[str] | None:
    """The lines of a text in UTF-8, without escapes of a terminal and without what was overwritten in place; None for what is no text."""
    if b"\0" in data[:8192]:
        return None
    text = _ESCAPES.sub("", data.decode("utf-8", "replace"))
    return [line.rstrip("\r").rpartition("\r")[2] for line in text.removesuffix("\n").split("\n")] if text else []


def _key(line: str) -> str:
    return _PASSING.sub("~", line)


def _bounded(found: TextDiff, most: int) -> TextDiff:
    kept: list[Hunk] = []
    left = most
    for hunk in found.hunks:
        if left <= 0:
            break
        kept.append(replace(hunk, lines=tuple(_short(line) for line in hunk.lines[:left])))
        left -= len(hunk.lines)
    total = sum(len(hunk.lines) for hunk in found.hunks)
    note = f"{total - most:,} further lines are not shown" if total > most else ""
    return replace(found, hunks=tuple(kept), note=note)


def _short(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}… ({len(line):,} characters)"


def _hunks(old: Sequence[str], new: Sequence[str], old_keys: Sequence[str], new_keys: Sequence[str]) -> Iterator[Hunk]:
    changes = list(_changes(old_keys, new_keys))
    place = 0
    while place < len(changes):
        group = [changes[place]]
        while place + 1 < len(changes) and changes[place + 1][0] - group[-1][1] <= 2 * CONTEXT:
            place += 1
            group.append(changes[place])
        place += 1
        yield _hunk(old, new, group)


def _hunk(old: Sequence[str], new: Sequence[str], group: Sequence[tuple[int, int, int, int]]) -> Hunk:
    start, shift = max(0, group[0][0] - CONTEXT), group[0][2] - group[0][0]
    lines: list[str] = []
    place = start
    for i1, i2, j1, j2 in group:
        lines += [f" {line}" for line in old[place:i1]]
        lines += [f"-{line}" for line in old[i1:i2]]
        lines += [f"+{line}" for line in new[j1:j2]]
        place = i2
    lines += [f" {line}" for line in old[place : place + CONTEXT]]
    return Hunk(before=start + 1, after=start + shift + 1, lines=tuple(lines))


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Where ``old[i1:i2]`` became ``new[j1:j2]``, in order, nothing equal between."""
    i, j = 0, 0
    for same_old, same_new in [*_matches(old, new), (len(old), len(new))]:
        if same_old > i or same_new > j:
            yield i, same_old, j, same_new
        i, j = same_old + 1, same_new + 1


def _matches(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of equal lines, rising on both sides: around lines that each side has once (patience diff), then within the gaps.

    Source: Bram Cohen, patience diff (the longest rising sequence of lines that are unique on both sides).
    """
    found: list[tuple[int, int]] = []
    i, j = 0, 0
    for anchor_old, anchor_new in [*_anchors(old, new), (len(old), len(new))]:
        if anchor_old < i or anchor_new < j:
            continue
        while i < anchor_old and j < anchor_new and old[i] == new[j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        tail: list[tuple[int, int]] = []
        last_old, last_new = anchor_old, anchor_new
        while last_old > i and last_new > j and old[last_old - 1] == new[last_new - 1]:
            last_old, last_new = last_old - 1, last_new - 1
            tail.append((last_old, last_new))
        found += [(i + a, j + b) for a, b in _small(old[i:last_old], new[j:last_new])]
        found += reversed(tail)
        if anchor_old < len(old):
            found.append((anchor_old, anchor_new))
        i, j = anchor_old + 1, anchor_new + 1
    return found


def _small(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    if not old or not new or len(old) * len(new) > _WIDEST_GAP:
        return
    from difflib import SequenceMatcher

    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        for step in range(block.size):
            yield block.a + step, block.b + step


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The longest rising sequence of places of lines that both sides have exactly once."""
    once = {line for line, count in Counter(new).items() if count == 1}
    there = {line: place for place, line in enumerate(new) if line in once}
    counts = Counter(old)
    pairs = [(place, there[line]) for place, line in enumerate(old) if counts[line] == 1 and line in there]
    ends: list[int] = []
    best: list[int] = []
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(best[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        best[length : length + 1] = [number]
    found: list[tuple[int, int]] = []
    number = best[-1] if best else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]
