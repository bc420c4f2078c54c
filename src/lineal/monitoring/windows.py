"""Windows of event time: when the things happened that were predicted, not when the service was asked. Everything is UTC."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lineal.errors import InvalidInput

EVERY = ("hour", "day", "week", "month")
MOST_WINDOWS = 400
"""More cannot be read; the newest are shown."""

FEW_EMPTY = 6
"""Longer gaps than so many windows are left out: a service that was asked about two seasons has no story in between."""

Times = npt.NDArray[np.int64]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY = 86_400_000_000
_LENGTH = {"hour": 3_600_000_000, "day": _DAY, "week": 7 * _DAY}
_MONDAY = -3 * _DAY  # the epoch was a Thursday


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A window without its contents: microseconds UTC, half open."""

    label: str
    start: int
    end: int


def check_every(every: str) -> str:
    """The length of windows, if it is one.

    Raises:
        InvalidInput: kind ``unknown-window``.
    """
    if every not in EVERY:
        raise InvalidInput(f"{every!r} is no length of a window", kind="unknown-window", hint=f"Take one of: {', '.join(EVERY)}.")
    return every


def spans(event_at: Times, every: str) -> tuple[tuple[Span, ...], int]:
    """The windows that hold any of these times, oldest first, with short gaps filled; and how many earlier ones were left out.

    >>> times = np.array([1365120000000000, 1370390400000000])
    >>> [span.label for span in spans(times, "month")[0]]
    ['2013-04', '2013-05', '2013-06']

    Args:
        event_at: microseconds UTC, in any order.
    """
    check_every(every)
    if not len(event_at):
        return (), 0
    starts = _with_short_gaps(_starts(event_at, every), every)
    kept = starts[-MOST_WINDOWS:]
    return tuple(Span(label=label(start, every), start=start, end=following(start, every)) for start in kept), len(starts) - len(kept)


def place(event_at: Times, windows: tuple[Span, ...]) -> npt.NDArray[np.intp]:
    """Per time the index of its window, or -1 where it lies in none."""
    if not windows:
        return np.full(len(event_at), -1, dtype=np.intp)
    starts, ends = np.array([span.start for span in windows]), np.array([span.end for span in windows])
    found = np.searchsorted(starts, event_at, side="right") - 1
    outside = (found < 0) | (event_at >= ends[found])
    found[outside] = -1
    return found


def label(start: int, every: str) -> str:
    """The window's name: ``2013-04``, ``2013-04-05``, ISO week ``2013-W14`` or ``2013-04-05 13:00``.

    >>> label(1365120000000000, "day"), label(1364774400000000, "week")
    ('2013-04-05', '2013-W14')
    """
    moment = _EPOCH + dt.timedelta(microseconds=start)
    if every == "week":
        year, week, _day = moment.isocalendar()
        return f"{year}-W{week:02d}"
    return moment.strftime({"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "month": "%Y-%m"}[every])


def following(start: int, every: str) -> int:
    """Where the window that begins at ``start`` ends and the next begins."""
    if every != "month":
        return start + _LENGTH[every]
    moment = _EPOCH + dt.timedelta(microseconds=start)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    return (dt.datetime(year, month, 1, tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)


def _starts(event_at: Times, every: str) -> list[int]:
    if every == "month":
        months = np.unique(event_at.astype("datetime64[us]").astype("datetime64[M]"))
        found: list[int] = months.astype("datetime64[us]").astype(np.int64).tolist()
        return found
    anchor = _MONDAY if every == "week" else 0
    floored: list[int] = (np.unique((event_at - anchor) // _LENGTH[every]) * _LENGTH[every] + anchor).tolist()
    return floored


def _with_short_gaps(starts: list[int], every: str) -> list[int]:
    found = starts[:1]
    for start in starts[1:]:
        gap: list[int] = []
        missing = following(found[-1], every)
        while missing < start and len(gap) <= FEW_EMPTY:
            gap.append(missing)
            missing = following(missing, every)
        found += [*(gap if len(gap) <= FEW_EMPTY else []), start]
    return found
