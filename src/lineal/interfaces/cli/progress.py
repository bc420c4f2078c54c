"""Progress of long work, on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.wording import size
from lineal.workspace.interface import Progress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress() -> Iterator[Progress]:
    """Gives a function to report progress to, for as long as the work lasts."""
    if sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


@contextmanager
def bytes_progress() -> Iterator[Progress]:
    """Like `progress`, of work that is counted in bytes: with their rate."""
    if sys.stderr.isatty():
        from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

        with _bars(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as report:
            yield report
    else:
        yield _byte_lines()


@contextmanager
def _bars(*measures: ProgressColumn) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *(measures or (MofNCompleteColumn(),)), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield report


def _byte_lines() -> Progress:
    began = time.monotonic()
    last = began - SECONDS_BETWEEN_LINES

    def report(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_LINES:
            return
        last = now
        rate = f", {size(int(done / (now - began)))}/s" if done and now > began else ""
        click.echo(f"{what}: {size(done)} of {size(total)}{rate}" if total else f"{what}: {size(done)}{rate}", err=True)

    return report


def _lines() -> Progress:
    said: dict[str, float] = {}

    def report(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what in said and now - said[what] < SECONDS_BETWEEN_LINES:
            return
        said[what] = now
        click.echo(f"{what}: {done} of {total}" if total and done else f"{what} …", err=True)

    return report
