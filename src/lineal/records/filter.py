"""The grammar of ``--where`` and ``--order``: which runs, and in which order.

::

    filter     = all { OR all }
    all        = one { AND one }
    one        = NOT one | "(" filter ")" | name [ comparison ]
    comparison = ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value
               | [NOT] LIKE value | [NOT] CONTAINS value | [NOT] IN "(" value { "," value } ")" | IS [NOT] NULL
    name       = [ section "." ] key            key may stand in back quotes, and in double quotes after a section
    section    = params | metrics | tags | attributes | inputs | code | env      (and their singulars)
    value      = number | date | span | 'text' | "text" | word | true | false

A span is ``7d`` or ``1h30m``; before a time it counts back from now: ``started > -7d``. ``metrics.loss.min`` (``max``, ``best_step``) is a metric's extreme, unless
a metric is called that.

Key words in any case. A name without a section is an attribute of the run where there is one of that name, else a metric, parameter or tag. A
name alone asks whether the run has it. A comparison is only true of runs that have the name; ``NOT`` is true of the others.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lineal.errors import InvalidInput

PARAMS, METRICS, TAGS, ATTRIBUTES, ANY = "params", "metrics", "tags", "attributes", ""
INPUTS, CODE, ENVIRONMENT = "inputs", "code", "env"
LOGGED_INPUTS = "logged inputs"
"""What MLflow's clients said of data; no text names it."""

SECTIONS: Mapping[str, str] = {
    **dict.fromkeys(("params", "param", "parameters", "parameter"), PARAMS),
    **dict.fromkeys(("metrics", "metric", "summary"), METRICS),
    **dict.fromkeys(("tags", "tag"), TAGS),
    **dict.fromkeys(("inputs", "input"), INPUTS),
    "code": CODE,
    **dict.fromkeys(("env", "environment"), ENVIRONMENT),
    **dict.fromkeys(("attributes", "attribute", "attr", "run", "runs"), ATTRIBUTES),
}
_ORDER_PARTS = re.compile(r"""(?:`[^`]*`|"[^"]*"|[^,])+""")
DEEPEST = 100
"""Parentheses and NOTs within one another."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<date>\d{4}-\d\d-\d\d(?:[T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\w.]))
      | (?P<number>[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)(?![\w./:@-]))
      | (?P<quoted>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*")
      | (?P<operator><=|>=|==|!=|<>|=|<|>)
      | (?P<mark>[(),])
      | (?P<word>(?:[^\s()<>=!,'"`]|`[^`]*`|(?<=\.)"[^"]*")+)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What is compared or ordered by: ``section`` is `PARAMS`, `METRICS`, `TAGS`, `ATTRIBUTES` or `ANY`; ``column`` counts from 1."""

    section: str
    key: str
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A value as it was written.

    Attributes:
        text: what stands there, without quotes.
        number: its number, where it is one and was not quoted.
        quoted: whether it stood in quotes.
    """

    text: str
    number: float | None = None
    quoted: bool = False
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison; ``operator`` is ``= != < <= > >= like in exists``, or ``like case``, which no text says."""

    field: Field
    operator: str
    values: tuple[Literal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """True where its item is not."""

    item: Filter


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """True where all items are."""

    items: tuple[Filter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Some:
    """True where at least one item is."""

    items: tuple[Filter, ...]


Filter = Comparison | Not | Every | Some


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One key to order by."""

    field: Field
    descending: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int

    def says(self, word: str) -> bool:
        return self.kind in {"word", "mark"} and self.text.lower() == word


def parse_filter(text: str) -> Filter | None:
    """The filter in ``text``; None where it is empty.

    >>> parse_filter("metrics.auc > 0.6").operator
    '>'

    Raises:
        InvalidInput: kind ``bad-filter``; its hint points at the column.
    """
    if not text.strip():
        return None
    reader = _Reader(text)
    found = reader.some()
    if reader.here.kind != "end":
        raise reader.error("expected AND, OR or the end")
    return found


def parse_order(text: str) -> tuple[Order, ...]:
    """The keys in ``text``, separated by commas: ``key``, ``-key``, ``key asc`` or ``key desc``.

    >>> [(order.field.key, order.descending) for order in parse_order("-metrics.auc, name")]
    [('auc', True), ('name', False)]

    Raises:
        InvalidInput: kind ``bad-order``.
    """
    found = []
    for part in filter(None, (part.strip() for part in _ORDER_PARTS.findall(text))):
        name, _space, direction = part.rpartition(" ")
        if direction.lower() not in {"asc", "desc"} or not name:
            name, direction = part, "asc"
        descending = (direction.lower() == "desc") != name.startswith("-")
        key = name.strip().removeprefix("-")
        if not key or (" " in key and not key.endswith(("`", '"'))):
            raise InvalidInput(f"cannot order by {part!r}", kind="bad-order", hint="Write a name, such as -metrics.auc or started_at desc.")
        found.append(Order(field=parse_field(key), descending=descending))
    return tuple(found)


def parse_field(text: str, column: int = 1) -> Field:
    """The field that a name means.

    >>> parse_field("metric.val/loss").key, parse_field("params.`a b`").key, parse_field("a.b").section
    ('val/loss', 'a b', '')
    """
    head, dot, tail = text.partition(".")
    section = SECTIONS.get(head.lower(), ANY) if dot else ANY
    key = tail if section else text
    if len(key) > 1 and key[0] == key[-1] and key[0] in '`"':
        key = key[1:-1]
    return Field(section=section, key=key, column=column)


def names_attribute(found: Filter | None, key: str) -> bool:
    """Whether a filter speaks of an attribute of the run."""
    match found:
        case Comparison(field=field):
            return field.key.lower() == key and field.section in {ANY, ATTRIBUTES}
        case Not(item=item):
            return names_attribute(item, key)
        case Every(items=items) | Some(items=items):
            return any(names_attribute(item, key) for item in items)
    return False


def date_us(text: str) -> int | None:
    """An ISO 8601 date or time as microseconds UTC; None where it is none. Without a zone it is UTC.

    >>> date_us("2013-04-01"), date_us("1970-01-01T01:00+01:00"), date_us("spring")
    (1364774400000000, 0, None)
    """
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def written(section: str, key: str) -> str:
    """A name as the grammar writes it; in back quotes where it is no plain word."""
    return f"{section}.{key}" if re.fullmatch(r"[\w./-]+", key) else f"{section}.`{key}`"


def quoted(text: str) -> str:
    r"""A text as the filter grammar writes it.

    >>> print(quoted("it's"))
    'it\'s'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def filter_error(text: str, column: int, problem: str) -> InvalidInput:
    """An error that points at a column (from 1) of a filter."""
    return InvalidInput(
        f"cannot read the filter at column {column}: {problem}",
        kind="bad-filter",
        hint=f"{text}\n  {' ' * (column - 1)}^",
    )


class _Reader:
    """Reads a filter from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.place = 0
        self.depth = 0

    @property
    def here(self) -> _Token:
        return self.tokens[self.place]

    def error(self, expected: str) -> InvalidInput:
        found = "the end" if self.here.kind == "end" else repr(self.here.text)
        return filter_error(self.text, self.here.column, f"{expected}, found {found}")

    def take(self, word: str) -> bool:
        if self.here.says(word):
            self.place += 1
            return True
        return False

    def next(self) -> _Token:
        token = self.here
        self.place += 1
        return token

    def some(self) -> Filter:
        items = [self.every()]
        while self.take("or"):
            items.append(self.every())
        return items[0] if len(items) == 1 else Some(items=tuple(items))

    def every(self) -> Filter:
        items = [self.one()]
        while self.take("and"):
            items.append(self.one())
        return items[0] if len(items) == 1 else Every(items=tuple(items))

    def one(self) -> Filter:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"expected at most {DEEPEST} parentheses within one another")
        try:
            if self.take("not"):
                return Not(item=self.one())
            if self.take("("):
                found = self.some()
                self.expect(")")
                return found
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self) -> Filter:
        if self.here.kind != "word" or self.here.text.lower() in {"and", "or", "in", "like", "is"}:
            raise self.error("expected a name such as metrics.auc")
        token = self.next()
        field = parse_field(token.text, token.column)
        if not field.key:
            raise filter_error(self.text, token.column, "a name is missing behind the dot")
        if self.here.kind == "operator":
            operator = {"==": "=", "<>": "!="}.get(self.here.text, self.here.text)
            self.next()
            return Comparison(field=field, operator=operator, values=(self.value(),))
        if self.take("is"):
            is_there = self.take("not")
            self.expect("null")
            exists = Comparison(field=field, operator="exists")
            return exists if is_there else Not(item=exists)
        return self.word_comparison(field)

    def word_comparison(self, field: Field) -> Filter:
        negated = self.here.says("not")
        if negated:
            self.next()
        if self.take("contains"):
            value = self.value()
            text = "%" + value.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            found = Comparison(field=field, operator="like", values=(replace(value, text=text),))
        elif self.take("like") or self.take("ilike"):
            found = Comparison(field=field, operator="like", values=(self.value(),))
        elif self.take("in"):
            found = Comparison(field=field, operator="in", values=self.values())
        elif negated:
            raise self.error("expected LIKE, CONTAINS or IN behind NOT")
        else:
            return Comparison(field=field, operator="exists")
        return Not(item=found) if negated else found

    def values(self) -> tuple[Literal, ...]:
        self.expect("(")
        found = [self.value()]
        while self.take(","):
            found.append(self.value())
        self.expect(")")
        return tuple(found)

    def value(self) -> Literal:
        if self.here.kind not in {"number", "date", "quoted", "word"} or self.here.text.lower() in {"and", "or", "not"}:
            raise self.error("expected a value")
        token = self.next()
        if token.kind == "quoted":
            return Literal(text=_unquoted(token.text), quoted=True, column=token.column)
        number = float(token.text) if token.kind == "number" else None
        return Literal(text=token.text, number=number, column=token.column)

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise self.error(f"expected {word.upper()}")


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    end = len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None or match.end() == place:
            place += len(text[place:]) - len(text[place:].lstrip())
            problem = "a quote is not closed" if text[place] in "'\"`" else f"{text[place]!r} has no meaning here"
            raise filter_error(text, place + 1, problem)
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        place = match.end()
    found.append(_Token("end", "", len(text.rstrip()) + 1))
    return found


def _unquoted(text: str) -> str:
    quote = text[0]
    return re.sub(r"\\(.)", r"\1", text[1:-1].replace(quote * 2, quote), flags=re.DOTALL)
