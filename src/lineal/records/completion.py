"""What could come next in a filter of runs: which part of it somebody is typing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lineal.records.filter import ANY, parse_field

NAME, OPERATOR, VALUE, JOINT = "name", "operator", "value", "joint"
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "like", "contains", "in", "is null")
JOINTS = ("and", "or")

_TOKEN = re.compile(r"""(?:[\w./@:%+-]|`[^`]*`?)+|'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?|[<>=!]+|[(),]""")
_SIGNS = frozenset({"=", "==", "!=", "<>", "<", "<=", ">", ">=", "like", "ilike", "contains", "in"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """What is being typed.

    Attributes:
        kind: `NAME`, `OPERATOR`, `VALUE` or `JOINT`.
        begun: the part that is there already, without quotes.
        start: where in the text that part begins.
        section, key: of the name that is compared, for an operator and a value.
    """

    kind: str
    begun: str
    start: int
    section: str = ANY
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One thing that could come next.

    Attributes:
        text: what stands there then.
        about: what it is, such as ``metrics`` or ``operator``.
        start: where in the text it begins.
    """

    text: str
    about: str
    start: int


def typing_in(text: str) -> Typing:
    """What is being typed at the end of a text.

    >>> [typing_in(text).kind for text in ("met", "metrics.auc ", "metrics.auc > ", "metrics.auc > 0.9 ", "a = 1 and de")]
    ['name', 'operator', 'value', 'joint', 'name']
    """
    tokens = [(found[0], found.start()) for found in _TOKEN.finditer(text)]
    begun, start = ("", len(text))
    if tokens and tokens[-1][1] + len(tokens[-1][0]) == len(text) and tokens[-1][0] not in {"(", ")", ","}:
        begun, start = tokens.pop()
        if re.fullmatch(r"[<>=!]+", begun):
            return _after([*tokens, (begun, start)], "", len(text))
    return _after(tokens, begun, start)


def _after(tokens: list[tuple[str, int]], begun: str, start: int) -> Typing:
    """What comes behind whole tokens."""
    kind, name, inside = NAME, "", False
    for token, _place in tokens:
        word = token.lower()
        if word in {"and", "or", "not"} and kind != VALUE:
            kind = NAME if not (word == "not" and kind == OPERATOR) else OPERATOR
        elif kind == OPERATOR and word in _SIGNS:
            kind = VALUE
        elif word in {"(", ","}:
            inside = kind == VALUE if word == "(" else inside  # of a list behind IN
            kind = VALUE if inside else NAME
        elif word == ")":
            kind, inside = JOINT, False
        elif kind == NAME:
            kind, name = OPERATOR, token
        else:
            kind = JOINT
    field = parse_field(name) if name else None
    return Typing(kind=kind, begun=begun.strip("'\"`"), start=start, section=field.section if field else ANY, key=field.key if field else "")
