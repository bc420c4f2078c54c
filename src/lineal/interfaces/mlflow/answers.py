"""Answers and errors as MLflow's clients expect them. Source: MLflow 3.17, ``protos/service.proto`` and ``utils/validation.py``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from lineal.errors import Conflict, InvalidInput, InvalidState, LinealError, NotFound, PermissionDenied, Unavailable

BAD_VALUE = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
TAKEN = "RESOURCE_ALREADY_EXISTS"
_STATUS: Mapping[str, int] = {
    BAD_VALUE: 400,
    "BAD_REQUEST": 400,
    TAKEN: 400,
    MISSING: 404,
    "ENDPOINT_NOT_FOUND": 404,
    "INVALID_STATE": 500,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "INTERNAL_ERROR": 500,
}
_CODES: tuple[tuple[type[LinealError], str], ...] = (
    (InvalidInput, BAD_VALUE),
    (NotFound, MISSING),
    (PermissionDenied, "PERMISSION_DENIED"),
    (Conflict, "TEMPORARILY_UNAVAILABLE"),
    (InvalidState, "BAD_REQUEST"),  # MLflow answers its own INVALID_STATE with 500, which its client tries again for minutes
    (Unavailable, "TEMPORARILY_UNAVAILABLE"),
)
_encoder = msgspec.json.Encoder()


class Refusal(Exception):
    """An error by MLflow's own name."""

    def __init__(self, message: str, code: str = BAD_VALUE) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def answer(value: Any, *, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(_encoder.encode(value), status_code=status, media_type="application/json")


def refusal(code: str, message: str) -> Response:
    """An error as MLflow's clients read it."""
    headers = {"retry-after": "1"} if code == "TEMPORARILY_UNAVAILABLE" else {}
    return Response(
        _encoder.encode({"error_code": code, "message": message}),
        status_code=_STATUS.get(code, 500),
        media_type="application/json",
        headers=headers,
    )


def refusal_of(error: LinealError) -> Response:
    """One of our errors as one of MLflow's."""
    if error.kind == "name-taken":
        return refusal(TAKEN, error.message)
    if error.kind == "damaged-model":
        return refusal(BAD_VALUE, error.message)
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "INTERNAL_ERROR")
    return refusal(code, f"{error.message}. {error.hint}" if error.hint else error.message)


def error_body(error: LinealError) -> bytes:
    """The body of one of our errors, for an answer whose status says more already."""
    return bytes(refusal_of(error).body)


def number(value: float) -> float | str:
    """A number as JSON has it; what is not finite is a text, as in protobuf's JSON."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def decode(body: bytes) -> dict[str, Any]:
    """A body's object; Python's own writing of NaN is taken, too. Raises `Refusal`."""
    if not body.strip():
        return {}
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise Refusal("Request body is not valid JSON", "BAD_REQUEST") from None
    if isinstance(found, str):  # older clients encode twice
        return decode(found.encode()) if not found.startswith('"') else {}
    if not isinstance(found, dict):
        raise Refusal("Request body must be a JSON object", "BAD_REQUEST")
    return found
