"""The rows a model was trained on, as far as its run's record tells: what the reference profile is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineal.errors import LinealError
from lineal.records.digest import Digest
from lineal.records.model import Signature
from lineal.records.run import FileUse, Run
from lineal.serving.examples import read_example, sample_rows
from lineal.serving.signature import example_columns
from lineal.workspace.found_models import FoundModel, model_file
from lineal.workspace.site import Site

LARGEST_TABLE = 2 * 1024**3
_SUFFIXES = frozenset({".csv", ".parquet", ".gz"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """Columns by feature, None for missing, at most 50,000 rows.

    Attributes:
        origin: ``example``, or the path of the table they come from; empty where nothing was found.
    """

    columns: Mapping[str, Sequence[Any]]
    origin: str

    @property
    def found(self) -> bool:
        """Whether there is anything to count."""
        return any(len(values) for values in self.columns.values())


def training_rows(site: Site, run: Run, model: FoundModel, signature: Signature) -> TrainingRows:
    """The example recorded with the model; else the run's input table that has every feature (role ``train`` first, then the largest)."""
    names = [column.name for column in signature.inputs]
    if model.example is not None and site.store.contains(model.example):
        with model_file(site, model.example, "rows.example") as path:
            columns = read_example(path)
        if set(names) <= set(columns):
            return TrainingRows(columns={name: columns[name] for name in names}, origin="example")
    for use in sorted(run.inputs, key=_rank):
        table = _table(site, use, names)
        if table is not None:
            return TrainingRows(columns=table, origin=use.path)
    return TrainingRows(columns={}, origin="")


def _rank(use: FileUse) -> tuple[int, int, int]:
    """Tables that were declared or guessed to be training data first, test data last, then larger ones first."""
    place = {"train": 0, "": 1}.get(use.role, 2)
    guessed = 0 if "train" in Path(use.path).name.lower() else 1
    return (place, guessed, -use.size)


def _table(site: Site, use: FileUse, names: Sequence[str]) -> dict[str, list[Any]] | None:
    """The wanted columns of a table the run read, or None where it is no table, lacks one, or cannot be had."""
    path = Path(use.path)
    if use.digest is None or path.suffix.lower() not in _SUFFIXES or use.size > LARGEST_TABLE or not names:
        return None
    try:
        return _read(site, use.digest, path.name, names)
    except (LinealError, ValueError, OSError, ImportError):
        return None  # not a table that can be read here: no profile of it


def _read(site: Site, digest: Digest, name: str, names: Sequence[str]) -> dict[str, list[Any]] | None:
    import pandas as pd

    if not site.store.contains(digest):
        return None
    with model_file(site, digest, name) as path:
        parquet = path.suffix.lower() == ".parquet"
        table = pd.read_parquet(path, columns=list(names)) if parquet else pd.read_csv(path, usecols=list(names))
    return example_columns(table.iloc[list(sample_rows(len(table)))])
