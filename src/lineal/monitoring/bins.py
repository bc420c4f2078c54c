"""Bins: how a column of values becomes a few counts, so that two times can be compared without keeping the values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from lineal.records.monitor import Distribution

NUMERIC = "numeric"
CATEGORICAL = "categorical"
OTHER = "other"
MISSING = "missing"

QUANTILE_BINS = 10
"""Deciles, as credit scoring does: fine enough to see a shift, coarse enough that 200 rows fill them."""

EXACT_VALUES = 12
"""Whole numbers with at most so many different values are counted value by value: months, ratings, flags."""

TOP_CATEGORIES = 11
"""Categories counted by name; the rest is `OTHER`."""

Counts = npt.NDArray[np.int64]


def describe(feature: str, column: Any) -> Distribution:
    """Chooses bins for a column and counts it.

    Numbers get inner edges at their deciles, a value that fills several deciles a bin of its own; whole numbers of few values, truth values and
    texts are counted by value. Constant columns are counted by value too, so that a change of the constant shows.

    Args:
        feature: the column's name.
        column: anything one-dimensional: an array, a list with None for missing, a data frame's column.
    """
    values = _as_array(column)
    numbers = _numbers(values)
    if numbers is None:
        return _categorical(feature, values)
    finite = numbers[np.isfinite(numbers)]
    different = np.unique(finite)
    whole = bool(np.all(different == np.floor(different)))
    if len(different) <= 1 or (whole and len(different) <= EXACT_VALUES):
        return _counted(Distribution(feature=feature, kind=CATEGORICAL, labels=_exact_labels(different), counts=()), numbers)
    edges = quantile_edges(finite)
    return _counted(Distribution(feature=feature, kind=NUMERIC, labels=interval_labels(edges), counts=(), edges=edges), numbers)


def bin_codes(column: Any, bins: Distribution) -> npt.NDArray[np.intp]:
    """The bin of every value, as an index into ``bins.labels``; what is no number lies in a numeric column's last bin, missing."""
    values = _as_array(column)
    if bins.kind == NUMERIC:
        return _interval_codes(_forced_numbers(values), bins)
    return _category_codes(values, bins)


def observe(column: Any, bins: Distribution) -> Distribution:
    """The same bins with the counts of another column."""
    return _counted(bins, column)


def observe_groups(column: Any, bins: Distribution, groups: npt.NDArray[np.intp], number: int) -> Counts:
    """Counts per group and bin, shape ``(number, len(bins.labels))``: one pass over the column for all windows.

    Args:
        groups: per value its group, from 0 to ``number - 1``.
    """
    width = len(bins.labels)
    flat = np.bincount(groups * width + bin_codes(column, bins), minlength=number * width)
    return flat.reshape(number, width).astype(np.int64)


def with_counts(bins: Distribution, counts: Iterable[int]) -> Distribution:
    """The same bins with these counts."""
    found = tuple(int(count) for count in counts)
    return Distribution(feature=bins.feature, kind=bins.kind, labels=bins.labels, counts=found, edges=bins.edges)


def quantile_edges(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """At most 9 ascending inner edges; a bin reaches from above one edge up to and including the next.

    A value that fills several deciles (the zeros of a feature that is mostly zero) gets a bin of its own, and the deciles
    it freed go to the rest, so that the tail stays visible.

    >>> quantile_edges(np.arange(1.0, 101.0))
    (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0)
    >>> quantile_edges(np.array([0.0] * 95 + [1.0, 2.0, 3.0, 4.0, 5.0]))
    (0.0, 1.0, 2.0, 3.0, 4.0)
    """
    cuts, repeats = np.unique(_quantiles(values, QUANTILE_BINS - 1), return_counts=True)
    heavy = cuts[repeats > 1]
    below = [values[values < value].max() for value in heavy if value > values.min()]
    edges = np.unique([*cuts, *below])
    rest = values[~np.isin(values, heavy)]
    free = QUANTILE_BINS - 1 - len(edges)
    if free > 0 and len(rest):
        edges = np.unique([*edges, *_quantiles(rest, free)])
    return tuple(edges[edges < values.max()].tolist())


def interval_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """One label per interval between inner edges, then `MISSING`; as few digits as keep the edges apart.

    >>> interval_labels([0.5, 10.0])
    ('≤ 0.5', '0.5 to 10', '> 10', 'missing')
    """
    if not edges:
        return ("any", MISSING)
    texts = _short_texts(edges)
    middle = [f"{low} to {high}" for low, high in pairwise(texts)]
    return (f"≤ {texts[0]}", *middle, f"> {texts[-1]}", MISSING)


def _quantiles(values: npt.NDArray[np.float64], number: int) -> npt.NDArray[np.float64]:
    shares = np.arange(1, number + 1) / (number + 1)
    found: npt.NDArray[np.float64] = np.quantile(values, shares, method="inverted_cdf")
    return found


def _short_texts(edges: Sequence[float]) -> list[str]:
    for digits in range(4, 17):
        texts = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(texts)) == len(texts):
            return texts
    return [repr(edge) for edge in edges]


def _as_array(column: Any) -> npt.NDArray[Any]:
    if isinstance(column, list | tuple):
        return _from_list(column)
    values = np.asarray(column)
    if values.ndim == 1:
        return values
    return _objects(list(values)) if values.ndim > 1 else values.reshape(1)


def _from_list(column: Sequence[Any]) -> npt.NDArray[Any]:
    kinds = {type(value) for value in column}
    if kinds <= {int, float, type(None)} and kinds != {type(None)}:
        return np.array(column, dtype=np.float64)
    return _objects(column)


def _objects(column: Sequence[Any]) -> npt.NDArray[Any]:
    found = np.empty(len(column), dtype=object)
    for place, value in enumerate(column):
        found[place] = value
    return found


def _numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """The column as floats with NaN for missing, or None where it is not one of numbers."""
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    if values.dtype.kind != "O":
        return None
    kinds = {type(value) for value in values.tolist() if not is_missing(value)}
    if not kinds or not all(issubclass(kind, int | float | np.integer | np.floating) and kind is not bool for kind in kinds):
        return None
    return _forced_numbers(values)


def _forced_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if values.dtype.kind in "iufb":
        return values.astype(np.float64)
    return np.array([as_number(value) for value in values.tolist()], dtype=np.float64)


def as_number(value: Any) -> float:
    """The value as a float, NaN for what is no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, and data frames' own."""
    try:
        return value is None or bool(value != value)  # noqa: PLR0124 - NaN and NaT differ from themselves
    except (TypeError, ValueError):
        return not hasattr(value, "__len__")  # pandas' NA refuses to be a truth value; an array is no missing value


def _interval_codes(numbers: npt.NDArray[np.float64], bins: Distribution) -> npt.NDArray[np.intp]:
    codes = np.searchsorted(np.asarray(bins.edges), numbers, side="left")
    codes[np.isnan(numbers)] = len(bins.labels) - 1
    return codes


def _exact_labels(different: npt.NDArray[np.float64]) -> tuple[str, ...]:
    return (*(_keys(value)[0] for value in different.tolist()), OTHER, MISSING)


def _categorical(feature: str, values: npt.NDArray[Any]) -> Distribution:
    if values.dtype.kind == "b" or _all_bool(values):
        return _counted(Distribution(feature=feature, kind=CATEGORICAL, labels=("false", "true", OTHER, MISSING), counts=()), values)
    found: Counter[str] = Counter()
    for value, count in _tally(values.tolist()):
        if not is_missing(value):
            found[_keys(value)[0]] += count
    common = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:TOP_CATEGORIES]
    # A column where no value comes back (names, ids) has no categories worth counting.
    labels = [label for label, count in common if count > 1 or len(found) <= TOP_CATEGORIES]
    return _counted(Distribution(feature=feature, kind=CATEGORICAL, labels=(*labels, OTHER, MISSING), counts=()), values)


def _tally(values: Sequence[Any]) -> Iterable[tuple[Any, int]]:
    """Equal values once, with how often they come; a value that cannot be a key, such as a list, stands for itself."""
    try:
        return Counter(values).items()
    except TypeError:
        return ((value, 1) for value in values)


def _all_bool(values: npt.NDArray[Any]) -> bool:
    held = (value for value in values.flat if not is_missing(value))
    first = next(held, None)
    return isinstance(first, bool | np.bool_) and all(isinstance(value, bool | np.bool_) for value in held)


class _Places(dict[Any, int]):
    """Value to bin. Looks a new value up by its text once and remembers it, so that a column costs one dictionary access per value."""

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        self._by_key = {label: place for place, label in enumerate(labels[:-2])}
        self._other, self._missing = len(labels) - 2, len(labels) - 1

    def __missing__(self, value: Any) -> int:
        place = self._missing if is_missing(value) else self.place(value)
        if len(self) < 100_000:
            self[value] = place
        return place

    def place(self, value: Any) -> int:
        """The bin of a value that is there."""
        return next((self._by_key[key] for key in _keys(value) if key in self._by_key), self._other)


def _category_codes(values: npt.NDArray[Any], bins: Distribution) -> npt.NDArray[np.intp]:
    places = _Places(bins.labels)
    if values.dtype.kind in "iufb":
        different, inverse = np.unique(values, return_inverse=True)
        table = np.array([places[value] for value in different.tolist()], dtype=np.intp)
        return table[inverse.reshape(-1)] if len(table) else np.empty(0, dtype=np.intp)
    items = values.tolist()
    try:
        return np.fromiter(map(places.__getitem__, items), dtype=np.intp, count=len(items))
    except TypeError:  # lists and arrays cannot be keys
        return np.fromiter((places.place(value) for value in items), dtype=np.intp, count=len(items))


def _keys(value: Any) -> tuple[str, ...]:
    """The texts a value goes by, the usual first: a truth value is also 0 or 1, a whole float also an integer."""
    if isinstance(value, bool | np.bool_):
        return ("true", "1") if value else ("false", "0")
    if isinstance(value, int | float | np.integer | np.floating):
        number = float(value)
        text = str(int(number)) if number.is_integer() else repr(number)
        return (text, {"0": "false", "1": "true"}.get(text, text))
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value),)


def _counted(bins: Distribution, column: Any) -> Distribution:
    return with_counts(bins, np.bincount(bin_codes(column, bins), minlength=len(bins.labels)))
