"""Rows of tables in memory as 64-bit hashes of their values, whatever library or type holds them. docs/design/formats.md, "Rows".

Equal values hash alike: 1 and 1.0 and True, 0.0 and -0.0, every kind of missing, text however it is stored. Columns count in their order and
without their names, so that a data frame and the array made of it have the same rows. Two different rows of a million by a million collide with a
probability of one in ten million.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3

from lineal.errors import InvalidInput
from lineal.records.digest import Digest, blake3_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

MAGIC = b"LNLR"
VERSION = 1
HEAD = struct.Struct("<4sB3xQQII")

_MISSING = np.uint64(0x6D697373696E6721)
_TIME = np.uint64(0x74696D6573746D70)
_LARGE = np.uint64(0x6C61726765696E74)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_EXACT = 1 << 53


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSet:
    """The rows of a table, without their order.

    Attributes:
        hashes: of the different rows, ascending.
        rows: how many there are, repeated ones too; columns: their names, or numbers where they have none.
        labels: digest of the labels in their order, or None.
    """

    hashes: Hashes
    rows: int
    columns: tuple[str, ...]
    labels: Digest | None = None

    def encode(self) -> bytes:
        """The bytes that are kept; equal sets have equal bytes."""
        head = HEAD.pack(MAGIC, VERSION, self.rows, len(self.hashes), len(self.columns), 0)
        return head + self.hashes.astype("<u8").tobytes()


def row_set(table: Any, labels: Any = None) -> RowSet:
    """The rows of a data frame (pandas, polars), a table (pyarrow), an array, or a list of rows.

    Raises:
        InvalidInput: kind ``no-table``, for anything else, and for labels of another length.
    """
    columns = list(_columns(table))
    lengths = {len(values) for _name, values in columns}
    if len(lengths) != 1:
        raise InvalidInput(
            "these are no rows", kind="no-table", hint="Give a data frame, a table, an array of one or two dimensions, or a list of rows."
        )
    count = lengths.pop()
    hashes = np.zeros(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for _name, values in columns:
            hashes = _mixed((hashes + _STEP) ^ column_hashes(values))
    return RowSet(hashes=np.unique(hashes), rows=count, columns=tuple(name for name, _values in columns), labels=_labels(labels, count))


def shared_rows(one: bytes, other: bytes) -> tuple[int, int]:
    """How many different rows of the first encoded set are in the second, and how many different rows the first has."""
    left, right = _hashes_in(one), _hashes_in(other)
    if not len(left) or not len(right):
        return 0, len(left)
    places = np.minimum(np.searchsorted(right, left), len(right) - 1)
    return int(np.count_nonzero(right[places] == left)), len(left)


def column_hashes(values: Any) -> Hashes:
    """One hash for each value of a column."""
    kind = str(getattr(values, "dtype", ""))
    if kind == "category":
        return _categorical(values)
    if kind.startswith("datetime64[") and "," in kind:  # pandas' with a zone: the moment counts, not the zone
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if kind[:1] in {"I", "U", "F"} or kind == "boolean":  # pandas' nullable types
        gone = np.asarray(values.isna())
        plain = values.fillna(0).to_numpy(dtype="float64" if kind[:1] == "F" else "uint64" if kind[:1] == "U" else "int64")
        return np.where(gone, _MISSING, column_hashes(plain))
    array = np.asarray(values)
    return _HASHERS.get(array.dtype.kind, _objects)(array)


def _columns(table: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(table, "column_names") and hasattr(table, "to_pandas"):  # pyarrow: without pandas' guesses about types
        yield from ((str(name), _arrow_column(table.column(name))) for name in table.column_names)
    elif hasattr(table, "get_columns"):  # polars
        yield from ((series.name, series.to_numpy()) for series in table.get_columns())
    elif hasattr(table, "iloc") and hasattr(table, "columns"):
        yield from ((str(name), table.iloc[:, place]) for place, name in enumerate(table.columns))
    elif hasattr(table, "iloc"):
        yield str(table.name or 0), table
    else:
        yield from _array_columns(table)


def _array_columns(table: Any) -> Iterator[tuple[str, Any]]:
    array = table.toarray() if hasattr(table, "toarray") else table
    if isinstance(array, Sequence) and array and isinstance(array[0], Sequence) and not isinstance(array[0], str | bytes):
        yield from ((str(place), _list_column(column)) for place, column in enumerate(zip(*array, strict=True)))
        return
    array = _list_column(array) if isinstance(array, Sequence) and not isinstance(array, str | bytes) else np.asarray(array)
    if array.ndim == 1:
        yield "0", array
    elif array.ndim > 1:
        flat = array.reshape(len(array), math.prod(array.shape[1:]))
        yield from ((str(place), flat[:, place]) for place in range(flat.shape[1]))


def _list_column(values: Iterable[Any]) -> NDArray[Any]:
    """A column of a list: numpy would make texts of numbers that stand beside texts."""
    items = list(values)
    column = np.empty(len(items), dtype=object)
    column[:] = items
    return column


def _arrow_column(column: Any) -> Any:
    if column.null_count:
        return _list_column(column.to_pylist())
    return column.to_numpy()


def _labels(labels: Any, count: int) -> Digest | None:
    if labels is None:
        return None
    hashes = column_hashes(labels if hasattr(labels, "dtype") or hasattr(labels, "__array__") else _list_column(labels))
    if len(hashes) != count:
        raise InvalidInput(f"there are {count} rows and {len(hashes)} labels", kind="no-table", hint="Give one label for each row.")
    return blake3_digest(blake3(hashes.astype("<u8").tobytes()).digest())


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of SplitMix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _floats(array: NDArray[Any]) -> Hashes:
    numbers = array.astype(np.float64) + 0.0  # -0.0 becomes 0.0
    with np.errstate(over="ignore"):
        return np.where(np.isnan(numbers), _MISSING, _mixed(numbers.view(np.uint64)))


def _integers(array: NDArray[Any]) -> Hashes:
    """As floats below 2^53, where those are exact, so that an integer and the float of its value hash alike."""
    hashes = _floats(array)
    large = (array >= _EXACT) | (array <= -_EXACT) if array.dtype.kind == "i" else array >= _EXACT
    if array.dtype.itemsize == 8 and bool(np.any(large)):
        with np.errstate(over="ignore"):
            hashes = np.where(large, _mixed(array.astype(np.int64 if array.dtype.kind == "i" else np.uint64).view(np.uint64) ^ _LARGE), hashes)
    return hashes


def _times(array: NDArray[Any]) -> Hashes:
    moments = array.astype("datetime64[ns]" if array.dtype.kind == "M" else "timedelta64[ns]")
    with np.errstate(over="ignore"):
        return np.where(np.isnat(moments), _MISSING, _mixed(moments.view(np.uint64) ^ _TIME))


def _objects(array: NDArray[Any]) -> Hashes:
    """Each different value is hashed once."""
    places: dict[Any, int] = {}
    try:
        codes = [places.setdefault(value, len(places)) for value in array.tolist()]
    except TypeError:  # values that cannot be keys, such as lists
        places.clear()
        codes = [places.setdefault(repr(value), len(places)) for value in array.tolist()]
    known = np.fromiter((_value_hash(value) for value in places), dtype=np.uint64, count=len(places))
    return known[np.asarray(codes, dtype=np.intp)] if places else np.zeros(0, dtype=np.uint64)


def _categorical(values: Any) -> Hashes:
    found = values.cat if hasattr(values, "cat") else values
    known = np.append(column_hashes(np.asarray(found.categories)), _MISSING)  # the code of what is missing is -1
    return known[np.asarray(found.codes, dtype=np.intp)]


def _value_hash(value: Any) -> int:
    if isinstance(value, str):
        return _text_hash(b"s", value.encode("utf-8", "surrogatepass"))
    if value is None or type(value).__name__ in {"NAType", "NaTType"} or value != value:  # noqa: PLR0124 - a NaN is not itself
        return int(_MISSING)
    if isinstance(value, bool | int | float | np.number):
        return _number_hash(value)
    if isinstance(value, bytes | bytearray):
        return _text_hash(b"b", bytes(value))
    return _text_hash(b"o", str(value).encode("utf-8", "surrogatepass"))


def _number_hash(value: Any) -> int:
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return _text_hash(b"i", str(value).encode())
    return int(column_hashes(np.asarray([value]))[0])


def _text_hash(kind: bytes, data: bytes) -> int:
    return int.from_bytes(blake3(kind + data).digest(8), "little")


def _hashes_in(data: bytes) -> Hashes:
    _magic, _version, _rows, count, _columns, _zero = HEAD.unpack_from(data)
    return np.frombuffer(data, dtype="<u8", count=count, offset=HEAD.size)


_HASHERS: dict[str, Callable[[NDArray[Any]], Hashes]] = {"f": _floats, "i": _integers, "u": _integers, "b": _floats, "M": _times, "m": _times}
