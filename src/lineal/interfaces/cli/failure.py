"""How a command ends when it cannot do what it was asked: one message, the next step, and an exit code that says of what class it is."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import click

from lineal.errors import InvalidInput, LinealError, PermissionDenied, Unavailable
from lineal.interfaces.cli.wording import visible

INTERRUPTED = 130
BROKEN_PIPE = 141


class ReaderGone(Exception):
    """Whoever read the output went away. Raised in place of `BrokenPipeError`, which click would take for a failure."""


def guarded(call: Callable[[], Any], *, as_json: bool) -> int:
    """Runs a command and gives its exit code; a user's mistake is told in words, a bug of ours shows its traceback.

    Args:
        as_json: whether the problem is also printed as JSON on standard output.
    """
    try:
        result = call()
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except (BrokenPipeError, ReaderGone):
        return _leave_pipe()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except (click.ClickException, LinealError, OSError) as error:
        return _report(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def _report(error: Exception, *, as_json: bool) -> int:
    problem = _translate(error)
    tell(problem)
    if as_json:
        from lineal.interfaces.problems import problem as problem_document

        click.echo(json.dumps({**problem_document(problem), "exit_code": problem.exit_code}, indent=2))
    return problem.exit_code


def end_with(error: LinealError) -> NoReturn:
    """Ends a command that has printed its answer, and has to say no all the same: the problem is not printed as a second document."""
    tell(error)
    raise click.exceptions.Exit(error.exit_code)


def tell(error: LinealError) -> None:
    """Prints an error for people, on standard error."""
    click.secho("error: ", fg="red", nl=False, err=True)
    click.echo(_lines(error.message), err=True)
    if error.hint:
        click.echo(f"  {_lines(error.hint)}", err=True)


def _lines(text: str) -> str:
    return "\n".join(visible(line) for line in text.split("\n"))


def _translate(error: Exception) -> LinealError:
    if isinstance(error, LinealError):
        return error
    if isinstance(error, OSError):
        return _of_system(error)
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"See: {context.command_path} --help" if context else ""
    return InvalidInput(error.format_message() if isinstance(error, click.ClickException) else str(error), kind="usage", hint=hint)


def _of_system(error: OSError) -> LinealError:
    """What the operating system said, where no part of ours put it better. Anything but room and rights is a bug of ours."""
    number, name = error.errno, os.fsdecode(error.filename) if error.filename else "the disk"
    if number in {errno.ENOSPC, errno.EDQUOT}:
        return Unavailable(f"{name} is full", kind="disk-full", hint="Free space, then try again.")
    if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return PermissionDenied(f"{name} must not be opened: {os.strerror(number or 0)}", kind="not-permitted", hint="Give yourself the right to it.")
    raise error


def _leave_pipe() -> int:
    """The reader went away, as ``head`` does: end quietly, and let nothing be flushed into the closed pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):  # standard output may be no real file
        os.dup2(nowhere, sys.stdout.fileno())
    return BROKEN_PIPE
