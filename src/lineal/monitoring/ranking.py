"""How well scores rank: the area under the ROC curve with ties, and its interval."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lineal.monitoring.intervals import Interval, Z

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


def auc(truth: Truths, score: Floats) -> tuple[float, Interval | None]:
    """The area under the ROC curve and its 95% interval; in O(n log n), ties count half.

    The interval is DeLong's, taken on the logit scale so that it stays inside 0 and 1; None where the variance is 0 (a perfect ranking of a few
    rows says nothing of its own certainty) or where a class has a single row.

    Args:
        truth: whether a row is of the positive class; both classes must be there.
        score: higher for the positive class.

    The ratings of 109 CT images by J. A. Hanley and B. J. McNeil (Radiology 143, 1982, table I) have an area of 0.893:

    >>> normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    >>> score = np.repeat([1.0, 2, 3, 4, 5, 1, 2, 3, 4, 5], normal + abnormal)
    >>> truth = np.arange(109) >= 58
    >>> area, interval = auc(truth, score)
    >>> round(area, 3), tuple(round(bound, 2) for bound in interval)
    (0.893, (0.82, 0.94))

    Source: E. R. DeLong et al., Biometrics 44 (1988); the O(n log n) form is X. Sun and W. Xu's, IEEE Signal Processing Letters 21 (2014).
    """
    positive, negative = score[truth], score[~truth]
    many, others = len(positive), len(negative)
    ranks = midranks(score)
    inside_positive = (ranks[truth] - midranks(positive)) / others
    inside_negative = 1 - (ranks[~truth] - midranks(negative)) / many
    area = float(inside_positive.mean())
    if min(many, others) < 2:
        return area, None
    variance = float(inside_positive.var(ddof=1)) / many + float(inside_negative.var(ddof=1)) / others
    return area, _logit_interval(area, variance)


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs.

    >>> midranks(np.array([10.0, 20.0, 20.0, 5.0])).tolist()
    [2.0, 3.5, 3.5, 1.0]
    """
    _different, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found: Floats = (last - (counts - 1) / 2)[inverse.reshape(-1)]
    return found


def _logit_interval(area: float, variance: float) -> Interval | None:
    if variance <= 0 or not 0 < area < 1:
        return None
    center = math.log(area / (1 - area))
    half = Z * math.sqrt(variance) / (area * (1 - area))
    return 1 / (1 + math.exp(min(700.0, half - center))), 1 / (1 + math.exp(max(-700.0, -half - center)))
