"""Errors as RFC 9457 problem documents: what happened, why, and what to do next, for programs and for pages."""

from __future__ import annotations

import re
from typing import Any

from lineal.errors import LinealError

PROBLEM_TYPE = "application/problem+json"


def problem(error: LinealError, *, status: int | None = None, instance: str = "") -> dict[str, Any]:
    """The problem document of an error.

    Args:
        status: where HTTP has a closer number than the error's class, such as 413.
        instance: the path that was asked for.

    >>> from lineal.errors import NotFound
    >>> problem(NotFound("no run is called 3f2a", kind="unknown-reference", hint="lineal runs lists them."))["title"]
    'Not found'
    """
    return {
        "type": f"urn:lineal:error:{error.kind}",
        "title": title(error),
        "status": status or error.http_status,
        "detail": error.message,
        "kind": error.kind,
        "hint": error.hint,
        **({"instance": instance} if instance else {}),
    }


def title(error: LinealError) -> str:
    """The error's class in words, such as ``Not found``."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).capitalize()


class InternalError(LinealError):
    """A mistake of ours. What it was stands in the log of the program, not in the answer."""


def internal_error() -> InternalError:
    """What is told of a failure that no rule foresaw."""
    return InternalError(
        "Lineal failed where it should not have",
        kind="internal-error",
        hint="The traceback is where `lineal ui` or `lineal server` writes its errors; please report it.",
    )
