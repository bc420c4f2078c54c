"""Requests for predictions: decoded and checked against the signature in one step, with one message that names everything that is wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lineal.errors import InvalidInput
from lineal.records.model import Column, Signature

MOST_INSTANCES = 16_384
MOST_NAMED = 8
LONGEST_KEY = 256
_PYTHON_TYPES: Mapping[str, Any] = {"float": float, "int": int | float, "bool": bool, "string": str}
_EARLIEST_US = 100_000_000_000_000
"""Times before March 1973 are seconds or milliseconds by mistake."""


class Problem(InvalidInput):
    """A request that is refused, with what is wrong per feature."""

    def __init__(self, message: str, *, kind: str, errors: Sequence[Mapping[str, str]] = (), status: int = 422) -> None:
        super().__init__(message, kind=kind)
        self.errors = errors
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictRequest:
    """A checked request.

    Attributes:
        rows: how many instances.
        columns: per input of the signature its values, None for missing.
        event: microseconds UTC per row, or None where the request says nothing.
        keys: the caller's own name of each row, or None where the request gives none.
    """

    rows: int
    columns: Mapping[str, Sequence[Any]]
    event: Sequence[int] | None
    keys: Sequence[str] | None = None


class RequestReader:
    """Reads requests for one signature. The decoder is made once; a request that it takes costs no check in Python."""

    def __init__(self, signature: Signature, model: str) -> None:
        self._signature = signature
        self._model = model
        self._names = [column.name for column in signature.inputs]
        self._whole = [column.name for column in signature.inputs if column.type == "int"]
        self._fast = msgspec.json.Decoder(_request_type(signature))
        self._loose = msgspec.json.Decoder()

    def read(self, body: bytes) -> PredictRequest:
        """The request in a JSON body.

        Raises:
            Problem: kinds ``malformed``, ``no-instances``, ``too-many-instances``, ``bad-event-time``, ``bad-keys``, or, for features that do not fit,
                ``missing-feature``, ``unknown-feature`` or ``wrong-type`` (the first of these that occurs; the message names all).
        """
        try:
            request = self._fast.decode(body)
        except msgspec.ValidationError:
            raise self._explain(body) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(f"the body is not JSON: {error}", kind="malformed", status=400) from error
        rows = len(request.instances)
        _check_count(rows)
        columns: dict[str, Sequence[Any]] = dict(zip(self._names, zip(*map(msgspec.structs.astuple, request.instances), strict=True), strict=True))
        for name in self._whole:
            if float in set(map(type, columns[name])):
                columns[name] = self._integers(columns[name], body)
        event = None if request.event_time is None else event_times(request.event_time, rows)
        if request.keys is not None:
            _check_keys(request.keys, rows)
        return PredictRequest(rows=rows, columns=columns, event=event, keys=request.keys)

    def _integers(self, values: Sequence[Any], body: bytes) -> Sequence[Any]:
        """Whole floats as integers: many clients have no other numbers."""
        if any(isinstance(value, float) and not value.is_integer() for value in values):
            raise self._explain(body)
        return [None if value is None else int(value) for value in values]

    def _explain(self, body: bytes) -> Problem:
        """Why the strict decoder refused a body that may well be JSON."""
        try:
            request = self._loose.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Problem(f"the body is not JSON: {error}", kind="malformed", status=400)
        if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
            return Problem('the body must be an object with a list of "instances"', kind="malformed")
        unknown = sorted(set(request) - {"instances", "event_time", "keys"})
        if unknown:
            return Problem(f'the body has {", ".join(unknown)}; it takes "instances", "event_time" and "keys"', kind="malformed")
        if not all(isinstance(row, dict) for row in request["instances"]):
            return Problem('each of "instances" must be an object of feature and value', kind="malformed")
        errors = check_rows(self._signature, request["instances"])
        if not errors and not _are_texts(request.get("keys")):
            return Problem('"keys" must be a list of texts, one per instance', kind="bad-keys")
        if not errors:
            return Problem('"event_time" must be an ISO 8601 text or microseconds since 1970, one or a list of them', kind="bad-event-time")
        return Problem(_sentence(errors, self._signature, self._model), kind=errors[0]["kind"], errors=errors)


def check_rows(signature: Signature, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What does not fit the signature, each feature once: missing ones first, then unknown ones, then wrong types."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    known = {column.name: column for column in signature.inputs}
    for row in rows:
        for column in signature.inputs:
            if column.required and row.get(column.name) is None:
                found.setdefault(("missing-feature", column.name), _missing(column, null=column.name in row))
        for name, value in row.items():
            if name not in known:
                found.setdefault(("unknown-feature", name), {"kind": "unknown-feature", "feature": name, "reason": "the model has no such feature"})
            elif value is not None and not _fits(known[name], value):
                reason = f"expected {known[name].type}, got {_shown(value)}"
                found.setdefault(("wrong-type", name), {"kind": "wrong-type", "feature": name, "reason": reason})
    order = ("missing-feature", "unknown-feature", "wrong-type")
    return sorted(found.values(), key=lambda item: order.index(item["kind"]))


def event_times(given: Any, rows: int) -> list[int]:
    """Microseconds UTC per row, from one time for all or a list of one per row; a text without a zone is UTC.

    Raises:
        Problem: kind ``bad-event-time``.
    """
    if isinstance(given, list):
        if len(given) != rows:
            raise Problem(f'"event_time" has {len(given)} entries for {rows} instances', kind="bad-event-time")
        return [_event_time(item) for item in given]
    return [_event_time(given)] * rows


def _event_time(given: str | int) -> int:
    if isinstance(given, int):
        if given < _EARLIEST_US or given >= 1 << 62:
            raise Problem(f'"event_time" {given} is not in microseconds since 1970', kind="bad-event-time")
        return given
    try:
        moment = dt.datetime.fromisoformat(given)
    except ValueError as error:
        raise Problem(f'"event_time" {given!r} is no ISO 8601 time', kind="bad-event-time") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return delta // dt.timedelta(microseconds=1)


def _request_type(signature: Signature) -> Any:
    """A struct type of the signature, so that decoding is checking. Fields are numbered: a feature may have any name."""
    fields: list[Any] = []
    for place, column in enumerate(signature.inputs):
        kind = _PYTHON_TYPES.get(column.type, Any)
        fields.append((f"f{place}", kind) if column.required else (f"f{place}", kind | None, None))
    names = {f"f{place}": column.name for place, column in enumerate(signature.inputs)}
    instance = msgspec.defstruct("Instance", fields, rename=names, forbid_unknown_fields=True, kw_only=True, gc=False)
    times = str | int | list[str | int] | None
    keys = list[str] | None
    fields_of_request: list[Any] = [("instances", list[instance]), ("event_time", times, None), ("keys", keys, None)]  # type: ignore[valid-type]
    return msgspec.defstruct("Request", fields_of_request, forbid_unknown_fields=True)


def _check_count(rows: int) -> None:
    if not rows:
        raise Problem('"instances" is empty: there is nothing to predict', kind="no-instances")
    if rows > MOST_INSTANCES:
        raise Problem(f"{rows} instances in one request; at most {MOST_INSTANCES} are taken", kind="too-many-instances", status=413)


def _check_keys(keys: Sequence[str], rows: int) -> None:
    if len(keys) != rows:
        raise Problem(f'"keys" has {len(keys)} entries for {rows} instances', kind="bad-keys")
    if any(len(key) > LONGEST_KEY for key in keys):
        raise Problem(f"a key is longer than {LONGEST_KEY} characters", kind="bad-keys")


def _are_texts(keys: Any) -> bool:
    return keys is None or (isinstance(keys, list) and all(isinstance(key, str) for key in keys))


def _missing(column: Column, *, null: bool) -> dict[str, str]:
    reason = "it is null, and the model takes no missing values" if null else f"the model needs it ({column.type})"
    return {"kind": "missing-feature", "feature": column.name, "reason": reason}


def _fits(column: Column, value: Any) -> bool:
    match column.type:
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "int":
            return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
        case "bool":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
    return True


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 40 else f"{text[:37]}…"


def _sentence(errors: Sequence[Mapping[str, str]], signature: Signature, model: str) -> str:
    """One sentence with everything that is wrong, such as ``missing arr_time: the model delay@1 takes 8 features``."""
    parts = []
    for kind, word in (("missing-feature", "missing"), ("unknown-feature", "unknown"), ("wrong-type", "wrong type of")):
        names = [error["feature"] for error in errors if error["kind"] == kind]
        if kind == "wrong-type":
            names = [f"{error['feature']} ({error['reason']})" for error in errors if error["kind"] == kind]
        if names:
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            parts.append(f"{word} {', '.join(names[:MOST_NAMED])}{more}")
    takes = ", ".join(column.name for column in signature.inputs[:30])
    return f"{'; '.join(parts)}: the model {model} takes {len(signature.inputs)} features ({takes})"
