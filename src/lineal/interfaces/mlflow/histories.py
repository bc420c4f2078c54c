"""The points of metrics, of one run or of several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice, repeat
from operator import floordiv
from typing import Any

import msgspec

from lineal.errors import NotFound
from lineal.interfaces.mlflow.answers import Refusal, number
from lineal.interfaces.mlflow.calls import Call
from lineal.interfaces.mlflow.searching import offset_of, token_of

MOST_POINTS, MOST_OF_RUN, MOST_RUNS = 25_000, 2500, 100
_BEYOND = 1 << 62
_AT_ONCE = 16_384


def metric_history(call: Call) -> Any:
    """The points of a metric, a page of them where one is asked for."""
    key, identifier = call.text("metric_key"), call.run
    most = call.bounded("max_results", None, _BEYOND) if "max_results" in call.words else 0
    offset = offset_of(call.text("page_token", ""))
    try:
        series = call.workspace.runs.series(f"run:{call.workspace.requested.load(identifier).id}", key, points=None)
    except NotFound:  # a run that is not there has no points either
        return {}
    end = offset + most if most else None
    steps, values, times = ([item for one in series for item in getattr(one, name)] for name in ("steps", "values", "times"))
    found: dict[str, Any] = {"metrics": _history(key, values[offset:end], times[offset:end], steps[offset:end])}
    if end is not None and end < len(steps):
        found["next_page_token"] = token_of(end)
    return found


def metric_history_interval(call: Call) -> Any:
    """The points of a metric of several runs, decimated for a chart."""
    key, most, identifiers = call.text("metric_key"), call.bounded("max_results", MOST_OF_RUN, MOST_OF_RUN), call.texts("run_ids")
    if not 0 < len(identifiers) <= MOST_RUNS:
        raise Refusal(f"GetMetricHistoryBulkInterval request must specify 1 to {MOST_RUNS} run_ids. Received {len(identifiers)} run_ids.")
    first, last = _range(call)
    found: list[dict[str, Any]] = []
    for identifier in identifiers:
        found += [point for point in _points_of(call, identifier, key, most) if first <= point["step"] <= last]
    return {"metrics": found} if found else {}


def metric_history_bulk(call: Call) -> Any:
    """The points of a metric of several runs, the earliest first."""
    key, said = call.text("metric_key"), call.words.get("run_id", [])
    identifiers = [said] if isinstance(said, str) else said
    if not 0 < len(identifiers) <= MOST_RUNS:
        raise Refusal(f"GetMetricHistoryBulk request must specify 1 to {MOST_RUNS} run_ids. Received {len(identifiers)} run_ids.")
    most = min(call.whole("max_results", MOST_POINTS), MOST_POINTS)
    found: list[dict[str, Any]] = []
    for identifier in sorted(identifiers):
        points = _points_of(call, identifier, key, None)
        found += sorted(points, key=lambda point: (point["timestamp"], point["step"]))[: most - len(found)]
    return {"metrics": found}


def _history(key: str, values: Sequence[float], times: Sequence[int], steps: Sequence[int]) -> Any:
    """The points as JSON, some thousands at a time: so the objects that they are for a moment are never many."""
    encode = msgspec.json.encode
    finite: Iterable[float | str] = values if all(map(math.isfinite, values)) else map(number, values)
    points = map(_Sample, repeat(key), finite, map(floordiv, times, repeat(1000)), steps)
    pieces = []
    while some := list(islice(points, _AT_ONCE)):
        pieces.append(encode(some)[1:-1])
    return msgspec.Raw(b"[" + b",".join(pieces) + b"]") if pieces else []


class _Sample(msgspec.Struct, gc=False):
    """A point as MLflow has it; ``timestamp`` in milliseconds."""

    key: str
    value: float | str
    timestamp: int
    step: int


def _range(call: Call) -> tuple[int, int]:
    """The first and the last step that are wanted."""
    if ("start_step" in call.words) != ("end_step" in call.words):
        raise Refusal("If either start step or end step are specified, both must be specified.")
    first, last = call.whole("start_step", -_BEYOND), call.whole("end_step", _BEYOND)
    if first > last:
        raise Refusal(f"end_step must be greater than start_step. Found start_step={first} and end_step={last}.")
    return first, last


def _points_of(call: Call, identifier: str, key: str, most: int | None) -> list[dict[str, Any]]:
    """The points of a run's metric, decimated to about ``most``; none of a run that is not there."""
    try:
        run = call.workspace.requested.load(identifier)
        series = call.workspace.runs.series(f"run:{run.id}", key, points=most if most is None else max(2, most))
    except NotFound:
        return []
    points = [point for one in series for point in zip(one.steps, one.values, one.times, strict=True)]
    return [{"key": key, "value": number(value), "timestamp": at // 1000, "step": step, "run_id": run.id} for step, value, at in points]
