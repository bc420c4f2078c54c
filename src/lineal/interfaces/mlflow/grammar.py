"""MLflow's search grammar: comparisons joined by AND, orders by one key each. Source: MLflow 3.17, ``utils/search_utils.py``.

What MLflow refuses is refused here, too: OR, NOT, parentheses, texts without quotes, names and comparators that a thing does not have. A clause without an
AND before it, which MLflow lets pass, is refused as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lineal.interfaces.mlflow.answers import Refusal

METRIC, PARAM, TAG, ATTRIBUTE, DATASET = "metric", "parameter", "tag", "attribute", "dataset"
_NUMBER_OPERATORS = frozenset({">", ">=", "!=", "=", "<", "<="})
_TEXT_OPERATORS = frozenset({"!=", "=", "LIKE", "ILIKE"})
_NULL_OPERATORS = frozenset({"IS NULL", "IS NOT NULL"})
_LIST_OPERATORS = frozenset({"IN", "NOT IN"})
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<operator><=|>=|!=|=|<|>)
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<text>'(?:''|\\'|[^'])*'|"(?:\"\"|\\"|[^"])*")
      | (?P<mark>[(),])
      | (?P<word>(?:`[^`]*`|(?<=\.)"[^"]*"|(?<=\.)'[^']*'|[^\s=<>!(),'"`;])+)
    )""",
    re.VERBOSE,
)
_WORDS = frozenset({"like", "ilike", "in", "not", "is", "and", "or"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One comparison.

    Attributes:
        section: `METRIC`, `PARAM`, `TAG`, `ATTRIBUTE` or `DATASET`.
        how: ``= != < <= > >= LIKE ILIKE IN``, ``NOT IN``, ``IS NULL`` or ``IS NOT NULL``.
        value: a number or a text, a list of texts for the lists, None for the last two.
    """

    section: str
    key: str
    how: str
    value: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Searchable:
    """What may be said of a kind of thing.

    Attributes:
        sections: by the words that name them.
        texts, numbers: attributes by the words that name them.
        lists: the attributes that are compared with lists.
        orders: attributes that are ordered by, where these are others.
        nulls: the sections that ``IS NULL`` is asked of.
        quoted: whether numbers may stand in quotes.
    """

    sections: Mapping[str, str]
    texts: Mapping[str, str]
    numbers: Mapping[str, str] = field(default_factory=dict)
    lists: frozenset[str] = frozenset()
    orders: Mapping[str, str] | None = None
    nulls: frozenset[str] = frozenset()
    quoted: bool = False

    def attribute(self, key: str) -> str:
        """An attribute's own name; empty where there is none."""
        return self.texts.get(key) or self.numbers.get(key) or ""


def read_clauses(text: str, known: Searchable) -> list[Clause]:
    """The comparisons of a filter, all of which must hold. Raises `Refusal`."""
    if not text:
        return []
    reader = _Reader(text, known)
    found = [reader.clause()]
    while reader.place < len(reader.tokens):
        reader.joined()
        found.append(reader.clause())
    return found


def read_orders(texts: Sequence[Any], known: Searchable) -> list[tuple[str, str, bool]]:
    """Section, key and whether the largest comes first, of each key to order by. Raises `Refusal`."""
    return [_order(text, known) for text in texts]


def named(text: str, known: Searchable, attributes: Mapping[str, str] | None = None) -> tuple[str, str]:
    """The section and key that a name means. Raises `Refusal`."""
    head, dot, tail = text.partition(".")
    section = ATTRIBUTE if not dot else known.sections.get(head.strip("`"), "")
    if not section:
        raise Refusal(f"Invalid entity type '{head:.80}'. Valid values are {sorted(known.sections)}")
    key = (tail if dot else text).strip()
    key = key[1:-1] if len(key) > 1 and key[0] == key[-1] and key[0] in "`'\"" else key
    names = {**known.texts, **known.numbers} if attributes is None else attributes
    if section == ATTRIBUTE and key not in names:
        raise Refusal(f"Invalid attribute key '{key:.80}' specified. Valid keys are {sorted(names)}")
    if section == DATASET and key not in {"name", "digest", "context"}:
        raise Refusal(f"Invalid dataset key '{key:.80}' specified. Valid keys are ['context', 'digest', 'name']")
    return section, names[key] if section == ATTRIBUTE else key


def _order(text: Any, known: Searchable) -> tuple[str, str, bool]:
    words = text.strip() if isinstance(text, str) else ""
    found = re.fullmatch(r"""((?:[\w]+\.)?(?:`[^`]*`|"[^"]*"|'[^']*'|[^\s`"',]+))(?:\s+(\w+))?""", words)
    if found is None or (found[2] or "asc").lower() not in {"asc", "desc"} or found[1].lower() in {"asc", "desc"}:
        raise Refusal(f"Invalid order_by clause '{text!s:.80}'. Could not be parsed.")
    section, key = named(found[1], known, known.orders)
    if section == DATASET or not key:
        raise Refusal(f"Invalid order_by entity '{text!s:.80}'")
    return section, key, (found[2] or "").lower() == "desc"


class _Reader:
    """Reads a filter from left to right."""

    def __init__(self, text: str, known: Searchable) -> None:
        self.text = text
        self.known = known
        self.tokens = self._split(text)
        self.place = 0

    def clause(self) -> Clause:
        """The comparison that stands here."""
        kind, name = self._next()
        if kind != "word" or name.lower() in _WORDS:
            raise self._wrong(f"expected a name such as metrics.auc, found {name or 'the end'}")
        section, key = named(name, self.known)
        how = self._operator()
        self._check(section, key, how)
        if how in _NULL_OPERATORS:
            return Clause(section=section, key=key, how=how)
        value = self._texts() if how in _LIST_OPERATORS else self._value(section, key)
        return Clause(section=section, key=key, how=how, value=value)

    def joined(self) -> None:
        """An AND."""
        kind, word = self._next()
        if kind != "word" or word.lower() != "and":
            raise self._wrong(f"comparisons are joined by AND, found {word}")

    def _operator(self) -> str:
        kind, word = self._next()
        if kind == "operator":
            return word
        words = word.upper()
        if kind != "word" or words not in {"LIKE", "ILIKE", "IN", "NOT", "IS"}:
            raise self._wrong(f"expected a comparator, found {word or 'the end'}")
        while words in {"NOT", "IS", "IS NOT"}:
            words = f"{words} {self._next()[1].upper()}"
        return words

    def _check(self, section: str, key: str, how: str) -> None:
        allowed = _NUMBER_OPERATORS if self._is_number(section, key) else _TEXT_OPERATORS
        if section in self.known.nulls:
            allowed |= _NULL_OPERATORS
        if section == DATASET or (section == ATTRIBUTE and key in self.known.lists):
            allowed |= _LIST_OPERATORS
        if how not in allowed:
            raise self._wrong(f"invalid comparator '{how}', not one of {sorted(allowed)}")

    def _is_number(self, section: str, key: str) -> bool:
        return section == METRIC or (section == ATTRIBUTE and key in self.known.numbers.values())

    def _value(self, section: str, key: str) -> float | str:
        kind, word = self._next()
        if self._is_number(section, key):
            if kind == "text" and self.known.quoted and word[1:-1].isdecimal():
                return float(word[1:-1])
            if kind != "number":
                raise self._wrong(f"expected a number for {key}, found {word or 'the end'}")
            return float(word)
        if kind != "text":
            raise self._wrong(f"expected a text in quotes for {key}, found {word or 'the end'}")
        return word[1:-1]

    def _texts(self) -> list[str]:
        if self._next()[1] != "(":
            raise self._wrong("expected a list in parentheses")
        found: list[str] = []
        while True:
            kind, word = self._next()
            if kind != "text":
                raise self._wrong(f"expected a text in quotes, found {word or 'the end'}")
            found.append(word[1:-1])
            mark = self._next()[1]
            if mark == ")":
                return found
            if mark != ",":
                raise self._wrong("expected a comma or the end of the list")

    def _next(self) -> tuple[str, str]:
        if self.place >= len(self.tokens):
            return "end", ""
        self.place += 1
        return self.tokens[self.place - 1]

    def _split(self, text: str) -> list[tuple[str, str]]:
        found, place, end = [], 0, len(text.rstrip())
        while place < end:
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None or match.end() == place:
                raise self._wrong(f"cannot read it from column {place + 1}")
            found.append((match.lastgroup, match[match.lastgroup]))
            place = match.end()
        return found

    def _wrong(self, what: str) -> Refusal:
        return Refusal(f"Invalid clause(s) in filter string: {what}, in {self.text!r:.400}")
