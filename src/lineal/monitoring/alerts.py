"""What needs a look, in sentences. An alert needs an effect worth acting on, and more of it than chance gives: both, never one alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from lineal.monitoring.drift import LARGE
from lineal.monitoring.quality import lower_is_better
from lineal.records.monitor import Drift, Quality

FEWEST_KNOWN = 200
"""Quality is compared from so many known outcomes on."""

QUALITY_TOLERANCE = 0.05
"""A metric that is worse by less than this share of its reference is left alone, however narrow its interval."""

LOWEST_COVERAGE = 0.5
LARGEST_MISCALIBRATION = 0.2
"""Share of the observed rate by which the mean score may miss it."""


def drift_alerts(drift: Iterable[Drift], predictions: Drift | None) -> list[str]:
    """One sentence per feature that moved far, and one for the predictions."""
    found = [f"input {one.feature} moved far: PSI {one.psi:.2f} (chance gives {one.noise:.4f})" for one in drift if one.level == LARGE]
    if predictions is not None and predictions.level == LARGE:
        found.append(f"predictions moved far: PSI {predictions.psi:.2f} (chance gives {predictions.noise:.4f})")
    return found


def quality_alerts(
    quality: Quality,
    reference: Mapping[str, float],
    origin: str,
    *,
    intervals: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    tolerance: float = QUALITY_TOLERANCE,
) -> list[str]:
    """One sentence per metric whose interval lies wholly on the worse side of its reference, by more than the tolerance.

    Args:
        reference: metrics to compare with; names may have a prefix such as ``test/``.
        origin: what they are of, such as ``training``.
        intervals: of the reference, where it is itself uncertain: then the two must not overlap.
        tolerance: as a share of the reference; for an AUC of what it has above 0.5, a coin's.
    """
    if quality.known < FEWEST_KNOWN:
        return []
    found = []
    for name, value in quality.metrics.items():
        lower, before = lower_is_better(name), reference_value(reference, name)
        if lower is None or before is None or name not in quality.intervals:
            continue
        low, high = quality.intervals[name]
        first, last = intervals.get(name, (before, before))
        scale = abs(before - 0.5) if name == "auc" else abs(before)
        worse, beyond = (value - before, low > last) if lower else (before - value, high < first)
        if beyond and worse > tolerance * scale:
            found.append(f"{name} is {value:.3f} ({low:.3f} to {high:.3f}), worse than {before:.3f} {origin}")
    return found


def reference_value(reference: Mapping[str, float], name: str) -> float | None:
    """The reference of a metric: of that name, or the only one whose name ends in it (``test/auc``, ``val_auc``).

    >>> reference_value({"test/auc": 0.64, "fit_seconds": 2.0}, "auc")
    0.64
    """
    by_name = {key.lower(): value for key, value in reference.items()}
    for alias in (name, *_ALIASES.get(name, ())):
        if alias in by_name:
            return by_name[alias]
        ends = [value for key, value in by_name.items() if key.endswith((f"/{alias}", f"_{alias}", f".{alias}"))]
        if len(ends) == 1:
            return ends[0]
    return None


_ALIASES = {"auc": ("roc_auc",), "log_loss": ("logloss",), "brier": ("brier_score",), "accuracy": ("acc",)}


def calibration_alerts(quality: Quality, *, tolerance: float = LARGEST_MISCALIBRATION) -> list[str]:
    """A sentence where the mean score misses the rate that was observed by more than chance and by more than the tolerance."""
    score, rate, interval = quality.metrics.get("mean_score"), quality.base_rate, quality.intervals.get("base_rate")
    if quality.known < FEWEST_KNOWN or score is None or rate is None or interval is None:
        return []
    if interval[0] <= score <= interval[1] or abs(score - rate) <= tolerance * rate:
        return []
    return [f"the model expects {score:.1%} on average, but {rate:.1%} happened"]


def coverage_alerts(quality: Quality | None, predictions: int, *, lowest: float = LOWEST_COVERAGE) -> list[str]:
    """A sentence where the truth of too few predictions is known to trust the quality."""
    if quality is None or quality.coverage >= lowest:
        return []
    return [f"the outcome of only {quality.known} of {predictions} predictions is known ({quality.coverage:.0%})"]


def rejected_alerts(rejected: Mapping[str, int], total: int) -> list[str]:
    """A sentence where requests were refused, with the most frequent reason."""
    refused = sum(rejected.values())
    if not refused:
        return []
    reason, times = max(rejected.items(), key=lambda item: (item[1], item[0]))
    word = "request was" if refused == 1 else "requests were"
    return [f"{refused} {word} refused (against {total} answered), most often: {reason} ({times})"]


def mixture_alerts(models: Mapping[str, int]) -> list[str]:
    """A sentence where several versions answered in one window."""
    if len(models) < 2:
        return []
    total = sum(models.values())
    return ["answered by " + _listed([f"{model} ({count / total:.0%})" for model, count in models.items()])]


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
