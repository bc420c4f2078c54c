"""Puts a monitor's windows together: traffic cut by event time, each window judged against the model that answered most of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lineal.monitoring import alerts
from lineal.monitoring.profile import Profile
from lineal.monitoring.traffic import Traffic, feature_drift, prediction_drift, window_quality
from lineal.monitoring.windows import Span, place
from lineal.records.model import Signature
from lineal.records.monitor import Drift, Quality, Window

NO_PROFILE = "the model has no reference profile"
NOT_IN_PROFILE = "the reference profile does not know it"
EMPTY_REFERENCE = "the reference profile counted no rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A model version that answered, with what its traffic is held against.

    Attributes:
        model: ``name@number``.
        profile: None where the model has none.
        metrics: of the run that made it.
    """

    model: str
    signature: Signature
    profile: Profile | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """From where on something is an alert."""

    quality_tolerance: float = alerts.QUALITY_TOLERANCE
    lowest_coverage: float = alerts.LOWEST_COVERAGE


class WindowedTraffic:
    """Traffic cut into windows.

    Args:
        references: by model version; one for every version in the traffic.
        skipped: features that are not judged, with the reason.
    """

    def __init__(
        self, traffic: Traffic, spans: Sequence[Span], references: Mapping[str, Reference], skipped: Mapping[str, str], bounds: Bounds
    ) -> None:
        self._traffic = traffic
        self._spans = tuple(spans)
        self._references = references
        self._skipped = skipped
        self._bounds = bounds
        self._places = place(traffic.event_at, self._spans)

    def windows(self) -> tuple[Window, ...]:
        """The windows, oldest first."""
        drift: list[tuple[Drift, ...]] = [()] * len(self._spans)
        predictions: list[Drift | None] = [None] * len(self._spans)
        for model in set(self._main_models):
            if model:
                self._measure(model, drift, predictions)
        return tuple(self._window(number, drift[number], predictions[number]) for number in range(len(self._spans)))

    @cached_property
    def _answers(self) -> list[Counter[str]]:
        """Per window how many predictions each model version gave."""
        found: list[Counter[str]] = [Counter() for _ in self._spans]
        for model in self._references:
            rows = (self._traffic.model == model) & (self._places >= 0)
            for number, count in enumerate(np.bincount(self._places[rows], minlength=len(self._spans)).tolist()):
                if count:
                    found[number][model] = count
        return found

    @cached_property
    def _main_models(self) -> list[str]:
        """Per window the version that answered most of it, or an empty text."""
        return [counts.most_common(1)[0][0] if counts else "" for counts in self._answers]

    @cached_property
    def _qualities(self) -> list[Quality | None]:
        if not self._traffic.truth.known.any():
            return [None] * len(self._spans)
        return [
            window_quality(self._traffic, self._places == number, self._references[model].signature) if model else None
            for number, model in enumerate(self._main_models)
        ]

    @cached_property
    def _first_quality(self) -> tuple[str, Quality | None]:
        """The first window whose quality can be compared with, and its label."""
        for span, quality in zip(self._spans, self._qualities, strict=True):
            if quality is not None and quality.known >= alerts.FEWEST_KNOWN:
                return span.label, quality
        return "", None

    def _measure(self, model: str, drift: list[tuple[Drift, ...]], predictions: list[Drift | None]) -> None:
        """Fills in the drift of the windows that ``model`` answered most of: inputs of all rows, predictions of its own."""
        profile = self._references[model].profile
        if profile is None or not profile.rows:
            return
        mine = np.array([main == model for main in self._main_models], dtype=np.bool_)
        places = np.where((self._places >= 0) & mine[self._places], self._places, -1)
        own = np.where(self._traffic.model == model, places, -1)
        features = feature_drift(self._traffic, profile, places, len(self._spans), self._skipped)
        answers = prediction_drift(self._traffic, profile, own, len(self._spans))
        for number in np.flatnonzero(mine).tolist():
            drift[number], predictions[number] = features[number], answers[number]

    def _window(self, number: int, drift: tuple[Drift, ...], predictions: Drift | None) -> Window:
        span, quality, models = self._spans[number], self._qualities[number], self._answers[number]
        total = sum(models.values())
        found = alerts.drift_alerts(drift, predictions)
        if quality is not None:
            found += self._quality_alerts(number, quality)
            found += alerts.coverage_alerts(quality, total, lowest=self._bounds.lowest_coverage)
        return Window(
            label=span.label,
            start=span.start,
            end=span.end,
            predictions=total,
            drift=drift,
            prediction_drift=predictions,
            quality=quality,
            alerts=(*found, *alerts.mixture_alerts(models)),
            models=dict(models),
        )

    def _quality_alerts(self, number: int, quality: Quality) -> list[str]:
        """Against the metrics of the model's run where it has them, else against the first window."""
        model, tolerance = self._main_models[number], self._bounds.quality_tolerance
        metrics = self._references[model].metrics
        known = {name: value for name in quality.metrics if (value := alerts.reference_value(metrics, name)) is not None}
        found = alerts.quality_alerts(quality, known, f"of the run behind {model}", tolerance=tolerance)
        label, first = self._first_quality
        if first is not None and first is not quality:
            rest = {name: value for name, value in first.metrics.items() if name not in known}
            found += alerts.quality_alerts(quality, rest, f"in {label}", intervals=first.intervals, tolerance=tolerance)
        return found + alerts.calibration_alerts(quality)


def unjudged(traffic: Traffic, reference: Reference, asked: Sequence[str]) -> dict[str, str]:
    """Features that get no drift of their own accord, with the reason.

    Args:
        asked: those that the deployment asked to leave out; they are not repeated.
    """
    if reference.profile is None:
        return dict.fromkeys(traffic.features, NO_PROFILE)
    if not reference.profile.rows:
        return dict.fromkeys(traffic.features, EMPTY_REFERENCE)
    return {name: NOT_IN_PROFILE for name in traffic.features if name not in reference.profile.features and name not in asked}
