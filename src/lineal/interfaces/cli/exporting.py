"""`--format` and `-o`: a table written into a file, whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lineal.errors import Unavailable
from lineal.interfaces.cli.output import say
from lineal.interfaces.cli.wording import visible

if TYPE_CHECKING:
    from lineal.interfaces.exports import Table

Command = TypeVar("Command", bound=Callable[..., Any])


def export_options(command: Command) -> Command:
    """Adds ``--format`` and ``-o``."""
    output = click.option("-o", "--output", metavar="FILE", default="", help="Write the table into this file; the format by its ending unless given.")
    form = click.option("--format", "form", type=click.Choice(["csv", "parquet"]), help="Write the whole table in this format.")
    return form(output(command))


def write_table(table: Table, *, form: str | None, output: str) -> None:
    """Writes a table into a file that is there only once it is whole, or to standard output.

    Raises:
        click.UsageError: if the format cannot be told, or Parquet would go to a terminal.
        Unavailable: kind ``export-unwritable``, if the file cannot be written; ``missing-extra`` without pyarrow.
    """
    from lineal.interfaces.exports import FORMATS, WRITERS

    form = form or Path(output).suffix.lstrip(".").lower()
    if form not in FORMATS:
        raise click.UsageError(f"the ending of {output!r} is no format: give --format csv or --format parquet")
    pieces = WRITERS[form](table)
    if output and output != "-":
        _write_file(Path(output), pieces)
        say(f"written to {visible(output)}")
        return
    if form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is nothing for a terminal: name a file with -o")
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _write_file(path: Path, pieces: Iterator[bytes]) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name[:100]}.", delete=False) as file:
            beside = Path(file.name)
            try:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                beside.chmod(0o666 & ~_mask())
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror or error}", kind="export-unwritable", hint="Name another file with -o.") from error


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
