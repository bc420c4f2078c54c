"""A model in production: the service, what it answered, and what turned out to be true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class DeploymentStatus(StrEnum):
    """Whether the service answers now."""

    STARTING = "starting"
    SERVING = "serving"
    DOWN = "down"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One service of one model version at a time.

    Attributes:
        trial: whether it was only tried: a trial never counts as production and protects nothing.
        model: ``name@number`` served now.
        url: where it answers.
        started_at, stopped_at: microseconds UTC.
        predictions: how many were captured.
        skip_drift: features left out of drift because their distribution moves by construction.
        handle: what the target needs to find it again, such as a process id with its start time.
    """

    id: str
    name: str
    model: str
    model_occurrence: str
    target: str
    url: str
    status: DeploymentStatus
    trial: bool = False
    started_at: int = 0
    stopped_at: int | None = None
    predictions: int = 0
    skip_drift: tuple[str, ...] = ()
    handle: Mapping[str, Any] = field(default_factory=dict)
    occurrence: str = ""
    author: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One captured answer.

    Attributes:
        id: UUIDv7.
        model: ``name@number`` that answered.
        event_at: when the thing happened that was predicted, microseconds UTC.
        recorded_at: when the service answered.
        inputs: by feature name, as they came in after the schema check.
        output: the prediction; for a classifier the label.
        score: probability of the positive class for a binary classifier, else None.
        key: the caller's own name of the row, such as its line in a file, or empty.
        truth: the label that came later, or None.
        truth_at: when the truth was known, or None.
    """

    id: str
    deployment: str
    model: str
    event_at: int
    recorded_at: int
    inputs: Mapping[str, Any]
    output: Any
    score: float | None = None
    truth: Any = None
    truth_at: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthReceipt:
    """What became of a file of true outcomes.

    Attributes:
        accepted: predictions of the file that have their truth now.
        replaced: of these, how many had another before.
        unchanged: of these, how many had the same before.
        unknown: ids that no prediction has; they are reported, and the rest is kept.
        duplicates: rows whose id came again further down; the last counts.
    """

    accepted: int
    replaced: int
    unknown: int
    unknown_examples: tuple[str, ...] = ()
    unchanged: int = 0
    duplicates: int = 0
