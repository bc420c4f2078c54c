import pytest

from lineal.interfaces.web import formats

MINUTE = 60_000_000


def test_time_is_told_in_one_unit() -> None:
    now = 1_700_000_000_000_000
    assert formats.ago(now - 3 * MINUTE, now) == "3 min ago"
    assert formats.ago(now - 2, now) == "just now"
    assert formats.ago(now + 5 * MINUTE, now) == "in 5 min"
    assert formats.ago(0, now) == formats.DASH
    assert formats.stamp(now) == "2023-11-14 22:13:20 UTC"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (1_240_000_000, "1.2 GB"), (None, "–"), (5 * 10**15, "5000.0 TB")]
)
def test_bytes_are_readable(count: int | None, text: str) -> None:
    assert formats.size(count) == text


def test_a_missing_value_is_never_zero() -> None:
    assert formats.number(None) == formats.duration(None) == formats.percent(None) == formats.DASH
    assert formats.number(0.0) == "0"


def test_the_best_is_marked_only_where_it_is_known_what_is_better() -> None:
    assert formats.best("rmse", [0.3, None, 0.2]) == 0.2
    assert formats.best("val/auc", [0.3, float("nan"), 0.7]) == 0.7
    assert formats.best("epoch", [1.0, 2.0]) is None
    assert formats.best("auc", [0.7]) is None
    assert formats.best("auc", [0.7, 0.7]) is None
