"""Values that parameters, tags and metrics can hold, and how they are written so that nothing is lost.

JSON has no NaN and no infinities, and databases disagree about them; the canonical text keeps the type of every value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

type_names = ("null", "bool", "int", "float", "str", "json")

Value = bool | int | float | str | None | Sequence["Value"] | Mapping[str, "Value"]
"""A parameter's value: a scalar, or a list or mapping of values. The type is kept."""


def encode_value(value: object) -> tuple[str, str]:
    """The type name and the canonical text of a value, exact for every float.

    >>> encode_value(0.1), encode_value(float("nan")), encode_value(["a", 1])
    (('float', '0.1'), ('float', 'nan'), ('json', '["a",1]'))
    """
    match value:
        case None:
            return "null", ""
        case bool():
            return "bool", "true" if value else "false"
        case int():
            return "int", str(int(value))
        case float():
            return "float", repr(float(value))
        case str():
            return "str", str(value)
    return "json", json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def decode_value(type_name: str, text: str) -> Any:
    """The value that `encode_value` wrote.

    >>> decode_value(*encode_value([1.5, float("-inf")]))
    [1.5, '-Infinity']
    """
    match type_name:
        case "null":
            return None
        case "bool":
            return text == "true"
        case "int":
            return int(text)
        case "float":
            return float(text)
        case "json":
            return json.loads(text)
    return text


def plain(value: object) -> Any:
    """The value in JSON's types: tuples and sets become lists, numpy scalars numbers, non-finite floats strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item) for item in value]
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return plain(item())
    to_list = getattr(value, "tolist", None)
    return plain(to_list()) if callable(to_list) else str(value)


def parse_text_value(text: str) -> Value:
    """The value that a person meant by ``text`` on a command line: a number, a truth value, JSON, or the text itself.

    >>> [parse_text_value(text) for text in ("3", "0.3", "true", "none", "1e-3", "adam", '["a"]')]
    [3, 0.3, True, None, 0.001, 'adam', ['a']]
    """
    lowered = text.lower()
    if lowered in {"true", "false"}:
        return lowered == "true"
    if lowered in {"none", "null"}:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text[:1] in "[{":
        try:
            parsed: Value = json.loads(text)
        except ValueError:
            return text
        return parsed
    return text
