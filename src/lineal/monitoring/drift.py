"""How far a window's distribution moved from the reference, and whether that means anything at this size."""

from __future__ import annotations

import math

from lineal.monitoring.detectors import DETECTORS
from lineal.records.monitor import Distribution, Drift

FEWEST = 200
"""Below so many values nothing is said: the noise of ten bins is then near the bounds themselves."""

TIMES_NOISE = 5.0
"""A shift counts when it is more than so many times what sampling alone is expected to give."""

NONE = "none"
MODERATE = "moderate"
LARGE = "large"
SKIPPED = "skipped"
TOO_FEW = "too-few"


def measure_drift(reference: Distribution, observed: Distribution) -> Drift:
    """The stability index with its noise and level; the detector's own bounds hold only beyond five times the noise and from 200 values on.

    Raises:
        ValueError: if the two have different bins.
    """
    if reference.labels != observed.labels or reference.edges != observed.edges:
        raise ValueError(f"{reference.feature} and {observed.feature} are counted in different bins")
    detector = DETECTORS["psi"]
    distance = detector.distance(reference.counts, observed.counts)
    noise = detector.noise(reference.counts, observed.counts)
    level, reason = _judge(distance, noise, smaller=min(reference.total, observed.total))
    return Drift(feature=reference.feature, psi=distance, noise=noise, level=level, observed=observed, reference=reference, reason=reason)


def skip_drift(reference: Distribution, observed: Distribution, reason: str) -> Drift:
    """The distributions side by side, without a judgement: their movement means nothing, and the reason says why."""
    measured = measure_drift(reference, observed)
    return Drift(
        feature=measured.feature,
        psi=measured.psi,
        noise=measured.noise,
        level=SKIPPED,
        observed=observed,
        reference=reference,
        reason=reason,
    )


def _judge(distance: float, noise: float, *, smaller: int) -> tuple[str, str]:
    detector = DETECTORS["psi"]
    if smaller < FEWEST or math.isnan(distance):
        return TOO_FEW, f"{smaller} values; at least {FEWEST} are needed to tell a shift from chance"
    if distance <= TIMES_NOISE * noise:
        return NONE, ""
    if distance > detector.large:
        return LARGE, ""
    return (MODERATE, "") if distance > detector.moderate else (NONE, "")
