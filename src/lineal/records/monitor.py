"""What a monitor says of a deployment, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Counts per bin of one feature or of the predictions.

    Attributes:
        kind: ``numeric`` or ``categorical``.
        edges: inner bin edges of a numeric feature, ascending; bins are one more than edges.
        labels: one per bin: intervals, or categories then ``other``; ``missing`` is last.
        counts: as many as labels.
    """

    feature: str
    kind: str
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far a distribution moved from the reference.

    Attributes:
        psi: population stability index, natural logarithm.
        noise: the index that sampling alone is expected to give at these sizes.
        level: ``none``, ``moderate``, ``large``, ``skipped`` or ``too-few``.
        reason: why it was skipped, or empty.
    """

    feature: str
    psi: float
    noise: float
    level: str
    observed: Distribution
    reference: Distribution
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Predictions of about the same score, and how often they came true.

    Attributes:
        low, high: bounds of the score, the upper one included.
        predicted: mean score.
        observed: share of the positive class, with its 95% interval.
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How right the predictions of a window turned out.

    Attributes:
        metrics: such as ``auc`` and ``accuracy``, or ``mae`` and ``rmse``.
        intervals: 95% interval by metric, where one is computed.
        known: predictions whose truth is known; ``coverage`` is their share.
        delay_us: median time from event to truth, microseconds.
        base_rate: share of the positive class, or mean of the truth for a regression.
        absent: why a metric that one would expect is not there, by metric; an undefined metric is absent, never 0.
        calibration: scores against what happened, for a binary classifier.
    """

    metrics: Mapping[str, float]
    known: int
    coverage: float
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    delay_us: int | None = None
    base_rate: float | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    calibration: tuple[CalibrationBin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One stretch of event time.

    Attributes:
        label: such as ``2013-04``.
        start, end: microseconds UTC, half open.
        alerts: what needs a look, one sentence each.
        models: predictions by the model version that answered.
    """

    label: str
    start: int
    end: int
    predictions: int
    drift: tuple[Drift, ...]
    prediction_drift: Drift | None
    quality: Quality | None
    alerts: tuple[str, ...] = ()
    models: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorReport:
    """Everything a monitor says, oldest window first.

    Attributes:
        reference_quality: metrics of the model when it was registered (its run's summaries).
        rejected: requests refused by the signature, by reason.
        skipped: features left out of drift, with the reason.
        alerts: what needs a look and belongs to no window, one sentence each.
        models: predictions by the model version that answered.
        trial: whether it was only tried, and is no production.
    """

    deployment: str
    model: str
    task: str
    every: str
    windows: tuple[Window, ...]
    reference_quality: Mapping[str, float] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    total: int = 0
    note: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()
    models: Mapping[str, int] = field(default_factory=dict)
    trial: bool = False
