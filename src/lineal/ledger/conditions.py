"""A filter of runs as a condition in SQL, so that no run is ever read to be compared in Python."""

from __future__ import annotations

import json
import math
import operator
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, case, false, func, literal, not_, or_, select

from lineal.ledger.patterns import json_text, like_case
from lineal.ledger.schema import HEAD, edges, environments, head, metrics, occurrences, params, runs, tags
from lineal.records.durations import parse_span
from lineal.records.filter import (
    ANY,
    ATTRIBUTES,
    CODE,
    ENVIRONMENT,
    INPUTS,
    LOGGED_INPUTS,
    METRICS,
    PARAMS,
    TAGS,
    Comparison,
    Every,
    Filter,
    Literal,
    Not,
    Some,
    date_us,
    filter_error,
)
from lineal.records.graph import USED
from lineal.records.run import RunStatus

_COMPARE: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LIKES = frozenset({"like", "like case"})
_BOUNDS = frozenset({"=", "<", "<=", ">", ">="})
_VERSIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXTREMES: Mapping[str, ColumnElement[Any]] = {
    "min": metrics.c.minimum,
    "max": metrics.c.maximum,
    "last": metrics.c.last,
    "best_step": metrics.c.best_step,
}
TEXTS: Mapping[str, ColumnElement[Any]] = {
    **{name: runs.c[name] for name in ("id", "name", "status", "experiment", "author", "host", "commit", "mistake", "note", "folder", "parent")},
    "command": runs.c.command,
    "user": runs.c.author,
}
NUMBERS: Mapping[str, ColumnElement[Any]] = {
    **{name: runs.c[name] for name in ("number", "exit_code", "cpu_seconds", "peak_memory_bytes", "attempt")},
    "duration": (runs.c.ended_at - runs.c.started_at) / 1_000_000.0,
}
TIMES: Mapping[str, ColumnElement[Any]] = {
    **dict.fromkeys(("started_at", "started", "start_time", "created_at"), runs.c.started_at),
    **dict.fromkeys(("ended_at", "ended", "end_time"), runs.c.ended_at),
}
ATTRIBUTE_NAMES = frozenset({*TEXTS, *NUMBERS, *TIMES})
"""What may be named without a section, or after ``attributes.``."""


class Compiler:
    """Turns a filter into a condition on the ``runs`` table."""

    def __init__(self, connection: Connection, project_id: str, text: str) -> None:
        self._connection = connection
        self._project_id = project_id
        self._text = text

    def compile(self, wanted: Filter) -> ColumnElement[bool]:
        """The condition, which is never NULL, so that NOT means what it says."""
        match wanted:
            case Every(items=items):
                return and_(*(self.compile(item) for item in items))
            case Some(items=items):
                return or_(*(self.compile(item) for item in items))
            case Not(item=item):
                return not_(self.compile(item))
            case Comparison():
                return self._comparison(wanted)

    def of_metric(self, wanted: Filter | None, key: str) -> list[ColumnElement[bool]]:
        """What a filter asks of the last value of one metric, whatever else it asks: conditions on the ``metrics`` table."""
        items = wanted.items if isinstance(wanted, Every) else () if wanted is None else (wanted,)
        bounds = [item for item in items if isinstance(item, Comparison) and item.operator in _BOUNDS and item.field.section == METRICS]
        return [
            self._metric(item.operator, item.values[0]) for item in bounds if item.field.key == key and math.isfinite(_number(item.values[0]) or 0)
        ]

    def _comparison(self, wanted: Comparison) -> ColumnElement[bool]:
        section, key = wanted.field.section, wanted.field.key
        if section == ATTRIBUTES or (section == ANY and key.lower() in ATTRIBUTE_NAMES):
            return func.coalesce(self._attribute(wanted), false())
        if section == ANY:
            found = [self._having(metrics, wanted), self._having(params, wanted)]
            return or_(*found, self._having(tags, wanted)) if self._fits_text(wanted) else or_(*found)
        facts = {INPUTS: self._input, CODE: self._code, ENVIRONMENT: self._environment, LOGGED_INPUTS: self._logged_input}.get(section)
        if facts is not None:
            return facts(wanted)
        same = self._having({PARAMS: params, METRICS: metrics, TAGS: tags}[section], wanted)
        return or_(same, self._extreme(wanted)) if section == METRICS and key.rpartition(".")[2] in _EXTREMES else same

    def _extreme(self, wanted: Comparison) -> ColumnElement[bool]:
        """``metrics.loss.min`` and the like."""
        stem, _dot, which = wanted.field.key.rpartition(".")
        column = _EXTREMES[which]
        query = select(metrics.c.run_id).where(metrics.c.project_id == self._project_id, metrics.c.key == stem, metrics.c.rank == 0)
        return self._among(query.where(self._plain(column, wanted, self._whole_number)), metrics)

    def _input(self, wanted: Comparison) -> ColumnElement[bool]:
        """What a run used: by dataset version, by digest or the beginning of one, by path."""
        key = wanted.field.key.lower()
        if key not in {"dataset", "name", "digest", "path"}:
            raise filter_error(self._text, wanted.field.column, "an input has a dataset, a digest and a path")
        used = edges.join(occurrences, occurrences.c.id == edges.c.target)
        query = select(edges.c.source.label("run_id")).select_from(used).where(edges.c.project_id == self._project_id, edges.c.relation == USED)
        if key in {"dataset", "name"}:
            query = query.where(occurrences.c.kind == "dataset")
        if wanted.operator != "exists":
            query = query.where(self._any(lambda how, value: self._used(key, how, value), wanted))
        return runs.c.id.in_(query)

    def _used(self, key: str, how: str, value: Literal) -> ColumnElement[bool]:
        column = occurrences.c.digest if key == "digest" else occurrences.c.label
        if how in _LIKES:
            return _like(column, value, how)
        if how not in {"=", "!="}:
            raise filter_error(self._text, value.column, "inputs are compared with =, !=, LIKE and IN")
        same = column.startswith(value.text, autoescape=True) if key == "digest" else column == value.text
        if key in {"dataset", "name"} and "@" not in value.text:
            same = column.startswith(f"{value.text}@", autoescape=True)
        if key == "digest":
            same = or_(same, edges.c.digest.startswith(value.text, autoescape=True))
        return same if how == "=" else not_(same)

    def _logged_input(self, wanted: Comparison) -> ColumnElement[bool]:
        """Name, digest or context of data that MLflow's clients told of, one JSON object in a tag each."""
        column = json_text(case((_logged(tags.c.key), tags.c.value), else_="{}"), wanted.field.key)
        query = select(tags.c.run_id).where(tags.c.project_id == self._project_id, _logged(tags.c.key))
        same = self._any(lambda how, value: _like(column, value, how) if how in _LIKES else _COMPARE[how](column, value.text), wanted)
        return self._among(query.where(same), tags)

    def _code(self, wanted: Comparison) -> ColumnElement[bool]:
        """The version of the code: commit, branch, remote, dirty."""
        key = wanted.field.key.lower()
        if key not in {"commit", "branch", "remote", "dirty"}:
            raise filter_error(self._text, wanted.field.column, "code has a commit, a branch, a remote and dirty")
        if wanted.operator == "exists":
            return runs.c.commit != ""
        return self._any(lambda how, value: self._code_is(key, how, value), wanted)

    def _code_is(self, key: str, how: str, value: Literal) -> ColumnElement[bool]:
        if how in _LIKES and key == "commit":
            return _like(runs.c.commit, value, how)
        if how not in {"=", "!="}:
            raise filter_error(self._text, value.column, "code is compared with = and !=")
        if key == "commit":
            same = _begins(runs.c.commit, value.text)
        else:
            said = json.dumps(value.text) if key != "dirty" else value.text.lower()
            same = runs.c.code.contains(f'"{key}": {said}', autoescape=True)
        return same if how == "=" else not_(same)

    def _environment(self, wanted: Comparison) -> ColumnElement[bool]:
        """Python's or a package's version, ordered as versions are. There are few environments, however many runs."""
        fitting = [digest for digest, packages in self._environments.items() if self._fits(packages.get(wanted.field.key.lower()), wanted)]
        return runs.c.environment.in_(fitting)

    def _fits(self, version: str | None, wanted: Comparison) -> bool:
        if version is None or wanted.operator == "exists":
            return version is not None
        if wanted.operator == "in":
            return any(_as_versions("=", version, value.text) for value in wanted.values)
        if wanted.operator in _LIKES:
            raise filter_error(self._text, wanted.values[0].column, "versions are compared with =, <, > and IN")
        return _as_versions(wanted.operator, version, wanted.values[0].text)

    @cached_property
    def _environments(self) -> Mapping[str, Mapping[str, str]]:
        """Versions by lower-case name, of every environment; Python's own as ``python``."""
        found = {}
        for row in self._connection.execute(select(environments)):
            body = json.loads(row.body)
            versions = {str(name).lower(): str(version) for name, version in body.get("packages", {}).items()}
            found[row.digest] = {**versions, "python": str(body.get("python", ""))}
        return found

    def _having(self, table: Table, wanted: Comparison) -> ColumnElement[bool]:
        query = select(table.c.run_id).where(table.c.project_id == self._project_id, table.c.key == wanted.field.key)
        if table is metrics:
            query = query.where(table.c.rank == 0)
        if wanted.operator != "exists":
            condition = {metrics: self._metric, params: self._param, tags: self._tag}[table]
            query = query.where(self._any(condition, wanted))
        return self._among(query, table)

    def _among(self, query: Select[tuple[str]], _table: Table) -> ColumnElement[bool]:
        """Whether a run is among those of a query: they are all found first, which is best where they are few, or all are counted."""
        return runs.c.id.in_(query)

    def _any(self, condition: Callable[[str, Literal], ColumnElement[bool]], wanted: Comparison) -> ColumnElement[bool]:
        if wanted.operator == "in":
            return or_(*(condition("=", value) for value in wanted.values))
        return condition(wanted.operator, wanted.values[0])

    def _metric(self, how: str, value: Literal) -> ColumnElement[bool]:
        number = _number(value)
        if how in _LIKES or number is None:
            return false()
        if math.isnan(number):
            return metrics.c.last.is_(None) if how == "=" else metrics.c.last.is_not(None) if how == "!=" else false()
        return _compare_number(metrics.c.last, how, number)

    def _param(self, how: str, value: Literal) -> ColumnElement[bool]:
        if how in _LIKES:
            return _like(params.c.text, value, how)
        if value.number is not None and math.isfinite(value.number):
            return _compare_number(params.c.number, how, value.number)
        text = value.text if value.quoted else {"true": "true", "false": "false", "none": "", "null": ""}.get(value.text.lower(), value.text)
        return _compare_text(params.c.text, how, text)

    def _tag(self, how: str, value: Literal) -> ColumnElement[bool]:
        if how in _LIKES:
            return _like(tags.c.value, value, how)
        if how not in {"=", "!="} and value.number is not None:
            raise filter_error(self._text, value.column, "tags are texts; they are not smaller or larger than a number")
        return _compare_text(tags.c.value, how, value.text)

    def _attribute(self, wanted: Comparison) -> ColumnElement[bool]:
        key = wanted.field.key.lower()
        if key in TIMES:
            return self._plain(TIMES[key], wanted, self._time)
        if key in NUMBERS:
            return self._plain(NUMBERS[key], wanted, self._whole_number)
        if key not in TEXTS:
            known = ", ".join(sorted(ATTRIBUTE_NAMES))
            raise filter_error(self._text, wanted.field.column, f"a run has no attribute {wanted.field.key}; there are {known}")
        if wanted.operator == "exists":
            return TEXTS[key] != ""
        return self._any(lambda how, value: self._text_attribute(key, how, value), wanted)

    def _text_attribute(self, key: str, how: str, value: Literal) -> ColumnElement[bool]:
        column = TEXTS[key]
        if how in _LIKES:
            return _like(column, value, how)
        if key == "mistake" and not value.quoted and value.text.lower() in {"true", "false"}:
            return column != "" if (value.text.lower() == "true") == (how == "=") else column == ""
        if key == "status" and value.text not in set(RunStatus):
            raise filter_error(self._text, value.column, f"status is one of {', '.join(RunStatus)}")
        if key == "id" and how == "=" and 4 <= len(value.text) < 32:
            return column.startswith(value.text, autoescape=True)
        return _compare_text(column, how, value.text) if key == "experiment" else _COMPARE[how](column, value.text)

    def _plain(self, column: ColumnElement[Any], wanted: Comparison, read: Callable[[Literal], float]) -> ColumnElement[bool]:
        if wanted.operator == "exists":
            return column.is_not(None)
        if wanted.operator in _LIKES:
            raise filter_error(self._text, wanted.values[0].column, f"{wanted.field.key} is a number; compare it with = or <")
        return self._any(lambda how, value: _COMPARE[how](column, read(value)), wanted)

    def _whole_number(self, value: Literal) -> float:
        number = _number(value) if (span := parse_span(value.text)) is None else span
        if number is None or not math.isfinite(number):
            raise filter_error(self._text, value.column, f"expected a number, found {value.text!r}")
        return number

    def _time(self, value: Literal) -> float:
        found = date_us(value.text)
        back = parse_span(value.text.removeprefix("-")) if value.text.startswith("-") else None
        if back is not None:
            return time.time_ns() // 1000 - int(back * 1_000_000)
        if found is None and value.number is not None and math.isfinite(value.number):
            return int(value.number)
        if found is None:
            raise filter_error(self._text, value.column, f"expected a date such as 2026-03-01 or 2026-03-01T12:00, found {value.text!r}")
        return found

    def _fits_text(self, wanted: Comparison) -> bool:
        return wanted.operator in {"=", "!=", "in", *_LIKES, "exists"} or all(value.number is None for value in wanted.values)


def _compare_text(column: ColumnElement[Any], how: str, text: str) -> ColumnElement[bool]:
    """Equality by the index of the column, which may have beginnings only; what is longer is compared wholly, too."""
    if how != "=":
        return _COMPARE[how](column, text)
    same = head(column) == head(literal(text))
    return same if len(text) < HEAD else and_(same, column == text)


def _begins(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether a hexadecimal name begins so, found by the column's index: every such name lies before the beginning with a letter behind ``f``."""
    begins = column.startswith(text, autoescape=True)
    return and_(column >= text, column < f"{text}g", begins) if text and set(text) <= set("0123456789abcdef") else begins


def _compare_number(column: ColumnElement[Any], how: str, number: float) -> ColumnElement[bool]:
    """What is no number is not equal to one."""
    return or_(column != number, column.is_(None)) if how == "!=" else _COMPARE[how](column, number)


def _like(column: ColumnElement[Any], value: Literal, how: str) -> ColumnElement[bool]:
    """``%`` and ``_`` as in SQL, on either database: with a backslash before what stands for itself, and where case counts without."""
    if how == "like case":
        return like_case(column, value.text)
    return func.lower(column).like(func.lower(value.text), escape="\\")


def _logged(key: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a tag tells of data that MLflow's clients logged."""
    return and_(key >= "lineal.input.", key < "lineal.input/")


def _as_versions(how: str, version: str, other: str) -> bool:
    """Compares versions by their parts; texts that are none only by being the same. Source: PEP 440, by the library ``packaging``."""
    from packaging.version import InvalidVersion, Version

    try:
        return _VERSIONS[how](Version(version), Version(other))
    except InvalidVersion:
        return (version == other) == (how == "=") if how in {"=", "!="} else False


def _number(value: Literal) -> float | None:
    if value.number is not None:
        return value.number
    try:
        return float(value.text)
    except ValueError:
        return None


class RowByRow(Compiler):
    """The same condition, asked of each run by itself."""

    def _among(self, query: Select[tuple[str]], table: Table) -> ColumnElement[bool]:
        return query.where(table.c.run_id == runs.c.id).correlate(runs).exists()
