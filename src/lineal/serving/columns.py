"""Columns of features as bytes: little-endian numbers, texts as codes into a list, all in one zstd block. docs/design/formats.md, "Predictions"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_LEVEL = 1
_NUMBERS = {"f": "<f8", "i": "<i8", "b": "?"}


def encode_columns(columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> bytes:
    """Columns of Python values (None for missing) or arrays as one block; every column gets the narrowest type that holds it."""
    body = {name: _encode(values) for name, values in columns.items()}
    return zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(body))


def decode_columns(block: bytes) -> dict[str, npt.NDArray[Any]]:
    """The columns that `encode_columns` wrote, as arrays: numbers, truth values, or objects (texts, None for missing)."""
    body: dict[str, list[Any]] = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(block))
    return {name: _decode(column) for name, column in body.items()}


def join_columns(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Parts of one column behind one another; parts of different types become objects, except numbers, which become floats."""
    import numpy as np

    kinds = {part.dtype.kind for part in parts}
    if len(kinds) > 1 and not kinds <= {"f", "i"}:
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts) if parts else np.empty(0)


def _encode(given: Sequence[Any] | npt.NDArray[Any]) -> list[Any]:
    """``[type, bytes]``, or for texts ``["s", categories, codes]`` with the last code for missing, or for anything else ``["o", values]``."""
    import numpy as np

    values: Sequence[Any] = given.tolist() if isinstance(given, np.ndarray) else given
    kinds = {type(value) for value in values}
    missing = type(None) in kinds
    kinds.discard(type(None))
    if kinds <= {float, int} and (missing or float in kinds):
        return ["f", np.array(values, dtype="<f8").tobytes()]
    if kinds == {int} and not missing and all(-(1 << 63) <= value < 1 << 63 for value in values):
        return ["i", np.array(values, dtype="<i8").tobytes()]
    if kinds == {bool} and not missing:
        return ["b", np.array(values, dtype=np.bool_).tobytes()]
    if kinds == {str}:
        return _encode_texts(values)
    return ["o", list(values)]


def _encode_texts(values: Sequence[str | None]) -> list[Any]:
    import numpy as np

    known: dict[str, int] = {}
    codes = [len(values) if value is None else known.setdefault(value, len(known)) for value in values]
    width = "<u1" if len(known) < 255 else "<u2" if len(known) < 65535 else "<u4"
    array: npt.NDArray[np.int64] = np.array(codes, dtype=np.int64)
    array[array == len(values)] = len(known)
    return ["s", list(known), width, array.astype(width).tobytes()]


def _decode(column: list[Any]) -> npt.NDArray[Any]:
    import numpy as np

    match column:
        case ["s", categories, width, codes]:
            texts = np.array([*categories, None], dtype=object)
            found: npt.NDArray[Any] = texts[np.frombuffer(codes, dtype=width)]
            return found
        case ["o", values]:
            objects = np.empty(len(values), dtype=object)
            objects[:] = values
            return objects
    return np.frombuffer(column[1], dtype=_NUMBERS[column[0]])
