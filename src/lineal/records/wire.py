"""Documents back as records: the inverse of `lineal.records.documents.document`, by the types that the records name."""

from __future__ import annotations

import base64
import dataclasses
import math
import os
import types
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from lineal.records.run import Metric, Param, Run

T = TypeVar("T")

_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def restore(kind: type[T], document: Any) -> T:
    r"""The record of a type that a document says.

    Fields that a newer program added are left out, and those that an older one did not know have their defaults.

    Raises:
        ValueError, TypeError, KeyError: if the document is no such record.

    >>> from lineal.records.dataset import TreeEntry
    >>> restore(TreeEntry, {"path": "a", "path_b64": "/w==", "mode": "file", "size": 1, "digest": "blake3:00"}).path
    b'\xff'
    """
    if kind is Run:
        return cast("T", _run(document))
    hints: Mapping[str, Any] = _hints(cast("Any", kind))
    fields = {name: _field(hint, document, name) for name, hint in hints.items() if name in document}
    return kind(**fields)


def restore_each(kind: type[T], documents: Any) -> tuple[T, ...]:
    """A record for each of a list of documents."""
    return tuple(restore(kind, document) for document in documents)


@lru_cache(maxsize=256)
def _hints(kind: Any) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _run(document: Mapping[str, Any]) -> Run:
    """A run's document shows values; types and origins stand beside them."""
    origins, details = document.get("param_origins", {}), document.get("metric_details", {})
    plain = {key: value for key, value in document.items() if key not in {"params", "metrics"}}
    hints = _hints(Run)
    fields = {name: _field(hint, plain, name) for name, hint in hints.items() if name in plain}
    fields["params"] = {key: Param(value=value, origin=origins.get(key, "recorded")) for key, value in document.get("params", {}).items()}
    fields["metrics"] = {key: restore(Metric, detail) for key, detail in details.items()}
    return Run(**fields)


def _field(hint: Any, document: Mapping[str, Any], name: str) -> Any:
    exact = document.get(f"{name}_b64")
    if exact is not None and hint is bytes:
        return base64.b64decode(exact)
    return _value(hint, document[name])


def _value(hint: Any, value: Any) -> Any:
    if value is None or hint is Any or isinstance(hint, TypeVar):
        return value
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        options = [option for option in get_args(hint) if option is not type(None)]
        return _value(options[0], value) if len(options) == 1 else value
    if origin is not None:
        return _collection(origin, get_args(hint), value)
    return _scalar(getattr(hint, "__supertype__", hint), value)


def _collection(origin: Any, arguments: tuple[Any, ...], value: Any) -> Any:
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_value(arguments[0], item) for item in value)
        return tuple(_value(hint, item) for hint, item in zip(arguments, value, strict=True))
    if origin in {frozenset, set}:
        return frozenset(_value(arguments[0], item) for item in value)
    if isinstance(value, Mapping):
        return {_value(arguments[0], key): _value(arguments[1], item) for key, item in value.items()}
    return tuple(_value(arguments[0], item) for item in value)


def _scalar(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        return restore(cast("type[Any]", kind), value)
    make = _MAKERS.get(kind)
    if make is not None:
        return make(value)
    return kind(value) if isinstance(kind, type) and issubclass(kind, Enum) else value


def _number(value: Any) -> float:
    return _NUMBERS[value] if isinstance(value, str) else float(value)


_MAKERS: Mapping[Any, Callable[[Any], Any]] = {float: _number, bytes: os.fsencode, Path: Path}
