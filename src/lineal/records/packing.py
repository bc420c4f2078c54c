"""Values as MessagePack carries them: nothing is lost of text that is not UTF-8 or of numbers beyond 64 bits.

Extension 1 is an integer in decimal digits; extension 2 is text as bytes, surrogate-escaped when read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

BIG_INTEGER = 1
RAW_TEXT = 2

_SMALLEST = -(1 << 63)
_LARGEST = (1 << 64) - 1


def packable(value: Any, extension: Callable[[int, bytes], Any]) -> Any:
    """The value in MessagePack's types; numpy scalars and arrays become numbers and lists, what is unknown its text.

    Args:
        value: a parameter's value, or a field of a journal entry.
        extension: makes an extension value of a code and bytes.

    >>> packable({"depth": (3, 4)}, lambda code, data: (code, data))
    {'depth': [3, 4]}
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float | bytes):  # of these very types: encoders refuse classes below them, such as numpy.float64
        return float(value) if isinstance(value, float) else bytes(value)
    if isinstance(value, int):
        return int(value) if _SMALLEST <= value <= _LARGEST else extension(BIG_INTEGER, str(int(value)).encode())
    if isinstance(value, str):
        return _text(str(value), extension)
    if isinstance(value, Mapping):
        return {_text(str(key), extension): packable(item, extension) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((packable(item, extension) for item in value), key=repr)
    if isinstance(value, Sequence):
        return [packable(item, extension) for item in value]
    return _foreign(value, extension)


def unpack_extension(code: int, data: bytes) -> Any:
    """The value of an extension that `packable` made."""
    text = bytes(data)
    return int(text) if code == BIG_INTEGER else os.fsdecode(text)


def _text(value: str, extension: Callable[[int, bytes], Any]) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return extension(RAW_TEXT, value.encode("utf-8", "surrogateescape"))
    return value


def _foreign(value: Any, extension: Callable[[int, bytes], Any]) -> Any:
    for name in ("item", "tolist"):  # numpy, torch and their like: a scalar first, then an array
        method = getattr(value, name, None)
        if callable(method) and (name == "tolist" or getattr(value, "ndim", None) == 0):
            return packable(method(), extension)
    return _text(str(value), extension)
