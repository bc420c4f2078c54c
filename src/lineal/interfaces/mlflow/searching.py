"""Search over the few things that are not runs: experiments, models and versions, a list of facts each."""

from __future__ import annotations

import base64
import fnmatch
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lineal.interfaces.mlflow.answers import Refusal
from lineal.records.filter import Comparison, Every, Filter, Literal, Not, Some, parse_filter

T = TypeVar("T")

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def searched(items: Sequence[T], text: str, orders: Sequence[Any], *, facts: Callable[[T], Mapping[str, Any]]) -> list[T]:
    """The items that match a filter, in order.

    Args:
        facts: what is known of an item, by lower-case name; tags as ``tags.key``.
    """
    wanted = parse_filter(text)
    found = [item for item in items if wanted is None or _holds(wanted, facts(item))]
    for order in reversed([str(order).strip() for order in orders]):
        key, _space, direction = order.rpartition(" ")
        if direction.upper() not in {"ASC", "DESC"}:
            key, direction = order, "ASC"
        name = key.strip().strip("`").lower().removeprefix("attribute.").removeprefix("attributes.")
        if found and name not in facts(found[0]) and not name.startswith(("tag", "tags")):
            raise Refusal(f"Invalid order_by key '{key.strip()}' specified")
        found.sort(key=lambda item: _sortable(facts(item).get(name)), reverse=direction.upper() == "DESC")
    return found


FARTHEST = 1 << 53
"""No list is longer."""


def offset_of(token: str) -> int:
    """Where a page begins. Raises `Refusal`."""
    if not token:
        return 0
    try:
        return max(0, min(int(json.loads(base64.b64decode(token, validate=True))["offset"]), FARTHEST))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise Refusal("Invalid page token, decoded value is not as expected") from None


def token_of(offset: int) -> str:
    """The token of the page that begins there."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def _holds(wanted: Filter, facts: Mapping[str, Any]) -> bool:
    match wanted:
        case Every(items=items):
            return all(_holds(item, facts) for item in items)
        case Some(items=items):
            return any(_holds(item, facts) for item in items)
        case Not(item=item):
            return not _holds(item, facts)
        case Comparison():
            return _compares(wanted, facts)


def _compares(wanted: Comparison, facts: Mapping[str, Any]) -> bool:
    name = f"tags.{wanted.field.key}" if wanted.field.section == "tags" else wanted.field.key.lower()
    value = facts.get(name)
    if wanted.operator == "exists":
        return value is not None
    if value is None:  # MLflow's own client asks that way for what is no prompt
        return wanted.operator == "!=" and name == "tags.mlflow.prompt.is_prompt"
    if wanted.operator == "in":
        return any(_same(value, literal) for literal in wanted.values)
    literal = wanted.values[0]
    if wanted.operator == "like":
        return re.match(fnmatch.translate(literal.text.replace("%", "*").replace("_", "?")), str(value), re.IGNORECASE) is not None
    other = literal.number if isinstance(value, int | float) and literal.number is not None else literal.text
    try:
        return _COMPARE[wanted.operator](value if isinstance(other, int | float) else str(value), other)
    except (TypeError, KeyError):
        return False


def _same(value: Any, literal: Literal) -> bool:
    return bool(str(value) == literal.text or (literal.number is not None and value == literal.number))


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is None, value if value is not None else 0)
