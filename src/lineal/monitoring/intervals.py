"""95% intervals: what a metric of a sample says of the metric behind it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Interval = tuple[float, float]

Z = 1.959963984540054
"""The 97.5% point of the standard normal distribution."""


def wilson(successes: float, total: int) -> Interval:
    """The score interval of a proportion; sound also at 0, at 1 and for few trials.

    >>> low, high = wilson(81, 263)
    >>> f"{low:.4f} {high:.4f}"
    '0.2553 0.3662'

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927); the example is R. G. Newcombe's, Statistics in Medicine 17 (1998), table I, method 3.
    """
    share = successes / total
    center = (share + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z / (1 + Z * Z / total) * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    return max(0.0, center - half), min(1.0, center + half)


def of_mean(values: npt.NDArray[np.float64]) -> Interval | None:
    """Student's interval of a mean; None for fewer than two values.

    >>> low, high = of_mean(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    >>> f"{low:.3f} {high:.3f}"
    '1.037 4.963'
    """
    if len(values) < 2:
        return None
    mean = float(values.mean())
    half = student(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean - half, mean + half


def of_root_mean(squares: npt.NDArray[np.float64]) -> Interval | None:
    """The interval of the root of a mean of squares: the roots of that mean's interval."""
    found = of_mean(squares)
    return None if found is None else (math.sqrt(max(0.0, found[0])), math.sqrt(found[1]))


def of_median(values: npt.NDArray[np.float64]) -> Interval | None:
    """The interval of a median from order statistics, free of any distribution; None for fewer than six values, where there is none.

    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd edition, section 3.2.
    """
    total = len(values)
    if total < 6:
        return None
    spread = Z * math.sqrt(total) / 2
    low, high = max(0, math.floor(total / 2 - spread) - 1), min(total - 1, math.ceil(total / 2 + spread))
    ordered = np.sort(values)
    return float(ordered[low]), float(ordered[high])


def student(freedom: int) -> float:
    """The 97.5% point of Student's distribution, to 0.4% from 3 degrees of freedom on; exact for 1 and 2.

    Printed tables give 12.706, 4.303, 2.228 and 2.042 for 1, 2, 10 and 30:

    >>> [round(student(freedom), 3) for freedom in (1, 2, 10, 30)]
    [12.706, 4.303, 2.228, 2.042]

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    if freedom == 1:
        return math.tan(math.pi * 0.475)
    if freedom == 2:
        return 0.95 * math.sqrt(2 / (4 * 0.975 * 0.025))
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
        (79 * Z**9 + 776 * Z**7 + 1482 * Z**5 - 1920 * Z**3 - 945 * Z) / 92160,
    )
    return Z + math.fsum(term / float(freedom) ** power for power, term in enumerate(terms, start=1))
