"""What MLflow's grammar says of runs, in our own: other names, states as MLflow calls them, times in milliseconds, files of data by MLflow's record of them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lineal.interfaces.mlflow.grammar import ATTRIBUTE, DATASET, METRIC, PARAM, TAG, Clause, Searchable, read_clauses, read_orders
from lineal.records.filter import ATTRIBUTES, LOGGED_INPUTS, METRICS, PARAMS, TAGS, Comparison, Every, Field, Filter, Literal, Not
from lineal.records.ids import RUN_ID
from lineal.records.run import RunStatus

STATUSES: Mapping[RunStatus, str] = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.FINISHED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.STOPPED: "KILLED",
    RunStatus.CRASHED: "FAILED",
}
_TEXTS = {
    "run_id": "id",
    "run_name": "name",
    **dict.fromkeys(("run name", "Run name", "Run Name"), "name"),
    "user_id": "author",
    "status": "status",
}
_NUMBERS = {"start_time": "started_at", **dict.fromkeys(("created", "Created"), "started_at"), "end_time": "ended_at"}
RUNS = Searchable(
    sections={
        **dict.fromkeys(("metric", "metrics"), METRIC),
        **dict.fromkeys(("parameter", "parameters", "param", "params"), PARAM),
        **dict.fromkeys(("tag", "tags"), TAG),
        **dict.fromkeys(("attribute", "attributes", "attr", "run"), ATTRIBUTE),
        **dict.fromkeys(("dataset", "datasets"), DATASET),
    },
    texts=_TEXTS,
    numbers=_NUMBERS,
    lists=frozenset({"id"}),
    orders={key: name for key, name in {**_TEXTS, **_NUMBERS}.items() if " " not in key},
    nulls=frozenset({PARAM, TAG}),
)
_SECTIONS = {METRIC: METRICS, PARAM: PARAMS, TAG: TAGS, ATTRIBUTE: ATTRIBUTES, DATASET: LOGGED_INPUTS}
_OPERATORS = {"LIKE": "like case", "ILIKE": "like", "IN": "in", "NOT IN": "in"}
_NOBODY = Literal(text="0" * 32, quoted=True)
_FURTHEST = 8_000_000_000_000
"""Milliseconds: 253 years from the beginning of the count; what lies beyond is as far away."""


def read_filter(text: str) -> Filter | None:
    """A filter of ours that means the same. Raises `Refusal`."""
    clauses = read_clauses(text, RUNS)
    return Every(items=tuple(_meant(clause) for clause in clauses)) if clauses else None


def read_order(texts: Sequence[Any]) -> str:
    """An order of ours that means the same. Raises `Refusal`.

    >>> read_order(["metrics.`a b` DESC", "start_time"])
    'metrics.`a b` desc, attributes.`started_at` asc'
    """
    found = []
    for section, key, descending in read_orders(texts, RUNS):
        found.append(f"{_SECTIONS[section]}.`{key}` {'desc' if descending else 'asc'}")
    return ", ".join(found)


def compares(how: str, value: Any, other: Any) -> bool:
    """Whether a comparison of MLflow's holds, of two texts or two numbers."""
    return _COMPARE[how](value, other)


def _meant(clause: Clause) -> Filter:
    if clause.section == ATTRIBUTE and clause.key == "status":
        return _of_status(clause)
    field = Field(section=_SECTIONS[clause.section], key=clause.key)
    if clause.how in {"IS NULL", "IS NOT NULL"}:
        exists = Comparison(field=field, operator="exists")
        return Not(item=exists) if clause.how == "IS NULL" else exists
    values = clause.value if isinstance(clause.value, list) else [clause.value]
    literals = tuple(_literal(clause, value) for value in values)
    found = Comparison(field=field, operator=_OPERATORS.get(clause.how, clause.how), values=literals)
    return Not(item=found) if clause.how == "NOT IN" else found


def _literal(clause: Clause, value: float | str) -> Literal:
    if clause.section == ATTRIBUTE and clause.key in {"started_at", "ended_at"}:
        return Literal(text=_moment(float(value)))
    if isinstance(value, float):
        return Literal(text=str(value), number=value)
    if clause.section == ATTRIBUTE and clause.key == "id" and clause.how not in {"LIKE", "ILIKE"} and not RUN_ID.match(value):
        return _NOBODY  # the beginning of an id means no run here
    return Literal(text=value.replace("\\", "\\\\") if clause.how == "ILIKE" else value, quoted=True)


def _of_status(clause: Clause) -> Filter:
    """The states of ours whose names at MLflow fit."""
    fitting = [status for status, name in STATUSES.items() if compares(clause.how, name, clause.value)]
    if not fitting:
        return Comparison(field=Field(section=ATTRIBUTES, key="id"), operator="=", values=(_NOBODY,))
    literals = tuple(Literal(text=status.value, quoted=True) for status in fitting)
    return Comparison(field=Field(section=ATTRIBUTES, key="status"), operator="in", values=literals)


def _moment(milliseconds: float) -> str:
    bounded = max(-_FURTHEST, min(_FURTHEST, milliseconds))
    at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=bounded)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _like(value: str, pattern: str, flags: int = 0) -> bool:
    parts = (".*" if letter == "%" else "." if letter == "_" else re.escape(letter) for letter in pattern)
    return re.fullmatch("".join(parts), value, flags | re.DOTALL) is not None


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, other: bool(value == other),
    "!=": lambda value, other: bool(value != other),
    "<": lambda value, other: bool(value < other),
    "<=": lambda value, other: bool(value <= other),
    ">": lambda value, other: bool(value > other),
    ">=": lambda value, other: bool(value >= other),
    "LIKE": _like,
    "ILIKE": lambda value, other: _like(value, other, re.IGNORECASE),
    "IN": lambda value, other: value in other,
    "NOT IN": lambda value, other: value not in other,
}
