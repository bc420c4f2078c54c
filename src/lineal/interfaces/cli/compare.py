"""`lineal compare`: runs side by side, what differs first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lineal.interfaces.cli.exporting import export_options, write_table
from lineal.interfaces.cli.output import add_row, heading, now_us, print_document, say, show, styled, table
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.runs import status_text, took
from lineal.interfaces.cli.session import json_option, up_to_date
from lineal.interfaces.cli.wording import DASH, count, short_id, value, visible
from lineal.records.difference import differ
from lineal.records.documents import document

if TYPE_CHECKING:
    from lineal.records.comparison import Comparison
    from lineal.records.difference import FigureChange, RunDifference
    from lineal.records.text_diff import TextDiff

SECTIONS = ("metrics", "params", "inputs", "code", "environment")
TITLES = {"params": "Parameters that differ", "code": "Code that differs", "environment": "Environment that differs"}
MOST_ROWS = 40


@click.command()
@reference_argument("runs", many=True)
@click.option("--code", is_flag=True, help="Of two runs, also how their code differs, line by line.")
@click.option("--log", is_flag=True, help="Of two runs, also how what they printed differs; times do not count.")
@export_options
@json_option
def compare(*, runs: tuple[str, ...], code: bool, log: bool, form: str | None, output: str, as_json: bool) -> None:
    """Compare two or more runs; what differs comes first."""
    if len(runs) < 2:
        raise click.UsageError("name two or more runs")
    if (code or log) and len(runs) != 2:
        raise click.UsageError("--code and --log take exactly two runs")
    space = up_to_date()
    if form or output:
        from lineal.interfaces.exports import comparison_table

        write_table(comparison_table(space, runs), form=form, output=output)
        return
    found = space.runs.compare(runs)
    difference = space.runs.difference(found.runs[0].id, found.runs[1].id, log=log) if code or log else None
    if as_json:
        print_document({**document(found), **({"difference": difference} if difference is not None else {})})
        return
    show_comparison(found)
    if difference is not None:
        show_texts(difference, code=code, log=log)


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
    two = section == "metrics" and len(found.runs) == 2
    made = table("", *_columns(found), *(("difference", "ratio") if two else ()), right=("difference", "ratio"))
    figures = {figure.key: figure for figure in differ(*found.runs).metrics} if two else {}
    for key in differing[:MOST_ROWS]:
        if key in figures:
            add_row(made, [visible(key), *(_cell(section, item) for item in rows[key]), *_apart(figures[key])])
            continue
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


def _apart(figure: FigureChange) -> list[str]:
    return [DASH if item is None else value(item) for item in (figure.difference, figure.ratio)]


def show_texts(found: RunDifference, *, code: bool, log: bool) -> None:
    """Prints how code and logs differ, as a unified diff."""
    files = [*found.code, *((found.uncommitted,) if found.uncommitted is not None else ())] if code else []
    for diff in files:
        _show_text(diff)
    for note in found.notes if code else ():
        show(styled(note, "dim"))
    if code and not files:
        show(heading("The code is the same"))
    if log and found.log is not None:
        _show_text(found.log)
    elif log:
        show(heading("The logs are the same, but for times"))


def _show_text(diff: TextDiff) -> None:
    show(heading(f"{visible(diff.path)}  {diff.change}, +{diff.added} -{diff.removed}"))
    for hunk in diff.hunks:
        show(styled(f"@@ -{hunk.before} +{hunk.after} @@", "cyan"))
        for line in hunk.lines:
            show(styled(visible(line), {"+": "green", "-": "red"}.get(line[:1], "")))
    if diff.note:
        show(styled(diff.note, "dim"))


def _show_sameness(found: Comparison) -> None:
    same = [(section, len(getattr(found, section)) - len(found.differing.get(section, ()))) for section in SECTIONS]
    words = [f"{count(number, 'thing')} in {section}" for section, number in same if number]
    if words:
        say()
        show(styled("The same: " + ", ".join(words), "dim"))
