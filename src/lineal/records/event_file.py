"""TensorBoard's event files: the scalars in them, read without TensorFlow or its protocol buffers.

A file is a row of records (length, its checksum, payload, its checksum); a payload is an ``Event``. What is no scalar (histograms, images, graphs) is passed over.

Source: tensorflow/core/lib/io/record_writer.h (records), tensorflow/core/util/event.proto, framework/summary.proto and framework/tensor.proto (payloads),
RFC 3720 appendix B.4 (CRC-32C).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

LARGEST_RECORD = 8 << 20
"""Larger records are images, graphs and the like, and are not looked into."""
MOST_SCALARS = 10_000
"""Of one event; what a file says beyond is not taken."""
LONGEST_TAG = 500

_HEAD = struct.Struct("<QI")
_CHECKED = 1 << 16
"""A longer payload is checked only if it holds scalars: checking costs more than looking."""
_PREFIXED = frozenset({"train", "training", "validation", "valid", "val", "eval", "evaluation", "test"})
_SCALARS = "scalars"
_FIXED = {1: 8, 5: 4}
_TYPES = {1: ("<f", 5), 2: ("<d", 6), 3: ("<i", 7), 9: ("<q", 10), 19: ("<e", 13)}
"""By type of a tensor (float, double, int32, int64, half): how its content is read, and the field that holds the values otherwise."""


class Damaged(ValueError):
    """The file cannot be read on from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one record says.

    Attributes:
        time: microseconds UTC.
        scalars: tags and values.
        passed_over: whether there was something besides scalars.
        damaged: whether its checksum is wrong; nothing of it counts then.
    """

    time: int = 0
    step: int = 0
    scalars: tuple[tuple[str, float], ...] = ()
    passed_over: bool = False
    damaged: bool = False


def read_events(data: bytes) -> Iterator[tuple[Event, int]]:
    """The events from the beginning of ``data``, each with the offset behind it; stops before a record that is cut short.

    The offset behind a record that is too large to be looked into may lie behind the end of ``data``.

    Raises:
        Damaged: at a record whose length is damaged, behind the sound ones.
    """
    at, size = 0, len(data)
    while at + _HEAD.size <= size:
        length, check = _HEAD.unpack_from(data, at)
        if _masked(data[at : at + 8]) != check:
            raise Damaged(f"the length of the record at byte {at} is damaged")
        start, at = at + _HEAD.size, at + _HEAD.size + length + 4
        if length > LARGEST_RECORD:
            yield Event(passed_over=True), at
        elif at > size:
            return
        else:
            yield _checked(data[start : at - 4], data[at - 4 : at]), at


def series_prefix(folder: str, root: str) -> str:
    """What the tags of an event file are prefixed with: its folder as seen from the run's first one, as TensorBoard names its runs.

    Folders that are only a number, such as those of ``add_hparams``, do not count.

    >>> [series_prefix(folder, "/p/runs/a") for folder in ("/p/runs/a", "/p/runs/a/loss_val", "/p/runs/b", "/p/runs/a/1700000000.12", "/q")]
    ['', 'loss_val/', 'b/', '', 'q/']
    """
    here, top = PurePosixPath(folder), PurePosixPath(root)
    for above in (top, top.parent):
        if here.is_relative_to(above) and above != PurePosixPath("/"):
            parts = [part for part in here.relative_to(above).parts if not _is_number(part)]
            return "".join(f"{part}/" for part in parts)
    return f"{here.name}/"


def series_root(folder: str) -> str:
    """The folder that the series of a run are named from, by the folder of its first event file: that of ``train`` is the one above.

    >>> series_root("/p/logs/train"), series_root("/p/runs/a")
    ('/p/logs', '/p/runs/a')
    """
    return str(PurePosixPath(folder).parent) if PurePosixPath(folder).name in _PREFIXED else folder


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    found, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        found = table[(found ^ byte) & 255] ^ (found >> 8)
    return found ^ 0xFFFFFFFF


def _table() -> list[int]:
    found = []
    for value in range(256):
        for _bit in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)  # noqa: PLW2901 - shifted out bit by bit
        found.append(value)
    return found


_TABLE = _table()


def _masked(data: bytes) -> int:
    found = crc32c(data)
    return ((found >> 15 | found << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _checked(payload: bytes, check: bytes) -> Event:
    wanted = int.from_bytes(check, "little")
    if len(payload) <= _CHECKED and _masked(payload) != wanted:
        return Event(damaged=True)
    try:
        event = _event(payload)
    except (ValueError, IndexError, struct.error):
        return Event(damaged=True)
    if len(payload) > _CHECKED and event.scalars and _masked(payload) != wanted:
        return Event(damaged=True)
    return event


def _event(payload: bytes) -> Event:
    time, step = 0.0, 0
    scalars: list[tuple[str, float]] = []
    others = False
    for number, wire, value in _fields(payload):
        if number == 1 and wire == 1:
            (time,) = struct.unpack("<d", value)
        elif number == 2 and wire == 0:
            step = _signed(int.from_bytes(value, "little"))
        elif number == 5 and wire == 2:
            others = _summary(value, scalars) or others
    at = int(time * 1e6) if 0 <= time < 1e11 else 0  # also not a number
    return Event(time=at, step=step, scalars=tuple(scalars[:MOST_SCALARS]), passed_over=others)


def _summary(payload: bytes, scalars: list[tuple[str, float]]) -> bool:
    """Adds the scalars of a summary; whether there was something else."""
    others = False
    for number, wire, value in _fields(payload):
        if number == 1 and wire == 2 and len(scalars) <= MOST_SCALARS:
            scalar = _value(value)
            if scalar is None:
                others = True
            else:
                scalars.append(scalar)
    return others


def _value(payload: bytes) -> tuple[str, float] | None:
    """Tag and number of a value of a summary, if that is what it is."""
    tag, found, plugin = b"", None, _SCALARS
    for number, wire, value in _fields(payload):
        if number == 1 and wire == 2:
            tag = value
        elif number == 2 and wire == 5:
            (found,) = struct.unpack("<f", value)
        elif number == 8 and wire == 2:
            found = _tensor(value)
        elif number == 9 and wire == 2:
            plugin = _plugin(value) or plugin
    if found is None or not tag or len(tag) > LONGEST_TAG or plugin != _SCALARS:
        return None
    return tag.decode("utf-8", "replace"), found


def _plugin(payload: bytes) -> str:
    for number, wire, value in _fields(payload):
        if number == 1 and wire == 2:
            return next((name.decode("utf-8", "replace") for field, kind, name in _fields(value) if field == 1 and kind == 2), "")
    return ""


def _tensor(payload: bytes) -> float | None:
    """The number in a tensor of no dimension; None for any other."""
    fields: dict[int, tuple[int, bytes]] = {}
    for number, wire, value in _fields(payload):
        fields.setdefault(number, (wire, value))
    kind = int.from_bytes(fields.get(1, (0, b""))[1], "little")
    if kind not in _TYPES or any(number == 2 for number, _wire, _value in _fields(fields.get(2, (2, b""))[1])):
        return None
    form, place = _TYPES[kind]
    if fields.get(4, (2, b""))[1]:
        return float(struct.unpack(form, fields[4][1])[0])
    if place not in fields:
        return 0.0  # as protocol buffers leave out what is zero
    return _listed(form, *fields[place])


def _listed(form: str, wire: int, value: bytes) -> float:
    """The first of a field's values, packed or not."""
    if form in {"<f", "<d"}:
        return float(struct.unpack_from(form, value)[0])
    number = _varint(value, 0)[0] if wire == 2 else int.from_bytes(value, "little")
    return float(struct.unpack("<e", (number & 0xFFFF).to_bytes(2, "little"))[0]) if form == "<e" else float(_signed(number))


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, wire type and bytes of each field of a message; those of a varint as little-endian bytes.

    Raises:
        ValueError, IndexError: if it is none.
    """
    at, size = 0, len(data)
    while at < size:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            number, at = _varint(data, at)
            yield key >> 3, wire, number.to_bytes(8, "little")
            continue
        length = _FIXED.get(wire, 0)
        if wire == 2:
            length, at = _varint(data, at)
        elif not length:
            raise ValueError(f"no wire type: {wire}")
        if at + length > size:
            raise ValueError("a field is cut short")
        yield key >> 3, wire, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = data[at]
        at += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
