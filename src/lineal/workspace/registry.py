"""The model library: versions of models, what they take and give, and what they looked like in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lineal.records.model import Model, ModelVersion
from lineal.workspace.interface import Datasets
from lineal.workspace.site import Site


class LocalModels:
    """`Models` over the ledger and the store."""

    def __init__(self, site: Site, datasets: Datasets) -> None:
        self._site = site
        self._datasets = datasets

    def register(self, run: str, *, name: str, path: str = "", note: str = "") -> ModelVersion:
        """Makes the model that ``run`` wrote the next version of ``name``."""
        raise NotImplementedError

    def list(self) -> Sequence[Model]:
        """Every model, by name."""
        raise NotImplementedError

    def get(self, reference: str) -> ModelVersion:
        """``name@number``, ``name@alias`` or ``name`` for the latest; ``model:`` may stand before it."""
        raise NotImplementedError

    def set_alias(self, reference: str, alias: str) -> ModelVersion:
        """Points the alias at that version, wherever it pointed before."""
        raise NotImplementedError

    def remove_alias(self, name: str, alias: str) -> None:
        """Takes the alias away."""
        raise NotImplementedError

    def export(self, reference: str, folder: Path) -> Path:
        """Writes the model's bundle into ``folder``."""
        raise NotImplementedError
