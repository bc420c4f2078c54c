"""`lineal runs`, `logs`, `stop` and `mark`: the runs that were recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from lineal.interfaces.cli.exporting import export_options, write_table
from lineal.interfaces.cli.output import add_row, console, now_us, print_document, say, show, styled, table, what_next
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.sending import tell_unsent
from lineal.interfaces.cli.session import json_option, up_to_date, workspace
from lineal.interfaces.cli.wording import DASH, ago, count, duration, number, short_id, value, visible
from lineal.records.resources import is_resource

if TYPE_CHECKING:
    from lineal.records.run import Run

STATUS_STYLES = {"finished": "green", "failed": "red", "crashed": "red", "stopped": "yellow", "running": "cyan"}
SHOWN = 50
MOST_COLUMNS = 5
FIXED_WIDTH = 52
COLUMN_WIDTH = 10


@click.command()
@click.option("--where", metavar="EXPR", default="", help="Only runs for which this holds, such as: auc > 0.6 and params.depth = 4")
@click.option("--order", metavar="KEY", default="", help="Order by this, such as loss, or -auc for the highest first.")
@click.option("--limit", type=click.IntRange(min=1), help=f"At most this many; {SHOWN} unless given, and all of them into a file.")
@export_options
@json_option
def runs(*, where: str, order: str, limit: int | None, form: str | None, output: str, as_json: bool) -> None:
    """List runs, newest first."""
    if form or output:
        from lineal.interfaces.exports import runs_table

        write_table(runs_table(up_to_date(), where=where, order=order, limit=limit), form=form, output=output)
        return
    page = up_to_date().runs.search(where=where, order=order, limit=limit or SHOWN)
    if as_json:
        print_document(page.runs)
        return
    if not page.runs:
        say("No run fits." if where else "No run is recorded yet.")
        what_next("lineal runs" if where else "lineal run -- python train.py")
        return
    show(run_table(page.runs))
    if page.total > len(page.runs):
        show(styled(f"\n{len(page.runs)} of {count(page.total, 'run')}; more with --limit", "dim"))
    tell_unsent(workspace())


def run_table(found: Sequence[Run]) -> Any:
    """Runs as a table: what each is, then the metrics and the parameters in which they differ."""
    room = max(2, (console().width - FIXED_WIDTH) // COLUMN_WIDTH)
    metrics = list(dict.fromkeys(key for run in found for key in run.metrics if not is_resource(key)))[: min(MOST_COLUMNS, (room + 1) // 2)]
    params = _differing(found)[: min(MOST_COLUMNS, room - len(metrics))]
    made = table("Run", "Name", "Status", "Started", "Took", *metrics, *params, right=["Took", *metrics])
    now = now_us()
    for run in found:
        measured = [number(run.metrics[key].last) if key in run.metrics else DASH for key in metrics]
        given = [value(run.params[key].value) if key in run.params else DASH for key in params]
        cells = [short_id(run.id), visible(run.name), status_text(run), ago(run.started_at, now), took(run, now), *measured, *given]
        add_row(made, cells, style="dim strike" if run.mistake else "")
    return made


def _differing(found: Iterable[Run]) -> list[str]:
    seen: dict[str, set[str]] = {}
    runs = list(found)
    for run in runs:
        for key in run.params:
            seen.setdefault(key, set())
    for key, values in seen.items():
        values.update(repr(run.params[key].value) if key in run.params else "" for run in runs)
    return [key for key, values in seen.items() if len(values) > 1 or len(runs) == 1]


def status_text(run: Run) -> Any:
    """A run's status in its colour, with what the label says of it."""
    words = f"{run.status}, mistake" if run.mistake else str(run.status)
    return styled(words, STATUS_STYLES.get(str(run.status), ""))


def took(run: Run, now: int) -> str:
    """How long a run took, or has been going on."""
    return duration((run.ended_at or now) - run.started_at) if run.started_at else DASH


@click.command()
@reference_argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@json_option
def logs(*, run: str, follow: bool, as_json: bool) -> None:
    """Print a run's output."""
    space = up_to_date()
    pieces = space.runs.follow(run) if follow else space.runs.log(run)
    if as_json:
        print_document({"run": space.runs.get(run).id, "log": b"".join(pieces).decode("utf-8", "replace")})
        return
    for piece in pieces:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


@click.command()
@reference_argument("run")
def stop(run: str) -> None:
    """Stop a running run: ask it to end, and make it end if it does not."""
    stopped = up_to_date().runs.stop(run)
    say(f"{short_id(stopped.id)} {visible(stopped.name)} is {stopped.status}")


@click.command()
@reference_argument("ref")
@click.option("--mistake", metavar="REASON", required=True, help="Why the run is a mistake; an empty reason takes the mark off.")
def mark(ref: str, mistake: str) -> None:
    """Mark a run as a mistake: it stays, struck out, with the reason."""
    workspace().runs.ingest()
    marked = workspace().runs.mark_mistake(ref, mistake)
    say(f"{short_id(marked.id)} {visible(marked.name)} is " + (f"marked as a mistake: {visible(marked.mistake)}" if marked.mistake else "no mistake"))
    if marked.mistake:
        what_next(f"lineal rm {short_id(marked.id)}")
