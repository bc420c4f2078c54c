"""One hierarchy of errors: the class says what the caller can do, ``kind`` says which case it is.

Adapters translate every foreign exception into one of these, so that a caller handles seven classes and no brand's own.
"""

from __future__ import annotations

from typing import ClassVar


class LinealError(Exception):
    """A failure that is told to a person: what thing, why, and what to do next.

    Args:
        message: names the thing and the reason, one sentence, no trailing full stop needed.
        kind: a stable kebab-case name of the case, documented in ``docs/reference/errors.md``.
        hint: the next step, or an empty string where there is none.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, kind: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class InvalidInput(LinealError):
    """What was given does not make sense; the caller must give something else."""

    exit_code = 2
    http_status = 422


class NotFound(LinealError):
    """The named thing is not there."""

    exit_code = 3
    http_status = 404


class Conflict(LinealError):
    """Somebody or something else was first; look again and retry."""

    exit_code = 4
    http_status = 409


class PermissionDenied(LinealError):
    """The request is understood and refused: a rule stands against it."""

    exit_code = 4
    http_status = 403


class InvalidState(LinealError):
    """The thing is there but not in a state that allows this now."""

    exit_code = 4
    http_status = 409


class Integrity(LinealError):
    """Stored bytes or facts are damaged; nothing the caller gave is at fault."""

    exit_code = 5
    http_status = 500


class Unavailable(LinealError):
    """A part that is needed does not answer or has no room; the same request may pass later."""

    exit_code = 6
    http_status = 503
