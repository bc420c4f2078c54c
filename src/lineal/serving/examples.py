"""Example rows beside a model file: what the reference profile is built from when the model is registered."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from lineal.errors import Integrity
from lineal.records.model import Signature
from lineal.serving.columns import decode_columns, encode_columns
from lineal.serving.signature import example_columns

MOST_ROWS = 50_000
SUFFIX = ".example"
_MAGIC = b"LNLX\x01"


def write_example(model: Path, example: Any, signature: Signature) -> Path:
    """Writes the example's columns that the signature names, at most `MOST_ROWS` rows drawn with a fixed seed, beside ``model``."""
    found = example_columns(example, [column.name for column in signature.inputs])
    rows = min((len(values) for values in found.values()), default=0)
    kept = sample_rows(rows)
    columns = {column.name: [found[column.name][row] for row in kept] for column in signature.inputs if column.name in found}
    path = model.with_name(model.name + SUFFIX)
    path.write_bytes(_MAGIC + encode_columns(columns))
    return path


def read_example(path: Path) -> dict[str, list[Any]]:
    """The columns of an example file, None for missing.

    Raises:
        Integrity: kind ``damaged-model``, if it is no whole example file.
    """
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        raise Integrity(f"the example {path.name} is damaged: its head is not an example's", kind="damaged-model")
    try:
        return {name: _listed(values) for name, values in decode_columns(data[len(_MAGIC) :]).items()}
    except (ValueError, msgspec.DecodeError, zstandard.ZstdError, KeyError) as error:
        raise Integrity(f"the example {path.name} is damaged: {error}", kind="damaged-model") from error


def sample_rows(rows: int) -> Sequence[int]:
    """All row numbers, or `MOST_ROWS` of them in order, always the same ones."""
    if rows <= MOST_ROWS:
        return range(rows)
    return sorted(random.Random(0).sample(range(rows), MOST_ROWS))  # noqa: S311 - a sample that is the same every time


def _listed(values: Any) -> list[Any]:
    return [None if isinstance(value, float) and value != value else value for value in values.tolist()]  # noqa: PLR0124 - NaN
