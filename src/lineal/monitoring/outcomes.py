"""Reads a table of true outcomes: every row is understood, or nothing is taken and the lines are named."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lineal.errors import InvalidInput
from lineal.monitoring.truths import Truth
from lineal.records.model import Signature
from lineal.records.values import parse_text_value

ID = "prediction_id"
LABEL = "label"
KNOWN_AT = "known_at"
EARLIEST = 100_000_000_000_000
"""Numbers before March 1973 are seconds, milliseconds or a date without dashes, taken for microseconds by mistake."""

SHOWN = 5
"""So many bad lines are named."""

UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\Z")

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table, its label still a text."""

    line: int
    id: str
    label: str
    known_at: int | None


def read_outcomes(data: bytes, name: str) -> list[Row]:
    """The rows of a CSV file with the columns ``prediction_id`` and ``label``, and ``known_at`` (ISO 8601 or microseconds, UTC) if there.

    Other columns are passed over. Ids are in lower case.

    Raises:
        InvalidInput: kind ``bad-truth-file``, if a column is missing, a row is malformed, or the file is empty or not UTF-8; names the lines.
    """
    reader = csv.reader(io.StringIO(_text(data, name), newline=""), strict=True)
    try:
        header = [title.strip() for title in next(reader, [])]
        _check_header(header, name)
        return list(_rows(reader, header, name))
    except csv.Error as error:
        raise bad_file(f"line {reader.line_num} of {name} is no CSV: {error}", "Quote fields that hold commas or quotes.") from error


def typed_truths(rows: Sequence[Row], signature: Signature, name: str) -> list[Truth]:
    """The rows with labels in the type of the model's answers.

    Raises:
        InvalidInput: kind ``bad-truth-file``, if a label is none the model could have given; names the lines and what was expected.
    """
    parse, expected = label_parser(signature)
    found: list[Truth] = []
    bad: list[str] = []
    for row in rows:
        try:
            found.append(Truth(id=row.id, label=parse(row.label), known_at=row.known_at))
        except (ValueError, KeyError):
            bad.append(f"line {row.line}: {row.label!r}")
    if bad:
        raise bad_file(
            f"{len(bad)} labels in {name} are not {expected} ({_first(bad)}); nothing was taken", f"Give labels as the model answers: {expected}."
        )
    return found


def label_parser(signature: Signature) -> tuple[Callable[[str], Any], str]:
    """What turns a text into a label of that model, and what to call such a label.

    >>> parse, expected = label_parser(Signature(inputs=(), outputs=(), task="classification", classes=(0, 1)))
    >>> parse("1.0"), expected
    (1, 'one of 0, 1')
    """
    if signature.task == "regression":
        return _finite, "a number"
    if signature.task != "classification" or not signature.classes:
        return parse_text_value, "a value"
    by_text = {text: value for value in signature.classes for text in _spellings(value)}
    return by_text.__getitem__, "one of " + ", ".join(str(value) for value in signature.classes)


def bad_file(message: str, hint: str) -> InvalidInput:
    """The error of a table of outcomes that cannot be taken."""
    return InvalidInput(message, kind="bad-truth-file", hint=hint)


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise bad_file(f"line {line} of {name} is not UTF-8", "Save it as CSV in UTF-8.") from error
    if not text.strip():
        raise bad_file(f"{name} is empty", f"It needs a head line with the columns {ID},{LABEL}, then one row per prediction.")
    return text


def _check_header(header: Sequence[str], name: str) -> None:
    missing = [wanted for wanted in (ID, LABEL) if wanted not in header]
    if not missing:
        return
    shown = ", ".join(header[:20])
    raise bad_file(
        f"{name} has no column {' and no column '.join(missing)}; its columns are: {shown}",
        f"The first line must name the columns {ID},{LABEL} (and {KNOWN_AT}, if you know when the outcome was known).",
    )


def _rows(reader: Iterator[list[str]], header: Sequence[str], name: str) -> Iterator[Row]:
    spots = {title: header.index(title) for title in (ID, LABEL, KNOWN_AT) if title in header}
    bad: list[str] = []
    for fields in reader:
        line: int = reader.line_num  # type: ignore[attr-defined]
        if not fields:
            continue
        reason = _malformed(fields, header, spots)
        if reason:
            bad.append(f"line {line}: {reason}")
            continue
        known_at = fields[spots[KNOWN_AT]].strip() if KNOWN_AT in spots else ""
        yield Row(line=line, id=fields[spots[ID]].strip().lower(), label=fields[spots[LABEL]].strip(), known_at=_moment(known_at))
    if bad:
        raise bad_file(f"{len(bad)} rows of {name} cannot be read ({_first(bad)}); nothing was taken", "Mend or leave out these rows.")


def _malformed(fields: Sequence[str], header: Sequence[str], spots: dict[str, int]) -> str:
    if len(fields) != len(header):
        return f"{len(fields)} fields instead of {len(header)}"
    if not fields[spots[ID]].strip():
        return f"no {ID}"
    if not fields[spots[LABEL]].strip():
        return "no label; leave predictions without an outcome out"
    if KNOWN_AT in spots:
        try:
            _moment(fields[spots[KNOWN_AT]].strip())
        except ValueError:
            return f"{KNOWN_AT} {fields[spots[KNOWN_AT]]!r} is no time"
    return ""


def _moment(text: str) -> int | None:
    """Microseconds UTC of an ISO 8601 time (UTC where it has no offset) or of a number of microseconds; None for an empty text."""
    if not text:
        return None
    if text.lstrip("-").isdigit():
        number = int(text)
        if not EARLIEST <= number < 1 << 62:
            raise ValueError(text)
        return number
    moment = dt.datetime.fromisoformat(text)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)) - _EPOCH) // _MICROSECOND


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _spellings(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("true", "True", "TRUE", "1", "1.0") if value else ("false", "False", "FALSE", "0", "0.0")
    if isinstance(value, int | float) and float(value).is_integer():
        return (str(int(value)), f"{int(value)}.0")
    return (str(value),)


def _first(bad: Sequence[str]) -> str:
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return "; ".join(bad[:SHOWN]) + more
