"""A saved view: what the page of runs shows, under a name."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from lineal.errors import InvalidInput

WORDS = frozenset({"where", "status", "experiment", "mistakes", "order", "columns", "group", "open"})
"""Words of the page's address that a view keeps: filters, order, columns and groups; not where one looked, nor what was selected."""
LONGEST_NAME = 100
LONGEST_QUERY = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """What the page of runs shows, under a name.

    Attributes:
        query: words of the page's address.
        author: who saved it first, and may change it.
        created_at, updated_at: microseconds UTC.
    """

    name: str
    query: str
    author: str
    created_at: int
    updated_at: int


def view_name(text: str) -> str:
    """The name without space around it. Raises InvalidInput kind ``bad-view``.

    >>> view_name(" best of March ")
    'best of March'
    """
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or "/" in name or name in {".", ".."}:
        raise InvalidInput(
            f"{name!r} cannot name a view", kind="bad-view", hint=f"Take up to {LONGEST_NAME} characters that can be printed, without a slash."
        )
    return name


def view_query(text: str) -> str:
    """The words of an address, or its part behind the question mark, that a view keeps. Raises InvalidInput kind ``bad-view``.

    >>> view_query("/runs?where=metrics.auc > 0.9&offset=300&order=-metrics.auc")
    'where=metrics.auc+%3E+0.9&order=-metrics.auc'
    """
    head, mark, tail = text.partition("?")
    words = tail if mark and "=" not in head else text
    kept = urlencode([pair for pair in parse_qsl(words) if pair[0] in WORDS])
    if len(kept) > LONGEST_QUERY:
        raise InvalidInput(f"a view of {len(kept):,} characters is too long to keep", kind="bad-view", hint=f"{LONGEST_QUERY:,} are the most.")
    return kept
