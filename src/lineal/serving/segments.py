"""Segments of captured predictions: frames of up to 1,024 rows in columns, each with what is needed to pass over it.

docs/design/formats.md, "Predictions".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from lineal.errors import LinealError
from lineal.records.frames import HEAD_SIZE, LARGEST_PAYLOAD, PREDICTIONS, check_head
from lineal.serving.columns import encode_columns

SUFFIX = ".predictions"
FRAME_ROWS = 1024

_FRAME = struct.Struct("<II")


class FrameHead(msgspec.Struct, frozen=True, array_like=True):
    """A frame's payload: what is needed to pass over it, then the compressed columns.

    Attributes:
        rows: how many predictions.
        event, recorded: smallest and largest time, microseconds UTC.
        span: smallest and largest id, 16 bytes each.
        ids: 16 bytes each.
        columns: `encode_columns` of ``event recorded output score key`` and ``f:<feature>`` each.
    """

    rows: int
    model: str
    event: tuple[int, int]
    recorded: tuple[int, int]
    span: tuple[bytes, bytes]
    ids: bytes
    columns: bytes


_DECODER = msgspec.msgpack.Decoder(FrameHead)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRows:
    """Rows that were answered together, in columns of equal length."""

    model: str
    ids: Sequence[str]
    recorded: Sequence[int]
    event: Sequence[int]
    features: Mapping[str, Sequence[Any]]
    output: Sequence[Any]
    score: Sequence[float] | None
    keys: Sequence[str] | None = None


def read_segment(path: Path, damaged: list[str]) -> Iterator[FrameHead]:
    """The whole frames of a segment; what is damaged is named in ``damaged`` and passed over where the next frame can be found."""
    try:
        data = path.read_bytes()
        whole = check_head(data, PREDICTIONS, path.name)
    except OSError as error:
        damaged.append(f"{path.name} cannot be read: {error.strerror}")
        return
    except LinealError as error:
        damaged.append(error.message)
        return
    for payload in _payloads(data, HEAD_SIZE if whole else len(data), path.name, damaged):
        try:
            yield _DECODER.decode(payload)
        except msgspec.MsgspecError as error:
            damaged.append(f"{path.name} holds a block that cannot be read: {error}")


def _payloads(data: bytes, place: int, name: str, damaged: list[str]) -> Iterator[bytes]:
    """The payloads with the right checksum; unlike a journal's, a wrong one does not end the reading: rows stand by themselves."""
    while place + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, place)
        end = place + _FRAME.size + length
        if end > len(data):
            if length > LARGEST_PAYLOAD:
                damaged.append(f"{name} is damaged from byte {place} on")
            return  # torn: its writer died while writing it
        payload = data[place + _FRAME.size : end]
        if zlib.crc32(payload) == checksum:
            yield payload
        elif end < len(data):
            damaged.append(f"{name} is damaged at byte {place}: one block of predictions is lost")
        place = end


def encode_rows(batch: Sequence[AnsweredRows]) -> list[bytes]:
    """Frame payloads of at most `FRAME_ROWS` rows each, in order; rows of different models never share a frame."""
    payloads: list[bytes] = []
    open_rows: list[AnsweredRows] = []
    count = 0
    for rows in (piece for item in sorted(batch, key=lambda item: item.ids[0]) for piece in _pieces(item)):
        if open_rows and (count + len(rows.ids) > FRAME_ROWS or rows.model != open_rows[0].model):
            payloads.append(_payload(open_rows))
            open_rows, count = [], 0
        open_rows.append(rows)
        count += len(rows.ids)
    if open_rows:
        payloads.append(_payload(open_rows))
    return payloads


def _pieces(rows: AnsweredRows) -> list[AnsweredRows]:
    total = len(rows.ids)
    if total <= FRAME_ROWS:
        return [rows]
    cuts = [slice(start, start + FRAME_ROWS) for start in range(0, total, FRAME_ROWS)]
    return [
        AnsweredRows(
            model=rows.model,
            ids=rows.ids[cut],
            recorded=rows.recorded[cut],
            event=rows.event[cut],
            features={name: values[cut] for name, values in rows.features.items()},
            output=rows.output[cut],
            score=None if rows.score is None else rows.score[cut],
            keys=None if rows.keys is None else rows.keys[cut],
        )
        for cut in cuts
    ]


def _payload(rows: Sequence[AnsweredRows]) -> bytes:
    event = [time_us for item in rows for time_us in item.event]
    recorded = [time_us for item in rows for time_us in item.recorded]
    columns: dict[str, Sequence[Any]] = {"event": event, "recorded": recorded, "output": [value for item in rows for value in item.output]}
    if any(item.score is not None for item in rows):
        columns["score"] = [value for item in rows for value in (item.score if item.score is not None else [None] * len(item.ids))]
    if any(item.keys is not None for item in rows):
        columns["key"] = [key for item in rows for key in (item.keys if item.keys is not None else [None] * len(item.ids))]
    for name in rows[0].features:
        columns[f"f:{name}"] = [value for item in rows for value in item.features[name]]
    ids = [bytes.fromhex(identifier.replace("-", "")) for item in rows for identifier in item.ids]
    return msgspec.msgpack.encode(
        FrameHead(
            rows=len(event),
            model=rows[0].model,
            event=(min(event), max(event)),
            recorded=(min(recorded), max(recorded)),
            span=(min(ids), max(ids)),
            ids=b"".join(ids),
            columns=encode_columns(columns),
        )
    )


def id_text(raw: bytes) -> str:
    """A UUID's text form."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
