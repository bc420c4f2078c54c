"""Models in the library, and the signature that says what a model takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lineal.records.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One input or output of a model.

    Attributes:
        type: ``float``, ``int``, ``bool``, ``string`` or ``tensor``.
        required: whether a request without it is refused; otherwise missing values are passed to the model.
        categories: the values seen in training, where the model knows a closed set.
    """

    name: str
    type: str
    required: bool = True
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a model takes and gives.

    Attributes:
        task: ``classification``, ``regression`` or ``other``.
        classes: labels in the order of the probabilities, for a classifier.
        origin: ``example`` (from the data given), ``estimator`` (read from the fitted model) or ``declared``.
    """

    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    task: str = "other"
    classes: tuple[Any, ...] = ()
    origin: str = "declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """What `run.model(name, estimator, example=...)` wrote.

    Attributes:
        path: the model file; its name ends in the format's own suffix.
        format: the serving format's name.
        example: file with (a sample of) the example rows in columns, for the reference profile, or None.
    """

    path: Path
    format: str
    signature: Signature
    example: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that was written."""
        return (self.path,) if self.example is None else (self.path, self.example)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One immutable version of a named model.

    Attributes:
        run: id of the run that made it.
        digest: content id of the model file, or the tree root of its folder.
        format: the serving format's name, such as ``skops`` or ``onnx``.
        profile: content id of the reference profile (distributions of inputs and predictions in training), or None.
        ever_deployed: whether any deployment that was no trial ever served it; never goes back to False.
    """

    name: str
    number: int
    run: str
    path: str
    digest: Digest
    size: int
    format: str
    signature: Signature
    aliases: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    profile: Digest | None = None
    author: str = ""
    created_at: int = 0
    note: str = ""
    occurrence: str = ""
    ever_deployed: bool = False
    deleted_at: int | None = None

    @property
    def reference(self) -> str:
        """``name@number``."""
        return f"{self.name}@{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A named line of model versions; ``latest`` and aliases point into it."""

    name: str
    versions: tuple[ModelVersion, ...]

    @property
    def latest(self) -> ModelVersion:
        """The version with the highest number."""
        return self.versions[-1]
