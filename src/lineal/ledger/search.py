"""Finds runs: a filter and an order become indexed SQL; no run is ever read to be compared or sorted in Python."""

from __future__ import annotations

import json
import math
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, and_, false, func, not_, or_, select, true

from lineal.errors import InvalidInput
from lineal.ledger.schema import edges, environments, metrics, occurrences, params, runs, tags
from lineal.records.durations import parse_span
from lineal.records.filter import (
    ANY,
    ATTRIBUTES,
    CODE,
    ENVIRONMENT,
    INPUTS,
    METRICS,
    PARAMS,
    TAGS,
    Comparison,
    Every,
    Field,
    Filter,
    Literal,
    Not,
    Order,
    Some,
    date_us,
    filter_error,
    names_attribute,
    parse_filter,
    parse_order,
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
_TEXTS: Mapping[str, ColumnElement[Any]] = {
    **{name: runs.c[name] for name in ("id", "name", "status", "experiment", "author", "host", "commit", "mistake", "note", "folder", "parent")},
    "command": runs.c.command,
    "user": runs.c.author,
}
_NUMBERS: Mapping[str, ColumnElement[Any]] = {
    **{name: runs.c[name] for name in ("number", "exit_code", "cpu_seconds", "peak_memory_bytes", "attempt")},
    "duration": (runs.c.ended_at - runs.c.started_at) / 1_000_000.0,
}
_TIMES: Mapping[str, ColumnElement[Any]] = {
    **dict.fromkeys(("started_at", "started", "start_time", "created_at"), runs.c.started_at),
    **dict.fromkeys(("ended_at", "ended", "end_time"), runs.c.ended_at),
}
ATTRIBUTE_NAMES = frozenset({*_TEXTS, *_NUMBERS, *_TIMES})
"""What may be named without a section, or after ``attributes.``."""


ACTIVE, DELETED, EVERY = "active", "deleted", "all"
_LIVES: Mapping[str, Sequence[ColumnElement[bool]]] = {ACTIVE: (runs.c.deleted_at.is_(None),), DELETED: (runs.c.deleted_at.is_not(None),), EVERY: ()}


def matching(
    connection: Connection,
    project_id: str,
    where: str,
    *,
    order: str,
    limit: int,
    offset: int,
    life: str = ACTIVE,
    experiments: Sequence[str] | None = None,
) -> tuple[list[str], int]:
    """Ids of a page of the runs that match, in order, and how many match in all.

    Args:
        life: `ACTIVE`, `DELETED` or `EVERY`.
        experiments: only runs of these.

    Raises:
        InvalidInput: kind ``bad-filter`` or ``bad-order``.
    """
    wanted = parse_filter(where)
    live = [runs.c.project_id == project_id, *_LIVES[life]]
    if experiments is not None:
        live.append(runs.c.experiment.in_(experiments))
    if not names_attribute(wanted, "mistake"):
        live.append(runs.c.mistake == "")
    found = [] if wanted is None else [_Compiler(connection, project_id, where).compile(wanted)]
    matches = and_(*live, *found)
    total = connection.execute(select(func.count()).select_from(runs).where(matches)).scalar_one()
    keys = [_known_section(connection, project_id, key) for key in parse_order(order)]
    if len(keys) == 1 and keys[0].field.section == METRICS:
        if wanted is not None and total > _MANY:
            matches = and_(*live, _RowByRow(connection, project_id, where).compile(wanted))
        return _by_metric(connection, project_id, matches, keys[0], limit=limit, offset=offset), total
    query = _ordered(project_id, matches, keys).limit(limit).offset(offset)
    return [row.id for row in connection.execute(query)], total


_MANY = 1000
"""So many matches that walking an index and asking of each run whether it matches finds a page of them soon."""


class _Compiler:
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

    def _comparison(self, wanted: Comparison) -> ColumnElement[bool]:
        section, key = wanted.field.section, wanted.field.key
        if section == ATTRIBUTES or (section == ANY and key.lower() in ATTRIBUTE_NAMES):
            return func.coalesce(self._attribute(wanted), false())
        if section == ANY:
            found = [self._having(metrics, wanted), self._having(params, wanted)]
            return or_(*found, self._having(tags, wanted)) if self._fits_text(wanted) else or_(*found)
        facts = {INPUTS: self._input, CODE: self._code, ENVIRONMENT: self._environment}.get(section)
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
        if how == "like":
            return _like(column, value)
        if how not in {"=", "!="}:
            raise filter_error(self._text, value.column, "inputs are compared with =, !=, LIKE and IN")
        same = column.startswith(value.text, autoescape=True) if key == "digest" else column == value.text
        if key in {"dataset", "name"} and "@" not in value.text:
            same = column.startswith(f"{value.text}@", autoescape=True)
        if key == "digest":
            same = or_(same, edges.c.digest.startswith(value.text, autoescape=True))
        return same if how == "=" else not_(same)

    def _code(self, wanted: Comparison) -> ColumnElement[bool]:
        """The version of the code: commit, branch, remote, dirty."""
        key = wanted.field.key.lower()
        if key not in {"commit", "branch", "remote", "dirty"}:
            raise filter_error(self._text, wanted.field.column, "code has a commit, a branch, a remote and dirty")
        if wanted.operator == "exists":
            return runs.c.commit != ""
        return self._any(lambda how, value: self._code_is(key, how, value), wanted)

    def _code_is(self, key: str, how: str, value: Literal) -> ColumnElement[bool]:
        if how == "like" and key == "commit":
            return _like(runs.c.commit, value)
        if how not in {"=", "!="}:
            raise filter_error(self._text, value.column, "code is compared with = and !=")
        if key == "commit":
            same = runs.c.commit.startswith(value.text, autoescape=True)
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
        if wanted.operator == "like":
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
        if how == "like" or number is None:
            return false()
        if math.isnan(number):
            return metrics.c.last.is_(None) if how == "=" else metrics.c.last.is_not(None) if how == "!=" else false()
        return func.coalesce(_COMPARE[how](metrics.c.last, number), true() if how == "!=" else false())

    def _param(self, how: str, value: Literal) -> ColumnElement[bool]:
        if how == "like":
            return _like(params.c.text, value)
        if value.number is not None and math.isfinite(value.number):
            return func.coalesce(_COMPARE[how](params.c.number, value.number), true() if how == "!=" else false())
        text = value.text if value.quoted else {"true": "true", "false": "false", "none": "", "null": ""}.get(value.text.lower(), value.text)
        return _COMPARE[how](params.c.text, text)

    def _tag(self, how: str, value: Literal) -> ColumnElement[bool]:
        if how == "like":
            return _like(tags.c.value, value)
        if how not in {"=", "!="} and value.number is not None:
            raise filter_error(self._text, value.column, "tags are texts; they are not smaller or larger than a number")
        return _COMPARE[how](tags.c.value, value.text)

    def _attribute(self, wanted: Comparison) -> ColumnElement[bool]:
        key = wanted.field.key.lower()
        if key in _TIMES:
            return self._plain(_TIMES[key], wanted, self._time)
        if key in _NUMBERS:
            return self._plain(_NUMBERS[key], wanted, self._whole_number)
        if key not in _TEXTS:
            known = ", ".join(sorted(ATTRIBUTE_NAMES))
            raise filter_error(self._text, wanted.field.column, f"a run has no attribute {wanted.field.key}; there are {known}")
        if wanted.operator == "exists":
            return _TEXTS[key] != ""
        return self._any(lambda how, value: self._text_attribute(key, how, value), wanted)

    def _text_attribute(self, key: str, how: str, value: Literal) -> ColumnElement[bool]:
        column = _TEXTS[key]
        if how == "like":
            return _like(column, value)
        if key == "mistake" and not value.quoted and value.text.lower() in {"true", "false"}:
            return column != "" if (value.text.lower() == "true") == (how == "=") else column == ""
        if key == "status" and value.text not in set(RunStatus):
            raise filter_error(self._text, value.column, f"status is one of {', '.join(RunStatus)}")
        if key == "id" and how == "=" and 4 <= len(value.text) < 32:
            return column.startswith(value.text, autoescape=True)
        return _COMPARE[how](column, value.text)

    def _plain(self, column: ColumnElement[Any], wanted: Comparison, read: Callable[[Literal], float]) -> ColumnElement[bool]:
        if wanted.operator == "exists":
            return column.is_not(None)
        if wanted.operator == "like":
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
        return wanted.operator in {"=", "!=", "in", "like", "exists"} or all(value.number is None for value in wanted.values)


def _like(column: ColumnElement[Any], value: Literal) -> ColumnElement[bool]:
    """``%`` and ``_`` as in SQL, with a backslash before what stands for itself; case does not count, on either database."""
    return func.lower(column).like(func.lower(value.text), escape="\\")


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


class _RowByRow(_Compiler):
    """The same condition, asked of each run by itself."""

    def _among(self, query: Select[tuple[str]], table: Table) -> ColumnElement[bool]:
        return query.where(table.c.run_id == runs.c.id).correlate(runs).exists()


def _known_section(connection: Connection, project_id: str, order: Order) -> Order:
    """The order with its section: of a bare name an attribute's, else the first of metrics, params and tags that any run has."""
    field = order.field
    if field.section == ATTRIBUTES and field.key.lower() not in ATTRIBUTE_NAMES:
        known = ", ".join(sorted(ATTRIBUTE_NAMES))
        raise InvalidInput(f"cannot order by {field.key}: a run has no such attribute", kind="bad-order", hint=f"There are {known}.")
    if field.section != ANY:
        return order
    section = METRICS
    if field.key.lower() in ATTRIBUTE_NAMES:
        section = ATTRIBUTES
    else:
        for name, table in ((METRICS, metrics), (PARAMS, params), (TAGS, tags)):
            query = select(table.c.run_id).where(table.c.project_id == project_id, table.c.key == field.key).limit(1)
            if connection.execute(query).first() is not None:
                section = name
                break
    return Order(field=Field(section=section, key=field.key, column=field.column), descending=order.descending)


def _by_metric(connection: Connection, project_id: str, matches: ColumnElement[bool], order: Order, *, limit: int, offset: int) -> list[str]:
    """A page ordered by one metric, read along its index; runs without it come last, the newest first."""
    has = (metrics.c.project_id == project_id, metrics.c.key == order.field.key, metrics.c.rank == 0, metrics.c.last.is_not(None))
    column = metrics.c.last.desc() if order.descending else metrics.c.last
    joined = metrics.join(runs, runs.c.id == metrics.c.run_id)
    query = select(metrics.c.run_id).select_from(joined).where(*has, matches).order_by(column, metrics.c.run_id)
    found = list(connection.execute(query.limit(limit).offset(offset)).scalars())
    if len(found) == limit:
        return found
    before = offset + len(found)
    if not found and offset:
        before = connection.execute(select(func.count()).select_from(joined).where(*has, matches)).scalar_one()
    lacking = select(runs.c.id).where(matches, runs.c.id.not_in(select(metrics.c.run_id).where(*has)))
    rest = lacking.order_by(*_newest_first()).limit(limit - len(found)).offset(max(0, offset - before))
    return found + list(connection.execute(rest).scalars())


def _ordered(project_id: str, matches: ColumnElement[bool], keys: list[Order]) -> Select[tuple[str]]:
    source: FromClause = runs
    terms: list[ColumnElement[Any]] = []
    for key in keys:
        source, columns = _column(source, project_id, key.field)
        terms.extend((column.desc() if key.descending else column.asc()).nulls_last() for column in columns)
    return select(runs.c.id).select_from(source).where(matches).order_by(*terms, *_newest_first())


def _column(source: FromClause, project_id: str, field: Field) -> tuple[FromClause, list[ColumnElement[Any]]]:
    if field.section == ATTRIBUTES:
        return source, [{**_TEXTS, **_NUMBERS, **_TIMES}[field.key.lower()]]
    table = {METRICS: metrics, PARAMS: params, TAGS: tags}[field.section].alias()
    here = and_(table.c.run_id == runs.c.id, table.c.project_id == project_id, table.c.key == field.key)
    if field.section == METRICS:
        return source.outerjoin(table, and_(here, table.c.rank == 0)), [table.c.last]
    columns: list[ColumnElement[Any]] = [table.c.number, table.c.text] if field.section == PARAMS else [table.c.value]
    return source.outerjoin(table, here), columns


def _newest_first() -> tuple[ColumnElement[Any], ...]:
    return runs.c.started_at.desc(), runs.c.number.desc()
