"""Where output goes: tables and texts for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import click

from lineal.bootstrap.settings import environment
from lineal.interfaces.cli.wording import visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

UNLIMITED = 10_000
NAME_WIDTH = 8
"""The first column names the thing; however narrow the terminal, so much of it stays."""


def console() -> Console:
    """Standard output, as wide as the terminal; where there is none, nothing is cut."""
    from rich.console import Console

    limited = sys.stdout.isatty() or "COLUMNS" in environment()
    return Console(width=None if limited else UNLIMITED, highlight=False, soft_wrap=False)


def show(*parts: RenderableType) -> None:
    """Prints renderables and texts. Square brackets in texts are no markup: what users name may hold them."""
    target = console()
    with target.capture() as captured:
        for part in parts:
            target.print(part, markup=False)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def say(text: str = "") -> None:
    """Prints a line as it is."""
    click.echo(text)


def print_document(value: object) -> None:
    """Prints a record as one JSON document."""
    from lineal.records.documents import document

    click.echo(json.dumps(document(value), indent=2, ensure_ascii=not _speaks_utf8(), allow_nan=False))


def _speaks_utf8() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or ""
    return encoding.lower().replace("-", "") == "utf8"


def now_us() -> int:
    """Now, in microseconds UTC."""
    return time.time_ns() // 1000


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table without lines; the columns named in ``right`` are aligned right."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    numbers = set(right)
    for place, column in enumerate(columns):
        side: Literal["left", "right"] = "right" if column in numbers else "left"
        made.add_column(visible(column), justify=side, no_wrap=True, overflow="ellipsis", min_width=0 if place else NAME_WIDTH)
    return made


def add_row(to: Table, cells: Sequence[Any], *, style: str = "") -> None:
    """Adds a row of plain texts; what is a text already styled stays so."""
    from rich.text import Text

    to.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in cells), style=style or None)


def styled(text: str, style: str) -> Text:
    """A text in a style, for a table's cell or a line."""
    from rich.text import Text

    return Text(text, style=style)


def facts(pairs: Iterable[tuple[str, Any]]) -> Table:
    """Names and values side by side; pairs without a value are left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, item in pairs:
        if item not in (None, "", ()):
            grid.add_row(name, item if isinstance(item, Text) else Text(str(item)))
    return grid


def heading(text: str) -> Text:
    """A line above a section, with a blank one before it."""
    from rich.text import Text

    return Text(f"\n{text}", style="bold")


def what_next(*commands: str) -> None:
    """Ends an output with the commands that usually follow."""
    if commands:
        show(styled("\nNext  " + "\n      ".join(commands), "dim"))
