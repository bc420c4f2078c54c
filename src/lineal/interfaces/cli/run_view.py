"""A run as people read it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lineal.interfaces.cli.output import add_row, facts, heading, now_us, show, styled, table, what_next
from lineal.interfaces.cli.runs import status_text, took
from lineal.interfaces.cli.wording import DASH, ago, count, duration, moment, number, short_id, size, value, visible

if TYPE_CHECKING:
    from lineal.records.run import Environment, FileUse, Run
    from lineal.workspace.interface import Workspace

MOST_FILES = 30


def show_run(_space: Workspace, run: Run) -> None:
    """Prints everything about a run: what it is, what came out, what went in, how it was watched, what to do next."""
    title = styled(visible(run.name), "bold").append(f"  run {short_id(run.id)}", style="dim").append("  ")
    show(title.append(status_text(run)), facts(_facts(run)))
    _show_warnings(run)
    _show_values(run)
    _show_files("Inputs", run.inputs)
    _show_queries(run)
    _show_rows(run)
    _show_files("Outputs", run.outputs)
    show(heading("Capture"), facts(_capture(run)))
    what_next(*_next(run))


def _facts(run: Run) -> Iterator[tuple[str, Any]]:
    now = now_us()
    yield "id", run.id
    yield "command", visible(shlex.join(run.command))
    yield "folder", visible(run.folder)
    yield "started", f"{moment(run.started_at)} ({ago(run.started_at, now)})" if run.started_at else ""
    yield "took", took(run, now)
    yield "exit status", str(run.exit_code) if run.exit_code is not None else ""
    yield "CPU", duration(round(run.cpu_seconds * 1e6)) if run.cpu_seconds is not None else ""
    yield "peak memory", size(run.peak_memory_bytes) if run.peak_memory_bytes else ""
    yield "by", visible(f"{run.author} on {run.host}" if run.host else run.author)
    yield "code", _code(run)
    yield "environment", _environment(run.environment)
    yield "tags", ", ".join(f"{visible(key)}={visible(text)}" for key, text in run.tags.items())
    yield "experiment", visible(run.experiment)
    yield "attempt", str(run.attempt) if run.attempt > 1 else ""
    yield "continues", short_id(run.parent)
    yield "note", visible(run.note)
    yield "mistake", styled(visible(run.mistake), "red") if run.mistake else ""


def _code(run: Run) -> str:
    code = run.code
    if not code.commit:
        return count(len(code.files), "file") if code.files else "not in a git repository"
    branch = f" on {visible(code.branch)}" if code.branch else ""
    return f"{code.commit[:12]}{branch}" + (", with uncommitted changes" if code.dirty else "")


def _environment(found: Environment) -> str:
    words = [f"Python {found.python}" if found.python else "", count(len(found.packages), "package") if found.packages else "", found.platform]
    machine = f"{found.cpu_count} × {found.cpu}" if found.cpu and found.cpu_count else found.cpu
    return visible(", ".join(word for word in (*words, machine, *found.gpus) if word))


def _show_warnings(run: Run) -> None:
    for warning in run.warnings:
        show(styled(f"! {visible(warning)}", "yellow"))


def _show_values(run: Run) -> None:
    if run.params:
        made = table("Parameter", "Value", "From")
        for key, param in run.params.items():
            add_row(made, [visible(key), value(param.value), "" if param.origin == "recorded" else param.origin])
        show(heading("Parameters"), made)
    if run.metrics:
        made = table("Metric", "Last", "Lowest", "Highest", "Points", "On", right=["Last", "Lowest", "Highest", "Points"])
        for key, metric in run.metrics.items():
            extremes = [number(metric.minimum), number(metric.maximum)] if metric.points > 1 else [DASH, DASH]
            add_row(made, [visible(key), number(metric.last), *extremes, f"{metric.points:,}", visible(metric.on)])
        show(heading("Metrics"), made)


def _show_files(title: str, files: Sequence[FileUse]) -> None:
    if not files:
        return
    made = table("Path", "Size", "Digest", "Role", "Part of", "", right=["Size"])
    for use in files[:MOST_FILES]:
        role = f"{use.role} (guessed)" if use.role and use.role_origin == "guessed" else use.role
        note = use.note or ("" if use.restorable else "not restorable")
        add_row(
            made,
            [
                visible(use.path),
                size(use.size),
                short_id(use.digest or "") or (DASH if use.note else "pending"),
                visible(role),
                visible(use.dataset),
                visible(note),
            ],
        )
    show(heading(title), made)
    if len(files) > MOST_FILES:
        show(styled(f"and {len(files) - MOST_FILES:,} more; all of them with --json", "dim"))


def _show_queries(run: Run) -> None:
    for use in run.inputs:
        query = use.facts.get("query")
        if query:
            lines = [("asked", visible(query["source"])), ("statement", visible(str(query["text"]).strip()))]
            lines += [("parameters", value(query["params"]))] if query.get("params") else []
            kept = "" if query.get("kept") else "; the result was not kept"
            told = f"{count(query['rows'], 'row')} of {count(len(query['columns']), 'column')} in {duration(query['took'])}{kept}"
            show(heading(f"Query {visible(query['name'])}"), facts([*lines, ("answer", told)]))


def _show_rows(run: Run) -> None:
    found = [(use.role, use.facts["rows"]) for use in run.inputs if use.facts.get("rows")]
    if found:
        made = table("Rows", "Role", "Rows", "Different", "Columns", right=["Rows", "Different", "Columns"])
        for role, rows in found:
            add_row(made, [visible(rows["name"]), visible(role), f"{rows['rows']:,}", f"{rows['unique']:,}", f"{len(rows['columns']):,}"])
        show(heading("Rows in memory"), made)


def _capture(run: Run) -> Iterator[tuple[str, Any]]:
    capture = run.capture
    yield "grade", capture.grade + (f", watched by {', '.join(capture.tracers)}" if capture.tracers else "")
    yield "not seen", "\n".join(map(visible, capture.unseen))
    yield "not declared", "\n".join(map(visible, capture.undeclared))
    yield "changed while it ran", "\n".join(map(visible, capture.changed))
    yield "lost points", f"{capture.lost_points:,}" if capture.lost_points else ""
    yield "still to digest", count(capture.pending, "file") if capture.pending else ""


def _next(run: Run) -> list[str]:
    name = short_id(run.id)
    if not run.status.ended:
        return [f"lineal logs {name} -f", f"lineal stop {name}"]
    if run.exit_code:
        return [f"lineal logs {name}", f"lineal rm {name}"]
    register = [f"lineal model register {name} --name NAME"] if any(use.role == "model" for use in run.outputs) else []
    return [*register, f"lineal lineage {name}", f"lineal reproduce {name}"]
