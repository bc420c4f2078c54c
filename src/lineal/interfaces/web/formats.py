"""Values as people read them. The exact value stands beside it in a title; see the macros."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

from lineal.records.values import plain

DASH = "–"
_STEPS = ((31_557_600, "y"), (2_629_800, "mo"), (604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "min"))
_LOWER = ("loss", "error", "rmse", "mse", "mae", "mape", "logloss", "perplexity", "brier", "deviance")
_HIGHER = ("auc", "acc", "f1", "r2", "precision", "recall", "score", "map", "ndcg", "iou", "bleu")


def ago(at: int | None, now: int) -> str:
    """How long ago, in one unit: ``3 min ago``."""
    if not at:
        return DASH
    seconds = (now - at) // 1_000_000
    if seconds < 0:
        return f"in {span(-seconds)}"
    return f"{span(seconds)} ago" if seconds >= 10 else "just now"


def span(seconds: float) -> str:
    """Seconds in the largest unit that fits, rounded down."""
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def stamp(at: int | None) -> str:
    """The moment in UTC, to the second: ``2026-02-03 14:05:06 UTC``."""
    return f"{_moment(at):%Y-%m-%d %H:%M:%S} UTC" if at else DASH


def iso(at: int | None) -> str:
    """The moment as ``datetime`` attributes want it."""
    return _moment(at).isoformat() if at else ""


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1_000_000, tz=UTC)


def duration(microseconds: float | None) -> str:
    """How long something took: ``340 ms``, ``12.4 s``, ``3 min 20 s``, ``2 h 5 min``.

    >>> [duration(value) for value in (340_000, 12_400_000, 200_000_000, 7_500_000_000)]
    ['340 ms', '12.4 s', '3 min 20 s', '2 h 5 min']
    """
    if microseconds is None:
        return DASH
    seconds = microseconds / 1_000_000
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    if seconds < 172_800:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    return f"{int(seconds // 86_400)} d {int(seconds % 86_400 // 3600)} h"


def size(count: int | None) -> str:
    """Bytes in decimal units: ``1.2 GB``."""
    if count is None:
        return DASH
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def number(value: Any) -> str:
    """A number with four significant digits where it has more; whole numbers with thousands set apart.

    >>> [number(value) for value in (0.913412, 12, 1234567, 1e-9, float("nan"), None)]
    ['0.9134', '12', '1,234,567', '1e-09', 'NaN', '–']
    """
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return str(plain(value)).replace("Infinity", "∞")
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def value(item: Any) -> str:
    """A parameter's value: numbers exact, texts as they are, the rest as JSON.

    >>> [value(item) for item in (0.1, "adam", True, None, ["a", 1])]
    ['0.1', 'adam', 'true', 'null', '["a",1]']
    """
    if isinstance(item, str):
        return item
    return json.dumps(plain(item), ensure_ascii=False, separators=(",", ":")).strip('"') if isinstance(item, float) else _json(item)


def _json(item: Any) -> str:
    return json.dumps(plain(item), ensure_ascii=False, separators=(",", ":"))


def percent(share: float | None) -> str:
    """A share of one as percent: ``12.4%``."""
    return DASH if share is None else f"{share * 100:.1f}%"


def direction(metric: str) -> str:
    """Whether ``lower`` or ``higher`` is better by the metric's name, or an empty text where it does not say.

    >>> [direction(name) for name in ("val/loss", "auc", "epoch")]
    ['lower', 'higher', '']
    """
    last = metric.lower().replace("-", "_").split("/")[-1]
    words = {last, *last.split("_")}
    if words & set(_LOWER):
        return "lower"
    return "higher" if words & set(_HIGHER) or last.startswith(_HIGHER) else ""


def best(metric: str, values: list[float | None]) -> float | None:
    """The best of the values where the metric's name says what is better and at least two are known, else None."""
    known = [item for item in values if item is not None and math.isfinite(item)]
    wanted = direction(metric)
    if len(known) < 2 or not wanted or min(known) == max(known):
        return None
    return min(known) if wanted == "lower" else max(known)
