"""How right predictions turned out, with 95% intervals. What cannot be said is absent with its reason, and never 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lineal.monitoring import ranking
from lineal.monitoring.intervals import Interval, of_mean, of_median, of_root_mean, wilson
from lineal.records.monitor import CalibrationBin

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SMALLEST_PROBABILITY = 1e-15
CALIBRATION_BINS = 10

ONE_CLASS = "all known outcomes are of one class"


@dataclass(slots=True, kw_only=True)
class Figures:
    """Metrics as they are found.

    Attributes:
        metrics: by name; every one of them finite.
        intervals: 95%, where one is computed.
        absent: why a metric is not there.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    base_rate: float | None = None
    calibration: tuple[CalibrationBin, ...] = ()

    def put(self, name: str, value: float, interval: Interval | None = None) -> None:
        """Notes a metric; one that is not finite is absent."""
        if not math.isfinite(value):
            self.absent[name] = "it is not a finite number"
            return
        self.metrics[name] = value
        if interval is not None:
            self.intervals[name] = interval

    def share(self, name: str, successes: int, total: int, *, empty: str) -> None:
        """Notes a proportion with Wilson's interval, or why there is none."""
        if total:
            self.put(name, successes / total, wilson(successes, total))
        else:
            self.absent[name] = empty


def binary_quality(truth: Flags, answer: Flags, score: Floats | None = None) -> Figures:
    """Quality of a classifier of two classes.

    Args:
        truth: whether the outcome was the positive class.
        answer: whether the positive class was predicted.
        score: probability of the positive class, NaN where a row has none; None if no row has one.
    """
    found = Figures()
    if not len(truth):
        return _nothing_known("auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1")
    hits = int(np.count_nonzero(truth & answer))
    predicted, positive = int(np.count_nonzero(answer)), int(np.count_nonzero(truth))
    found.share("accuracy", int(np.count_nonzero(truth == answer)), len(truth), empty="")
    found.share("precision", hits, predicted, empty="the positive class was never predicted")
    found.share("recall", hits, positive, empty="no known outcome is of the positive class")
    if predicted + positive:
        found.put("f1", 2 * hits / (predicted + positive))
    else:
        found.absent["f1"] = "the positive class neither happened nor was predicted"
    found.share("base_rate", positive, len(truth), empty="")
    found.base_rate = positive / len(truth)
    _score_figures(found, truth, score)
    return found


def multiclass_quality(truth: npt.NDArray[Any], answer: npt.NDArray[Any]) -> Figures:
    """Quality of a classifier of more than two classes from its labels; macro averages are over the classes that happened or were predicted.

    Args:
        truth, answer: labels of one type.
    """
    if not len(truth):
        return _nothing_known("accuracy", "precision", "recall", "f1", "log_loss")
    found = Figures()
    labels, codes = np.unique(np.concatenate([truth, answer]), return_inverse=True)
    true, said = np.split(codes.reshape(-1), 2)
    right = np.bincount(true[true == said], minlength=len(labels))
    happened, predicted = np.bincount(true, minlength=len(labels)), np.bincount(said, minlength=len(labels))
    found.share("accuracy", int(right.sum()), len(truth), empty="")
    found.put("precision", float(np.mean(right[predicted > 0] / predicted[predicted > 0])))
    found.put("recall", float(np.mean(right[happened > 0] / happened[happened > 0])))
    found.put("f1", float(np.mean(2 * right / (happened + predicted))))
    found.absent["log_loss"] = found.absent["auc"] = "the probabilities of all classes are not captured"
    return found


def regression_quality(truth: Floats, answer: Floats) -> Figures:
    """Quality of a regression: errors are ``answer - truth``, so a positive bias predicts too high."""
    if not len(truth):
        return _nothing_known("mae", "rmse", "r2", "bias", "median_absolute_error")
    found = Figures()
    errors = answer - truth
    size = np.abs(errors)
    found.put("mae", float(size.mean()), of_mean(size))
    found.put("rmse", float(np.sqrt(np.mean(errors**2))), of_root_mean(errors**2))
    found.put("bias", float(errors.mean()), of_mean(errors))
    found.put("median_absolute_error", float(np.median(size)), of_median(size))
    total = float(np.sum((truth - truth.mean()) ** 2))
    if total > 0:
        found.put("r2", 1 - float(np.sum(errors**2)) / total)
    else:
        found.absent["r2"] = "all known outcomes are equal"
    found.base_rate = float(truth.mean())
    return found


def calibration(truth: Flags, score: Floats, bins: int = CALIBRATION_BINS) -> tuple[CalibrationBin, ...]:
    """Scores in bins of equal width against how often the positive class happened; empty bins are left out."""
    codes = np.clip(np.ceil(score * bins).astype(np.intp) - 1, 0, bins - 1)
    counts = np.bincount(codes, minlength=bins)
    scores, hits = np.bincount(codes, score, minlength=bins), np.bincount(codes, truth, minlength=bins)
    return tuple(
        CalibrationBin(
            low=place / bins,
            high=(place + 1) / bins,
            count=int(counts[place]),
            predicted=float(scores[place] / counts[place]),
            observed=float(hits[place] / counts[place]),
            interval=wilson(float(hits[place]), int(counts[place])),
        )
        for place in np.flatnonzero(counts).tolist()
    )


def lower_is_better(metric: str) -> bool | None:
    """Whether a smaller value of that metric is the better one; None for a metric that has no better side or is not known."""
    return _BETTER_LOW.get(metric.rpartition("/")[2].lower())


_BETTER_LOW: Mapping[str, bool] = {
    **dict.fromkeys(("log_loss", "brier", "mae", "rmse", "median_absolute_error", "calibration_error"), True),
    **dict.fromkeys(("auc", "accuracy", "precision", "recall", "f1", "r2"), False),
}


def _score_figures(found: Figures, truth: Flags, score: Floats | None) -> None:
    scored = np.zeros(len(truth), dtype=np.bool_) if score is None else np.isfinite(score)
    if score is None or not scored.any():
        found.absent.update(dict.fromkeys(("auc", "log_loss", "brier"), "the model gives no probabilities"))
        return
    true, probability = truth[scored], score[scored]
    if true.all() or not true.any():
        found.absent["auc"] = ONE_CLASS
    else:
        found.put("auc", *ranking.auc(true, probability))
    if probability.min() < 0 or probability.max() > 1:
        found.absent.update(dict.fromkeys(("log_loss", "brier"), "the scores are no probabilities"))
        return
    losses = log_losses(true, probability)
    found.put("log_loss", float(losses.mean()), of_mean(losses))
    squares = (probability - true) ** 2
    found.put("brier", float(squares.mean()), of_mean(squares))
    found.put("mean_score", float(probability.mean()))
    found.calibration = calibration(true, probability)
    gaps = [bin_.count * abs(bin_.predicted - bin_.observed) for bin_ in found.calibration]
    found.put("calibration_error", sum(gaps) / len(true))


def log_losses(truth: Flags, probability: Floats) -> Floats:
    """Minus the logarithm of the probability given to what happened; clamped at 1e-15, so that certainty in error is finite."""
    given = np.where(truth, probability, 1 - probability)
    found: Floats = -np.log(np.clip(given, SMALLEST_PROBABILITY, None))
    return found


def _nothing_known(*metrics: str) -> Figures:
    return Figures(absent=dict.fromkeys(metrics, "no outcome is known yet"))
