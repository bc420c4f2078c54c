"""Finds runs: a filter and an order become indexed SQL; no run is ever read to be compared or sorted in Python.

A page is found in one of two ways. *Walking* reads an index in the order that is asked for and asks of each run whether it matches: soon done where
many match. *Gathering* finds all that match first and orders them then: soon done where few do. Which it will be nobody knows beforehand, so a search
walks a little, gathers where all that match are few, walks a little more, and gathers where that has found too few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from lineal.ledger.conditions import Compiler, RowByRow
from lineal.ledger.keyset import behind, check_place, read_cursor, write_cursor
from lineal.ledger.schema import HIDDEN, SHOWN, runs
from lineal.ledger.stages import Stage, known_section, stages
from lineal.records.filter import METRICS, Filter, names_attribute, parse_filter, parse_order

ACTIVE, DELETED, EVERY = "active", "deleted", "all"
_STEPS, _MORE_STEPS = 1_000, 8_000
"""So many entries of an index are walked at first; and so many where that found too few, but more match than are asked for by their ids."""
_FEW = 2_000
"""So many runs that match are asked for by their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Ids of a page, in order, and the cursor from which the next one goes on: empty where nothing comes behind."""

    ids: tuple[str, ...]
    after: str = ""


class Search:
    """One filter over the runs of a project.

    Args:
        where: a text, or what was read of one.
        life: `ACTIVE`, `DELETED` or `EVERY`.
        experiments: only runs of these.

    Raises:
        InvalidInput: kind ``bad-filter``.
    """

    def __init__(
        self,
        connection: Connection,
        project_id: str,
        where: str | Filter | None,
        *,
        life: str = ACTIVE,
        experiments: Sequence[str] | None = None,
    ) -> None:
        self._connection = connection
        self._project_id = project_id
        self._where = where if isinstance(where, str) else repr(where)
        self._wanted = parse_filter(where) if isinstance(where, str) else where
        marked = names_attribute(self._wanted, "mistake")
        self._live = and_(runs.c.project_id == project_id, *_living(life, marked=marked))
        self._as_shown = life == ACTIVE and not marked
        self._narrow = self._wanted is not None or experiments is not None
        self._of_experiments = [] if experiments is None else [runs.c.experiment.in_(experiments)]
        _ = self.matches  # what is wrong with the filter shows now

    @cached_property
    def matches(self) -> ColumnElement[bool]:
        """Which runs match, for a query on the ``runs`` table."""
        return self._compiled(Compiler)

    def count(self) -> int:
        """How many match."""
        return int(self._connection.execute(select(func.count()).select_from(runs).where(self.matches)).scalar_one())

    def page(self, *, order: str = "", limit: int = 100, offset: int = 0, after: str = "") -> Found:
        """A page of those that match: ``offset`` behind the beginning, or behind the cursor ``after``.

        Raises:
            InvalidInput: kind ``bad-order`` or ``bad-cursor``.
        """
        asked = f"{self._where}\n{order}"
        keys = [known_section(self._connection, self._project_id, key) for key in parse_order(order)]
        bounds = self._bounds(keys[0].field.key) if len(keys) == 1 and keys[0].field.section == METRICS else ()
        parts = stages(self._project_id, keys, bounds=bounds)
        place, values = read_cursor(after, asked) if after else (0, None)
        check_place(parts[place].keys if place < len(parts) else (), values)
        ids: list[str] = []
        last: tuple[int, Sequence[Any]] = (place, ())
        while place < len(parts) and len(ids) < limit:
            rows, offset = self._of_stage(parts[place], values, limit=limit - len(ids), offset=offset)
            ids += [row[0] for row in rows]
            last = (place, rows[-1][1:]) if rows else last
            place, values = place + 1, None
        return Found(ids=tuple(ids), after=write_cursor(asked, *last) if ids and len(ids) == limit else "")

    def _of_stage(self, stage: Stage, values: Sequence[Any] | None, *, limit: int, offset: int) -> tuple[list[Sequence[Any]], int]:
        """What a stage has of the page: id and values of the keys; and how many are still to be left out behind the stage."""
        rows: list[Sequence[Any]] = []
        for query in self._ways(stage, values, many=limit + offset):
            rows = [tuple(row) for row in self._connection.execute(query.limit(limit).offset(offset))]
            if len(rows) == limit:
                break
        if rows or not offset:
            return rows, 0
        there = self._connection.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one()
        return rows, max(0, offset - there)

    def _ways(self, stage: Stage, values: Sequence[Any] | None, *, many: int) -> Iterator[Select[Any]]:
        """The same page by one way after the other; the last one is complete."""
        behind_it = [] if values is None else [behind(stage.keys, values)]
        walks = stage.walks and self._narrow
        if walks and many <= _STEPS and "_few" not in vars(self):
            yield self._walk(stage, behind_it, _STEPS)
        if walks and many <= _MORE_STEPS and self._few is None:
            yield self._walk(stage, behind_it, _MORE_STEPS)
        query = stage.query.where(stage.condition, *behind_it).order_by(*stage.terms)
        if self._few is not None:
            yield query.where(stage.id.in_(self._few))
        elif stage.source is runs:
            yield query.where(self.matches)
        elif self._narrow:
            yield query.where(stage.id.in_(select(runs.c.id).where(self.matches)))
        elif self._as_shown:
            yield query.where(stage.id.not_in(select(runs.c.id).where(runs.c.project_id == self._project_id, HIDDEN)))
        else:
            yield query.where(select(runs.c.id).where(runs.c.id == stage.id, self._live).correlate(stage.source).exists())

    def _walk(self, stage: Stage, behind_it: Sequence[ColumnElement[bool]], window: int) -> Select[Any]:
        """What is among the next entries of the stage's index."""
        begins, later = ([self._live], [stage.condition]) if stage.source is runs else ([stage.condition], [])
        near = stage.query.where(*begins, *behind_it).order_by(*stage.terms).limit(window).subquery()
        fits = select(runs.c.id).where(runs.c.id == near.c[0], self._compiled(RowByRow), *later).correlate(near).exists()
        return select(near).where(fits).order_by(*stage.terms_of(near))

    @cached_property
    def _few(self) -> list[str] | None:
        """The ids of all that match, where those are few."""
        if not self._narrow:
            return None
        found = list(self._connection.execute(select(runs.c.id).where(self.matches).limit(_FEW + 1)).scalars())
        return found if len(found) <= _FEW else None

    def _bounds(self, key: str) -> Sequence[ColumnElement[bool]]:
        """What the filter asks of a metric that orders the runs: where along its index those that match can be."""
        return Compiler(self._connection, self._project_id, self._where).of_metric(self._wanted, key)

    def _compiled(self, compiler: type[Compiler]) -> ColumnElement[bool]:
        found = [] if self._wanted is None else [compiler(self._connection, self._project_id, self._where).compile(self._wanted)]
        return and_(self._live, *self._of_experiments, *found)


def _living(life: str, *, marked: bool) -> Sequence[ColumnElement[bool]]:
    """Which runs are looked at at all: those marked as mistakes only where the filter speaks of mistakes."""
    if life == ACTIVE:
        return SHOWN[:1] if marked else SHOWN
    deleted = [runs.c.deleted_at.is_not(None)] if life == DELETED else []
    return deleted if marked else [*deleted, *SHOWN[1:]]
