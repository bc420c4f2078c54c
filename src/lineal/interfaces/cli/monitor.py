"""`lineal monitor`: how a deployed model does, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from lineal.interfaces.cli.model_view import numbers
from lineal.interfaces.cli.output import add_row, facts, heading, print_document, say, show, styled, table, what_next
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.session import json_option, up_to_date
from lineal.interfaces.cli.wording import DASH, count, duration, number, sparkline, visible

if TYPE_CHECKING:
    from lineal.records.monitor import Drift, MonitorReport, Quality, Window

LEVEL_STYLES = {"none": "green", "moderate": "yellow", "large": "red", "skipped": "dim", "too-few": "dim"}
MOST_BINS = 16
SHOWN_FIRST = ("auc", "accuracy", "log_loss", "f1", "rmse", "mae", "r2")
MOST_METRICS = 4


@click.command()
@reference_argument("deployment")
@click.option(
    "--every", type=click.Choice(["hour", "day", "week", "month"]), default="month", show_default=True, help="Length of a window of event time."
)
@json_option
def monitor(*, deployment: str, every: str, as_json: bool) -> None:
    """Show quality and drift of a deployment over time.

    Quality is measured against the true outcomes that came in with lineal truth; drift against the data that the model learned from.
    """
    report = up_to_date().monitors.report(deployment, every=every)
    if as_json:
        print_document(report)
        return
    show_report(report)


def show_report(report: MonitorReport) -> None:
    """Prints a monitor's report: quality by window, drift by feature, what needs a look."""
    show(styled(visible(report.deployment), "bold").append(f"  {visible(report.model)}, {report.task}", style="dim"), facts(_facts(report)))
    if not report.windows:
        say("It has answered nothing yet.")
        return
    show(heading("Quality"), _quality_table(report))
    show(heading("Drift against training (PSI)"), _drift_table(report.windows))
    _show_alerts(report.windows)
    what_next(f"lineal truth {visible(report.deployment)} FILE.csv", "lineal ui")


def _facts(report: MonitorReport) -> Iterator[tuple[str, str]]:
    yield "predictions", f"{report.total:,}"
    yield "when registered", numbers(report.reference_quality)
    yield "refused requests", ", ".join(f"{times:,} × {visible(reason)}" for reason, times in report.rejected.items())
    yield "left out of drift", ", ".join(f"{visible(name)} ({visible(reason)})" for name, reason in report.skipped.items())
    yield "note", visible(report.note)


def _quality_table(report: MonitorReport) -> Any:
    measured = _main_metrics(report.windows)
    rate = "Positive" if report.task == "classification" else "Mean truth"
    made = table("Window", "Predictions", "Truth known", *measured, rate, "Truth after", right=["Predictions", "Truth known", rate])
    for window in report.windows:
        add_row(made, [visible(window.label), f"{window.predictions:,}", *_quality_cells(window.quality, measured)])
    return made


def _main_metrics(windows: Sequence[Window]) -> list[str]:
    """The few that tell most; all of them are in the JSON and on the page."""
    known = dict.fromkeys(key for window in windows if window.quality for key in window.quality.metrics)
    first = [key for key in SHOWN_FIRST if key in known]
    return [*first, *(key for key in known if key not in first)][:MOST_METRICS]


def _quality_cells(quality: Quality | None, measured: Sequence[str]) -> list[str]:
    if quality is None:
        return [DASH] * (len(measured) + 3)
    known = f"{quality.known:,} ({quality.coverage:.0%})"
    return [known, *(_measured(quality, key) for key in measured), number(quality.base_rate, 3), duration(quality.delay_us)]


def _measured(quality: Quality, key: str) -> str:
    if key not in quality.metrics:
        return DASH
    interval = quality.intervals.get(key)
    return f"{quality.metrics[key]:.4g}" + (f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else "")


def _drift_table(windows: Sequence[Window]) -> Any:
    made = table("Feature", *(window.label for window in windows), "Training", "Latest", right=[window.label for window in windows])
    for name in dict.fromkeys(drift.feature for window in windows for drift in window.drift):
        found = [next((drift for drift in window.drift if drift.feature == name), None) for window in windows]
        add_row(made, [visible(name), *map(_level, found), *_histograms(found)])
    answers = [window.prediction_drift for window in windows]
    if any(answers):
        add_row(made, [styled("the answers", "italic"), *map(_level, answers), *_histograms(answers)])
    return made


def _level(drift: Drift | None) -> Any:
    if drift is None:
        return DASH
    if drift.level in {"skipped", "too-few"}:
        return styled(drift.level, "dim")
    return styled(f"{drift.psi:.3f}" + ("" if drift.level == "none" else f" {drift.level}"), LEVEL_STYLES.get(drift.level, ""))


def _histograms(found: Sequence[Drift | None]) -> list[str]:
    latest = next((drift for drift in reversed(found) if drift is not None), None)
    if latest is None:
        return ["", ""]
    return [sparkline(latest.reference.counts[:MOST_BINS]), sparkline(latest.observed.counts[:MOST_BINS])]


def _show_alerts(windows: Sequence[Window]) -> None:
    alerts = [(window.label, alert) for window in windows for alert in window.alerts]
    if alerts:
        show(heading(f"{count(len(alerts), 'alert')}"))
    for label, alert in alerts:
        show(styled(f"! {visible(label)}: {visible(alert)}", "yellow"))
