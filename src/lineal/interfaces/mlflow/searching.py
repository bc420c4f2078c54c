"""Search over the few things that are not runs: experiments, models and versions, a list of facts each."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lineal.interfaces.mlflow.answers import Refusal
from lineal.interfaces.mlflow.filters import compares
from lineal.interfaces.mlflow.grammar import ATTRIBUTE, TAG, Clause, Searchable, read_clauses, read_orders

T = TypeVar("T")

FARTHEST = 1 << 53
"""No list is longer."""
PROMPT = "mlflow.prompt.is_prompt"
REGISTRY_SECTIONS = {"attribute": ATTRIBUTE, "tag": TAG, "tags": TAG}
"""The words that name sections in searches of all but runs and logged models."""


def searched(items: Sequence[T], text: str, orders: Sequence[Any], known: Searchable, *, facts: Callable[[T], Mapping[str, Any]]) -> list[T]:
    """The items that match a filter, in order.

    Args:
        facts: what is known of an item: attributes by name, and what is in other sections as ``tag.key``.
    """
    clauses = read_clauses(text, known)
    found = [item for item in items if all(_holds(clause, facts(item)) for clause in clauses)]
    for section, key, descending in reversed(read_orders(orders, known)):
        if section == TAG:
            raise Refusal(f"Invalid order_by entity: {section}")
        found = in_order(found, [facts(item).get(_place(section, key)) for item in found], descending=descending)
    return found


def in_order(items: Sequence[T], keys: Sequence[Any], *, descending: bool) -> list[T]:
    """Items by their keys, those without one last; what is alike stays in its order."""
    having = sorted(((key, place) for place, key in enumerate(keys) if key is not None), key=lambda pair: pair[0], reverse=descending)
    return [items[place] for _key, place in having] + [item for item, key in zip(items, keys, strict=True) if key is None]


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


def page_of(key: str, items: Sequence[Any], *, start: int, most: int, show: Callable[[Any], Any]) -> dict[str, Any]:
    """A page of a list, which is left out where it is empty, and the token of the next."""
    shown = [show(item) for item in items[start : start + most]]
    found: dict[str, Any] = {key: shown} if shown else {}
    return {**found, "next_page_token": token_of(start + most)} if start + most < len(items) else found


def _place(section: str, key: str) -> str:
    return key if section == ATTRIBUTE else f"{section}.{key}"


def _holds(clause: Clause, facts: Mapping[str, Any]) -> bool:
    value = facts.get(_place(clause.section, clause.key))
    if clause.how in {"IS NULL", "IS NOT NULL"}:
        return (value is None) == (clause.how == "IS NULL")
    if value is None:  # MLflow's own client asks that way for what is no prompt
        return clause.key == PROMPT and (clause.how, clause.value) in {("!=", "true"), ("=", "false")}
    return compares(clause.how, value, clause.value)
