"""The Jensen-Shannon divergence: like the stability index, but bounded, so that one emptied bin cannot shout down the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineal.monitoring.detectors.interface import Shares, chi_square_noise, shares


def jensen_shannon(reference: Sequence[int], observed: Sequence[int]) -> float:
    """The divergence in nats, between 0 and ln 2 (0.6931); its square root is a metric.

    SciPy's documentation gives 0.46450140402245893 as the distance, the square root, of (1, 0) and (0.5, 0.5):

    >>> round(jensen_shannon([2, 0], [1, 1]) ** 0.5, 12)
    0.464501404022

    Source: J. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991).
    """
    before, after = shares(reference), shares(observed)
    middle = (before + after) / 2
    divergence = (_relative_entropy(before, middle) + _relative_entropy(after, middle)) / 2
    return float(np.maximum(divergence, 0.0))  # rounding may fall below 0; numpy's maximum keeps NaN


class JensenShannon:
    """`jensen_shannon` as a detector. Near equality it is an eighth of the stability index, and so are its bounds and its noise."""

    name = "jensen-shannon"
    symmetric = True
    moderate = 0.1 / 8
    large = 0.2 / 8

    def distance(self, reference: Sequence[int], observed: Sequence[int]) -> float:
        """The divergence in nats."""
        return jensen_shannon(reference, observed)

    def noise(self, reference: Sequence[int], observed: Sequence[int]) -> float:
        """An eighth of ``(bins - 1) * (1/n + 1/m)``."""
        return chi_square_noise(reference, observed) / 8


def _relative_entropy(share: Shares, middle: Shares) -> float:
    if np.isnan(share).any() or np.isnan(middle).any():
        return float("nan")
    held = share > 0
    return float(np.sum(share[held] * np.log(share[held] / middle[held])))
