"""What a drift detector is: a distance between two rows of counts, and how much of it chance alone gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Shares = npt.NDArray[np.float64]


class Detector(Protocol):
    """A distance between distributions over the same bins.

    Every detector gives 0 for equal shares, grows as mass moves away, does not depend on the order of the bins or on the scale of the counts,
    and is the same both ways where `symmetric` says so. `tests/monitoring/detectors` holds these laws over all of them.

    Attributes:
        name: such as ``psi``.
        symmetric: whether the distance is the same both ways.
        moderate, large: the usual bounds of a moderate and a large shift.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def symmetric(self) -> bool: ...  # noqa: D102
    @property
    def moderate(self) -> float: ...  # noqa: D102
    @property
    def large(self) -> float: ...  # noqa: D102

    def distance(self, reference: Sequence[int], observed: Sequence[int]) -> float:
        """How far ``observed`` is from ``reference``: at least 0; NaN where one of them counts nothing."""

    def noise(self, reference: Sequence[int], observed: Sequence[int]) -> float:
        """The distance to expect if both were drawn from one distribution; NaN where one of them counts nothing."""


def shares(counts: Sequence[int]) -> Shares:
    """Counts as shares of their sum; NaN where they count nothing.

    >>> shares([1, 3]).tolist()
    [0.25, 0.75]
    """
    values = np.asarray(counts, dtype=np.float64)
    total = float(values.sum())
    return values / total if total else np.full(len(values), np.nan)


def chi_square_noise(reference: Sequence[int], observed: Sequence[int]) -> float:
    """``(bins - 1) * (1/n + 1/m)`` over the bins that hold anything: what a chi-square-like distance gives by chance alone.

    >>> round(chi_square_noise([500, 500], [50, 50]), 3)
    0.011

    Source: B. Yurdakul, Statistical Properties of Population Stability Index, Western Michigan University 2018, section 3: for samples of n and m
    from one distribution, PSI / (1/n + 1/m) follows chi-square with bins - 1 degrees of freedom, whose mean that is.
    """
    first, second = np.asarray(reference, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    before, after = float(first.sum()), float(second.sum())
    if not before or not after:
        return float("nan")
    used = int(np.count_nonzero(first + second))
    return (used - 1) * (1 / before + 1 / after)
