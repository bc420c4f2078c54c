"""Where a page ends, as an opaque text from which the next one goes on, whatever arrives meanwhile."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, and_, false, or_, tuple_

from lineal.errors import InvalidInput
from lineal.ledger.portable import storable


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A column to order by; rows without a value come last, whichever way it goes.

    Attributes:
        always: whether every row has a value.
    """

    column: ColumnElement[Any]
    descending: bool = False
    always: bool = False

    @property
    def term(self) -> ColumnElement[Any]:
        """For ORDER BY."""
        term = self.column.desc() if self.descending else self.column.asc()
        return term if self.always else term.nulls_last()

    def same(self, value: Any) -> ColumnElement[bool]:
        """Whether a row has that value."""
        return self.column.is_(None) if value is None else self.column == value

    def behind(self, value: Any) -> ColumnElement[bool]:
        """Whether a row comes behind that value."""
        if value is None:
            return false()
        further = self.column < value if self.descending else self.column > value
        return further if self.always else or_(further, self.column.is_(None))


def behind(keys: Sequence[Key], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a row comes behind the row that has those values of the keys."""
    places = range(len(keys))
    if len(keys) > 1 and all(key.always for key in keys) and len({key.descending for key in keys}) == 1:  # as an index can be entered
        here, there = tuple_(*(key.column for key in keys)), tuple_(*values)
        return here < there if keys[0].descending else here > there
    return or_(*(and_(*(keys[n].same(values[n]) for n in range(place)), keys[place].behind(values[place])) for place in places))


def write_cursor(asked: str, stage: int, values: Sequence[Any]) -> str:
    """The text of a place: in which stage of a search, and the values of its keys there.

    Args:
        asked: filter and order, which a cursor is good for.
    """
    body = json.dumps([_mark(asked), stage, list(values)], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def read_cursor(text: str, asked: str) -> tuple[int, list[Any]]:
    """The stage and values that `write_cursor` wrote.

    Raises:
        InvalidInput: kind ``bad-cursor``, if it is of another search or none at all.
    """
    try:
        mark, stage, values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, TypeError):
        raise _no_place() from None
    if mark != _mark(asked) or not isinstance(stage, int) or stage < 0 or not isinstance(values, list):
        raise _no_place()
    return stage, values


def check_place(keys: Sequence[Key], values: Sequence[Any] | None) -> None:
    """Raises InvalidInput kind ``bad-cursor`` where values cannot be those of the keys."""
    if values is None:
        return
    if not keys or len(keys) != len(values) or not all(_fits(key, value) for key, value in zip(keys, values, strict=True)):
        raise _no_place()


def _fits(key: Key, value: Any) -> bool:
    if value is None:
        return not key.always
    if isinstance(key.column.type, String):
        return isinstance(value, str) and storable(value) == value
    return isinstance(value, int | float) and not isinstance(value, bool) and (isinstance(value, float) or abs(value) < 2**63)


def _no_place() -> InvalidInput:
    hint = "Take `after` as the last page gave it, with the same filter and order."
    return InvalidInput("this is no place in this search", kind="bad-cursor", hint=hint)


def _mark(asked: str) -> str:
    return hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()[:8]
