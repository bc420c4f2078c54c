"""An order of runs as what is read one behind the other: the runs that have a metric along its index, then those that lack it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Subquery, Table, and_, not_, select, true

from lineal.errors import InvalidInput
from lineal.ledger.conditions import ATTRIBUTE_NAMES, NUMBERS, TEXTS, TIMES
from lineal.ledger.keyset import Key
from lineal.ledger.schema import head, metrics, params, runs, tags
from lineal.records.filter import ANY, ATTRIBUTES, METRICS, PARAMS, TAGS, Field, Order

_TABLES: Mapping[str, Table] = {METRICS: metrics, PARAMS: params, TAGS: tags}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Runs in an order.

    Attributes:
        source: what is read: the ``runs`` table, or one whose rows belong to runs.
        id: where the source has the run's id.
        keys: what orders them; together they are unique.
        walks: whether an index has them in that order.
    """

    source: Table
    id: ColumnElement[str]
    keys: tuple[Key, ...]
    condition: ColumnElement[bool]
    joined: FromClause
    walks: bool

    @property
    def query(self) -> Select[Any]:
        """Selects the id and the keys."""
        return select(self.id, *(key.column.label(f"key{place}") for place, key in enumerate(self.keys))).select_from(self.joined)

    @property
    def terms(self) -> list[ColumnElement[Any]]:
        """What orders the query."""
        return [key.term for key in self.keys]

    def terms_of(self, part: Subquery) -> list[ColumnElement[Any]]:
        """What orders a part of the query in the same way."""
        return [Key(column=part.c[place], descending=key.descending, always=key.always).term for place, key in enumerate(self.keys, 1)]


def stages(project_id: str, order: Sequence[Order], *, bounds: Sequence[ColumnElement[bool]] = ()) -> list[Stage]:
    """What is read, one behind the other, for an order whose names have their sections.

    Args:
        bounds: conditions on the ``metrics`` table that hold for the one metric that orders.
    """
    if len(order) == 1 and order[0].field.section != ATTRIBUTES:
        return _along(project_id, order[0], bounds)
    keys = _by_number_or_time(order)
    if keys is not None:
        return [_of_runs(keys, walks=True)]
    source: FromClause = runs
    columns: list[Key] = []
    for each in order:
        source, found = _column(source, project_id, each.field)
        columns += [Key(column=column, descending=each.descending) for column in found]
    return [_of_runs((*columns, *_newest_first()), walks=False, joined=source)]


def known_section(connection: Connection, project_id: str, order: Order) -> Order:
    """The order with its section: of a bare name an attribute's, else the first of metrics, params and tags that any run has.

    Raises:
        InvalidInput: kind ``bad-order``.
    """
    field = order.field
    if field.section not in {ANY, ATTRIBUTES, *_TABLES}:
        raise InvalidInput(f"cannot order by {field.section}.{field.key}", kind="bad-order", hint="Order by a metric, parameter, tag or attribute.")
    if field.section == ATTRIBUTES and field.key.lower() not in ATTRIBUTE_NAMES:
        known = ", ".join(sorted(ATTRIBUTE_NAMES))
        raise InvalidInput(f"cannot order by {field.key}: a run has no such attribute", kind="bad-order", hint=f"There are {known}.")
    if field.section != ANY:
        return order
    section = ATTRIBUTES if field.key.lower() in ATTRIBUTE_NAMES else _holding(connection, project_id, field.key)
    return Order(field=Field(section=section, key=field.key, column=field.column), descending=order.descending)


def _holding(connection: Connection, project_id: str, key: str) -> str:
    for name, table in _TABLES.items():
        query = select(table.c.run_id).where(table.c.project_id == project_id, table.c.key == key).limit(1)
        if connection.execute(query).first() is not None:
            return name
    return METRICS


def _along(project_id: str, order: Order, bounds: Sequence[ColumnElement[bool]]) -> list[Stage]:
    """Along the index of a metric, parameter or tag: numbers, then texts or what is not a number, then the runs without it, the newest first."""
    table, down = _TABLES[order.field.section], order.descending
    parts: list[tuple[ColumnElement[Any], ColumnElement[bool]]]
    of_key = and_(table.c.project_id == project_id, table.c.key == order.field.key)
    if table is metrics:
        of_key = and_(of_key, table.c.rank == 0, *bounds)
        parts = [(table.c.last, and_(of_key, table.c.last.is_not(None)))]
    elif table is params:
        parts = [(table.c.number, and_(of_key, table.c.number.is_not(None))), (head(table.c.text), and_(of_key, table.c.number.is_(None)))]
    else:
        parts = [(head(table.c.value), of_key)]
    found = [
        Stage(
            source=table,
            id=table.c.run_id,
            keys=(Key(column=column, descending=down, always=True), Key(column=table.c.run_id, always=True)),
            condition=condition,
            joined=table,
            walks=True,
        )
        for column, condition in parts
    ]
    if bounds:
        return found
    if table is metrics:
        found.append(_undefined(of_key))
    lacks = not_(select(table.c.run_id).where(table.c.run_id == runs.c.id, of_key).correlate(runs).exists())
    return [*found, _of_runs(_newest_first(), walks=True, condition=lacks)]


def _undefined(of_key: ColumnElement[bool]) -> Stage:
    """The runs in which a metric is not a number."""
    keys, condition = (Key(column=metrics.c.run_id, always=True),), and_(of_key, metrics.c.last.is_(None))
    return Stage(source=metrics, id=metrics.c.run_id, keys=keys, condition=condition, joined=metrics, walks=True)


def _of_runs(keys: tuple[Key, ...], *, walks: bool, condition: ColumnElement[bool] | None = None, joined: FromClause = runs) -> Stage:
    return Stage(source=runs, id=runs.c.id, keys=keys, condition=true() if condition is None else condition, joined=joined, walks=walks)


def _by_number_or_time(order: Sequence[Order]) -> tuple[Key, ...] | None:
    """The keys of orders that an index of the runs has."""
    if not order:
        return _newest_first()
    if len(order) > 1 or order[0].field.section != ATTRIBUTES:
        return None
    column, down = TIMES.get(order[0].field.key.lower()), order[0].descending
    if column is runs.c.started_at:
        return tuple(Key(column=each, descending=down, always=True) for each in (runs.c.started_at, runs.c.number))
    return (Key(column=runs.c.number, descending=down, always=True),) if order[0].field.key.lower() == "number" else None


def _column(source: FromClause, project_id: str, field: Field) -> tuple[FromClause, list[ColumnElement[Any]]]:
    if field.section == ATTRIBUTES:
        return source, [{**TEXTS, **NUMBERS, **TIMES}[field.key.lower()]]
    table = _TABLES[field.section].alias()
    here = and_(table.c.run_id == runs.c.id, table.c.project_id == project_id, table.c.key == field.key)
    if field.section == METRICS:
        return source.outerjoin(table, and_(here, table.c.rank == 0)), [table.c.last]
    columns: list[ColumnElement[Any]] = [table.c.number, table.c.text] if field.section == PARAMS else [table.c.value]
    return source.outerjoin(table, here), columns


def _newest_first() -> tuple[Key, ...]:
    return Key(column=runs.c.started_at, descending=True, always=True), Key(column=runs.c.number, descending=True, always=True)
