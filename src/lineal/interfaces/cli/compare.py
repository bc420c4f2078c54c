"""`lineal compare`: runs side by side, what differs first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lineal.interfaces.cli.output import add_row, heading, now_us, print_document, say, show, styled, table
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.runs import status_text, took
from lineal.interfaces.cli.session import json_option, up_to_date
from lineal.interfaces.cli.wording import DASH, count, short_id, value, visible

if TYPE_CHECKING:
    from lineal.records.comparison import Comparison

SECTIONS = ("metrics", "params", "inputs", "code", "environment")
TITLES = {"params": "Parameters that differ", "code": "Code that differs", "environment": "Environment that differs"}
MOST_ROWS = 40


@click.command()
@reference_argument("runs", many=True)
@json_option
def compare(*, runs: tuple[str, ...], as_json: bool) -> None:
    """Compare two or more runs; what differs comes first."""
    if len(runs) < 2:
        raise click.UsageError("name two or more runs")
    found = up_to_date().runs.compare(runs)
    if as_json:
        print_document(found)
        return
    show_comparison(found)


def show_comparison(found: Comparison) -> None:
    """Prints what differs, section by section, and counts what does not."""
    show(_heads(found))
    for section in SECTIONS:
        _show_differences(found, section)
    _show_sameness(found)


def _columns(found: Comparison) -> list[str]:
    return [short_id(run.id) for run in found.runs]


def _heads(found: Comparison) -> Any:
    made = table("", *_columns(found))
    now = now_us()
    add_row(made, ["name", *(visible(run.name) for run in found.runs)])
    add_row(made, ["status", *(status_text(run) for run in found.runs)])
    add_row(made, ["took", *(took(run, now) for run in found.runs)])
    return made


def _show_differences(found: Comparison, section: str) -> None:
    differing = found.differing.get(section, ())
    if not differing:
        return
    rows = getattr(found, section)
    made = table("", *_columns(found))
    for key in differing[:MOST_ROWS]:
        add_row(made, [visible(key), *(_cell(section, item) for item in rows[key])])
    show(heading(TITLES.get(section, f"{section.capitalize()} that differ")), made)
    if len(differing) > MOST_ROWS:
        show(styled(f"and {len(differing) - MOST_ROWS} more", "dim"))


def _cell(section: str, item: Any) -> str:
    if item is None:
        return DASH
    if section in {"inputs", "code"}:
        return short_id(str(item)) or DASH
    return value(item)


def _show_sameness(found: Comparison) -> None:
    same = [(section, len(getattr(found, section)) - len(found.differing.get(section, ()))) for section in SECTIONS]
    words = [f"{count(number, 'thing')} in {section}" for section, number in same if number]
    if words:
        say()
        show(styled("The same: " + ", ".join(words), "dim"))
