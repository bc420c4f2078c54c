from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.errors import InvalidInput
from lineal.monitoring.windows import EVERY, MOST_WINDOWS, following, place, spans

times = st.lists(st.integers(0, 4_000_000_000_000_000), min_size=1, max_size=30)


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000


@given(times, st.sampled_from(EVERY))
def test_every_time_lies_in_the_window_that_holds_it(moments: list[int], every: str) -> None:
    event_at = np.array(moments)
    windows, earlier = spans(event_at, every)
    assert earlier == 0
    for moment, spot in zip(moments, place(event_at, windows), strict=True):
        assert windows[spot].start <= moment < windows[spot].end
    assert [window.start for window in windows] == sorted({window.start for window in windows})


@given(times, st.sampled_from(EVERY))
def test_windows_do_not_overlap(moments: list[int], every: str) -> None:
    windows, _earlier = spans(np.array(moments), every)
    assert all(first.end <= second.start for first, second in pairwise(windows))


@pytest.mark.parametrize(
    ("every", "label", "start", "end"),
    [
        ("hour", "2013-02-28 23:00", "2013-02-28T23:00", "2013-03-01T00:00"),
        ("day", "2013-02-28", "2013-02-28T00:00", "2013-03-01T00:00"),
        ("week", "2013-W09", "2013-02-25T00:00", "2013-03-04T00:00"),
        ("month", "2013-02", "2013-02-01T00:00", "2013-03-01T00:00"),
    ],
)
def test_windows_are_of_the_calendar_in_utc(every: str, label: str, start: str, end: str) -> None:
    (window,), _earlier = spans(np.array([at("2013-02-28T23:59")]), every)
    assert (window.label, window.start, window.end) == (label, at(start), at(end))


def test_a_year_ends_with_december() -> None:
    assert following(at("2013-12-01T00:00"), "month") == at("2014-01-01T00:00")


def test_short_gaps_are_shown_and_long_ones_left_out() -> None:
    moments = np.array([at("2013-01-05T00:00"), at("2013-04-05T00:00"), at("2015-04-05T00:00")])
    assert [window.label for window in spans(moments, "month")[0]] == ["2013-01", "2013-02", "2013-03", "2013-04", "2015-04"]


def test_the_newest_windows_are_kept() -> None:
    moments = np.arange(MOST_WINDOWS + 10, dtype=np.int64) * 3_600_000_000
    windows, earlier = spans(moments, "hour")
    assert (len(windows), earlier) == (MOST_WINDOWS, 10)
    assert place(moments, windows)[:10].tolist() == [-1] * 10


def test_nothing_has_no_windows() -> None:
    assert spans(np.array([], dtype=np.int64), "day") == ((), 0)
    assert place(np.array([5]), ()).tolist() == [-1]


def test_an_unknown_length_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="hour, day, week, month") as caught:
        spans(np.array([1]), "fortnight")
    assert caught.value.kind == "unknown-window"
