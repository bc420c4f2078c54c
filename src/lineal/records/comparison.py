"""Runs side by side: what differs, and what is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lineal.records.resources import is_resource
from lineal.records.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A table of what the runs have, one column per run in the order given.

    Attributes:
        params, metrics, environment, inputs, code: per key, one value per run; None where a run has none.
        differing: the keys, by section, whose values are not all the same.
    """

    runs: tuple[Run, ...]
    params: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    metrics: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    environment: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    inputs: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    code: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    differing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def compare_runs(runs: tuple[Run, ...]) -> Comparison:
    """The comparison of two or more runs."""
    sections: dict[str, dict[str, tuple[Any, ...]]] = {
        "params": _columns([{key: param.value for key, param in run.params.items()} for run in runs]),
        "metrics": _columns([{key: metric.last for key, metric in run.metrics.items() if not is_resource(key)} for run in runs]),
        "environment": _columns([_environment(run) for run in runs]),
        "inputs": _columns([{use.path: use.digest for use in run.inputs} for run in runs]),
        "code": _columns([_code(run) for run in runs]),
    }
    differing = {
        section: tuple(key for key, values in rows.items() if any(value != values[0] for value in values[1:])) for section, rows in sections.items()
    }
    return Comparison(runs=runs, differing=differing, **sections)


def _columns(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: tuple(row.get(key) for row in rows) for key in keys}


def _environment(run: Run) -> dict[str, Any]:
    environment = run.environment
    facts = {"python": environment.python, "platform": environment.platform, "cpu": environment.cpu, "gpus": ", ".join(environment.gpus)}
    return {**{key: value for key, value in facts.items() if value}, **environment.packages}


def _code(run: Run) -> dict[str, Any]:
    return {"commit": run.code.commit, "diff": run.code.diff, **run.code.files}
