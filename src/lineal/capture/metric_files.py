"""Metrics that a script wrote to a file of its own: numbers in an output called ``metrics.json`` become the run's summaries."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

NAME = b"metrics.json"
LARGEST = 1024 * 1024


def read_metric_files(paths: Iterable[bytes]) -> dict[str, float]:
    """The numbers in every ``metrics.json`` among ``paths``, nested names joined by ``/``; a file that is not JSON gives none."""
    found: dict[str, float] = {}
    for path in paths:
        if os.path.basename(path) == NAME:
            found.update(_numbers("", _parsed(path)))
    return found


def _parsed(path: bytes) -> Any:
    try:
        with open(path, "rb") as file:
            return json.loads(file.read(LARGEST))
    except (OSError, ValueError):
        return None


def _numbers(prefix: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(f"{prefix}/{key}" if prefix else str(key), inner)
    elif isinstance(value, int | float) and not isinstance(value, bool) and prefix and (isinstance(value, float) or abs(value) < 1 << 53):
        number = float(value)
        yield prefix, number if math.isfinite(number) else math.nan
