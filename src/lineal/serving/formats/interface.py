"""What every model format gives: safe loading, answers in columns, saving, and a digest free of the container's own noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lineal.records.digest import Digest
from lineal.records.model import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model says to a batch, row by row.

    Attributes:
        output: labels of a classifier or numbers, as Python's own types.
        score: probability of the second class of a binary classifier, or None.
    """

    output: Sequence[Any]
    score: Sequence[float] | None = None


class Predictor(Protocol):
    """A loaded model. Not thread safe: one caller at a time."""

    @property
    def signature(self) -> Signature:
        """What the model itself knows of its inputs and outputs."""

    def predict(self, columns: Mapping[str, Sequence[Any]]) -> Answers:
        """Answers for rows given in columns of equal length, one per input of the signature; missing values are None.

        Raises:
            InvalidInput: kind ``model-refused``, if the model cannot take these values.
        """


class Format(Protocol):
    """One way to keep a model in a file that runs no code when it is loaded."""

    @property
    def name(self) -> str:
        """Such as ``skops``."""

    @property
    def suffix(self) -> str:
        """Such as ``.skops``."""

    def detect(self, path: Path) -> bool:
        """Whether the file's content is of this format; never loads it."""

    def load(self, path: Path, signature: Signature | None = None) -> Predictor:
        """The model, loaded without running code that the file brings along.

        Args:
            signature: what is known of its inputs, where that is more than the file says.

        Raises:
            PermissionDenied: kind ``untrusted-model``, if the file names types outside the fixed policy.
            Integrity: kind ``damaged-model``, if the file cannot be read as what it is.
            Unavailable: kind ``missing-extra``, if the format's library is not installed.
        """

    def takes(self, estimator: Any) -> bool:
        """Whether this format can keep ``estimator``; imports nothing that is not loaded yet."""

    def save(self, estimator: Any, path: Path) -> None:
        """Writes ``estimator``."""

    def canonical_digest(self, data: bytes) -> Digest:
        """A digest that two saves of equal models share: time stamps and memory addresses of the container are left out."""
