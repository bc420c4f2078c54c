"""Model formats that are safe to load: one file per brand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lineal.records.model import SavedModel


def save_model(estimator: Any, example: Any, folder: Path) -> SavedModel:
    """Writes ``estimator`` into ``folder`` in a safe format, with its signature and (a sample of) the example rows.

    Raises:
        InvalidInput: kind ``unsupported-model``, if no safe format takes it.
        Unavailable: kind ``missing-extra``, if the format's library is not installed.
    """
    raise NotImplementedError
