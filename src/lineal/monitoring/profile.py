"""The reference profile of a model: how its inputs and predictions were distributed in training. Stored with the model, never recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lineal.errors import Integrity, InvalidInput, InvalidState
from lineal.monitoring.bins import describe, observe
from lineal.records.monitor import Distribution

FORMAT = "lineal-profile"
VERSION = 1
PREDICTION = "prediction"
"""The name under which the distribution of predictions goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Bins with counts, per feature and for the predictions.

    Attributes:
        task: ``classification``, ``regression`` or ``other``.
        rows: how many training rows were counted.
        features: by name, in the model's order.
        predictions: of the scores of a binary classifier, the labels of a multiclass one, the values of a regression; None where unknown.
    """

    task: str
    rows: int
    features: Mapping[str, Distribution]
    predictions: Distribution | None = None

    def observe(self, columns: Mapping[str, Any]) -> dict[str, Distribution]:
        """The features of other data in this profile's bins; features it does not know, or that are not given, are left out."""
        return {name: observe(columns[name], bins) for name, bins in self.features.items() if name in columns}

    def encode(self) -> bytes:
        """Canonical bytes: equal profiles have equal bytes. docs/design/formats.md, "Profile"."""
        body = _Body(
            format=FORMAT,
            version=VERSION,
            task=self.task,
            rows=self.rows,
            features=tuple(self.features.values()),
            predictions=self.predictions,
        )
        return msgspec.json.encode(body, order="sorted")

    @classmethod
    def decode(cls, data: bytes) -> Profile:
        """The profile that `encode` wrote.

        Raises:
            Integrity: kind ``damaged-profile``, if the bytes are no profile.
            InvalidState: kind ``newer-format``, if a newer Lineal wrote them.
        """
        _check_version(data)
        try:
            body = msgspec.json.decode(data, type=_Body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _damaged(str(error)) from error
        described = (*body.features, *([body.predictions] if body.predictions else []))
        if any(len(one.labels) != len(one.counts) for one in described):
            raise _damaged("labels and counts differ in number")
        return cls(task=body.task, rows=body.rows, features={one.feature: one for one in body.features}, predictions=body.predictions)


def build_profile(features: Mapping[str, Any], predictions: Any = None, *, task: str) -> Profile:
    """The profile of training data.

    Args:
        features: one-dimensional columns of equal length: arrays, lists with None for missing, columns of data frames.
        predictions: the model's answers to them, in one column: scores of the positive class for a binary classifier, labels for a multiclass
            one, values for a regression; None leaves them out.
        task: ``classification``, ``regression`` or ``other``.

    Raises:
        InvalidInput: kind ``bad-columns``, if the columns differ in length.
    """
    lengths = {name: len(column) for name, column in features.items()}
    if predictions is not None:
        lengths[PREDICTION] = len(predictions)
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise InvalidInput(f"the columns of a profile differ in length ({shown})", kind="bad-columns", hint="Give one value per row in every column.")
    return Profile(
        task=task,
        rows=next(iter(lengths.values()), 0),
        features={name: describe(name, column) for name, column in features.items()},
        predictions=None if predictions is None else describe(PREDICTION, predictions),
    )


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    version: int
    task: str
    rows: int
    features: tuple[Distribution, ...]
    predictions: Distribution | None = None


class _Head(msgspec.Struct, frozen=True):
    format: str
    version: int


def _check_version(data: bytes) -> None:
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _damaged(str(error)) from error
    if head.format != FORMAT:
        raise _damaged(f"its format is {head.format!r}")
    if head.version > VERSION:
        raise InvalidState(
            f"this reference profile has format {head.version}, made by a newer Lineal",
            kind="newer-format",
            hint="Upgrade with: pip install --upgrade lineal",
        )


def _damaged(reason: str) -> Integrity:
    return Integrity(f"a model's reference profile is damaged: {reason}", kind="damaged-profile", hint="See what is left with: lineal fsck")
