"""Records made of their documents again: the inverse of `lineal.records.documents.document`, for whoever asks another Lineal.

Keys that a record does not know are passed over, and those that are missing get their defaults: a server may be a little newer or older than
the program that asks it.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from lineal.errors import Integrity
from lineal.records.comparison import Comparison
from lineal.records.dataset import TreeEntry
from lineal.records.difference import RunDifference
from lineal.records.run import Run, RunPage, Series
from lineal.records.run_table import RowPage

T = TypeVar("T")
Document = Mapping[str, Any]

_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def restore(kind: type[T], value: Any) -> T:
    """The record of that type whose document ``value`` is.

    Raises:
        Integrity: kind ``bad-answer``, if it is no such document.

    >>> restore(TreeEntry, {"path": "a.csv", "mode": "file", "size": 3, "digest": "blake3:00"}).path
    b'a.csv'
    """
    prepare = _PREPARATIONS.get(kind)
    try:
        found: T = msgspec.convert(prepare(value) if prepare else value, kind, strict=False)  # not strict: the texts of NaN and infinities
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise Integrity(
            f"an answer is no {kind.__name__}: {error}", kind="bad-answer", hint="Is the server of another version? Compare with: lineal --version"
        ) from error
    return found


def restore_each(kind: type[T], values: Any) -> tuple[T, ...]:
    """The records of a list of documents. Raises as `restore`."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise Integrity(f"an answer holds no list of {kind.__name__}", kind="bad-answer")
    return tuple(restore(kind, value) for value in values)


def pack_series(series: Sequence[Series]) -> bytes:
    """Series as columns of eight bytes a value, in MessagePack: a million points take 24 MB and no object each."""
    return msgspec.msgpack.encode(
        [
            {
                "key": one.key,
                "steps": _column("q", one.steps),
                "values": _column("d", one.values),
                "times": _column("q", one.times),
                "total": one.total,
                "decimated": one.decimated,
                "rank": one.rank,
                "ranks": one.ranks,
            }
            for one in series
        ]
    )


def unpack_series(data: bytes) -> tuple[Series, ...]:
    """What `pack_series` packed. Raises Integrity kind ``bad-answer``."""
    try:
        columns = msgspec.msgpack.decode(data, type=list[_Columns])
        return tuple(one.series() for one in columns)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Integrity(f"an answer holds no series: {error}", kind="bad-answer") from error


class _Columns(msgspec.Struct, frozen=True, kw_only=True):
    """One series, packed."""

    key: str
    steps: bytes
    values: bytes
    times: bytes
    total: int
    decimated: bool = False
    rank: int = 0
    ranks: int = 1

    def series(self) -> Series:
        """The series."""
        return Series(
            key=self.key,
            steps=tuple(_values("q", self.steps)),
            values=tuple(_values("d", self.values)),
            times=tuple(_values("q", self.times)),
            total=self.total,
            decimated=self.decimated,
            rank=self.rank,
            ranks=self.ranks,
        )


def _column(code: str, values: Sequence[Any]) -> bytes:
    column = array(code, values)
    if _BIG_ENDIAN:
        column.byteswap()
    return column.tobytes()


def _values(code: str, data: bytes) -> array[Any]:
    column: array[Any] = array(code)
    column.frombytes(data)
    if _BIG_ENDIAN:
        column.byteswap()
    return column


_BIG_ENDIAN = array("H", [1]).tobytes() == b"\0\1"


def _run(value: Document) -> Document:
    """A run's document has values where the record has parameters and metrics; what else is known of them stands beside."""
    origins, details = value.get("param_origins", {}), value.get("metric_details", {})
    params = {key: {"value": _NOT_FINITE.get(found, found) if isinstance(found, str) else found} for key, found in value["params"].items()}
    for key, origin in origins.items():
        params[key]["origin"] = origin
    return {**value, "params": params, "metrics": details}


def _page(value: Document) -> Document:
    return {**value, "runs": [_run(run) for run in value["runs"]]}


def _rows(value: Document) -> Document:
    return {**value, "rows": [{**row, "params": {key: _number(found) for key, found in row["params"].items()}} for row in value["rows"]]}


def _number(found: Any) -> Any:
    return _NOT_FINITE.get(found, found) if isinstance(found, str) else found


def _comparison(value: Document) -> Document:
    metrics = {key: [_NOT_FINITE.get(found, found) if isinstance(found, str) else found for found in row] for key, row in value["metrics"].items()}
    return {**value, "metrics": metrics, "runs": [_run(run) for run in value["runs"]]}


def _entry(value: Document) -> Document:
    exact = value.get("path_b64")
    return {**value, "path": base64.b64decode(exact) if exact else value["path"].encode()}


def _difference(value: Document) -> Document:
    """Parameters are of any type, so the texts of NaN and infinities are told apart here; what stands beside them has types."""
    params = [
        {**one, **{side: _NOT_FINITE.get(one[side], one[side]) if isinstance(one[side], str) else one[side] for side in ("before", "after")}}
        for one in value["params"]
    ]
    return {**value, "params": params}


_PREPARATIONS: dict[type[Any], Callable[[Any], Any]] = {
    Run: _run,
    RunPage: _page,
    RowPage: _rows,
    Comparison: _comparison,
    RunDifference: _difference,
    TreeEntry: _entry,
}
