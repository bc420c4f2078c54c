"""The population stability index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineal.monitoring.detectors.interface import chi_square_noise, shares

CLAMP = 1e-4
"""Shares are taken as at least this, so that an empty bin is a large number and not an infinite one."""


def psi(reference: Sequence[int], observed: Sequence[int]) -> float:
    """The population stability index, natural logarithm: the sum over bins of ``(q - p) * ln(q / p)``, both clamped to 1e-4.

    It is the sum of the two Kullback-Leibler divergences (Jeffreys' divergence). By custom, 0.1 is a moderate and 0.2 a large shift.

    The published divergences of (9, 12, 4)/25 and uniform are 0.0852996 and 0.0974550 (Kullback-Leibler divergence, basic example, Wikipedia,
    after Kullback 1959, table 2.1), so the index is their sum:

    >>> round(psi([9, 12, 4], [1, 1, 1]), 6) == round(0.0852996 + 0.0974550, 6)
    True

    Source: N. Siddiqi, Credit Risk Scorecards, Wiley 2006, chapter 9; H. Jeffreys, Proc. R. Soc. A 186 (1946).
    """
    before, after = np.maximum(shares(reference), CLAMP), np.maximum(shares(observed), CLAMP)
    return float(np.sum((after - before) * np.log(after / before)))


class PopulationStability:
    """`psi` as a detector."""

    name = "psi"
    symmetric = True
    moderate = 0.1
    large = 0.2

    def distance(self, reference: Sequence[int], observed: Sequence[int]) -> float:
        """The index."""
        return psi(reference, observed)

    def noise(self, reference: Sequence[int], observed: Sequence[int]) -> float:
        """``(bins - 1) * (1/n + 1/m)``."""
        return chi_square_noise(reference, observed)
