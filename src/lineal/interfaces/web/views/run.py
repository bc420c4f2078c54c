"""One run: what it is and whether it is all right, what came of it, what is in it, what happened to it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from itertools import islice
from typing import Any

from starlette.responses import Response, StreamingResponse

from lineal.errors import LinealError
from lineal.interfaces.markdown import rendered
from lineal.interfaces.web.drawing import strip
from lineal.interfaces.web.gallery import images
from lineal.interfaces.web.pages import Page, Visit
from lineal.records.documents import document
from lineal.records.filter import quoted
from lineal.records.resources import is_resource
from lineal.records.run import FileUse, Run, RunStatus
from lineal.records.run_table import RunRow

LOG_TAIL = 200_000
FILES_SHOWN = 200
DIFF_SHOWN = 4000
IMAGES = 12
"""Images, or series of images, that a run's page shows by itself."""


def run_page(visit: Visit) -> Page:
    """A run's page."""
    run = visit.workspace.runs.get(visit.path["run"])
    diff = visit.workspace.runs.diff(run.id) if run.code.dirty else ""
    text, left_out = tail(visit.workspace.runs.log(run.id))
    pictures = images(run.outputs)
    context: dict[str, Any] = {
        "run": run,
        "strip": strip(visit.workspace, f"run:{run.id}"),
        "command": shlex.join(run.command),
        "summaries": {key: metric for key, metric in run.metrics.items() if metric.points == 1 and not is_resource(key)},
        "curves": {key: metric for key, metric in run.metrics.items() if metric.points > 1 and not is_resource(key)},
        "resources": {key: metric for key, metric in run.metrics.items() if is_resource(key)},
        "log": text,
        "log_left_out": left_out,
        "log_at": left_out + len(text.encode("utf-8", "replace")),
        "diff": diff.splitlines()[:DIFF_SHOWN],
        "diff_cut": len(diff.splitlines()) > DIFF_SHOWN,
        "inputs": run.inputs[:FILES_SHOWN],
        "outputs": run.outputs[:FILES_SHOWN],
        "images": pictures[:IMAGES],
        "images_more": len(pictures) - len(pictures[:IMAGES]),
        "note": rendered(run.note),
        "models": _models(visit, run),
        "registrable": [use for use in run.outputs if _is_model(use)],
        "seen": fingerprint(run),
        "rerun_of": _named(visit, run.tags.get("reproduces", "")),
        "events": visit.workspace.audit.events(subject=f"run:{run.id}", limit=20),
    }
    return Page(template="run.html", title=f"{run.name or 'run'} #{run.number}", rail="runs", value=run, context=context)


def run_live(visit: Visit) -> Page | Response:
    """The part of a running run's page that changes; nothing where nothing changed since ``seen``."""
    run = visit.workspace.runs.get(visit.path["run"])
    seen = fingerprint(run)
    if visit.word("seen") == seen:
        return Response(status_code=204)
    return Page(
        template="parts/run_live.html",
        title="",
        value=run,
        context={
            "run": run,
            "seen": seen,
            "summaries": {key: metric for key, metric in run.metrics.items() if metric.points == 1 and not is_resource(key)},
        },
    )


def run_others(visit: Visit) -> Page:
    """Runs that this one is likely to be compared with, for the menu that offers them."""
    run = visit.workspace.runs.get(visit.path["run"])
    others = _others(visit, run)
    return Page(template="parts/others.html", title="", value=[other.id for _why, other in others], context={"run": run, "others": others})


def run_log(visit: Visit) -> Response:
    """The run's output from byte ``from`` on, so that a page appends what is new."""
    start = visit.number("from", 0)
    run = visit.workspace.runs.get(visit.path["run"])
    headers = {"x-run-status": str(run.status)}
    return StreamingResponse(_after(visit.workspace.runs.log(run.id), start), media_type="text/plain; charset=utf-8", headers=headers)


def fingerprint(run: Run) -> str:
    """Changes when anything changes that the live part of the page shows."""
    return hashlib.sha256(repr(document(run)).encode("utf-8", "replace")).hexdigest()[:16]


def tail(pieces: Iterator[bytes]) -> tuple[str, int]:
    """The last part of a log as text, and how many bytes before it were left out."""
    kept, left_out = b"", 0
    for piece in pieces:
        kept += piece
        if len(kept) > 2 * LOG_TAIL:
            left_out += len(kept) - LOG_TAIL
            kept = kept[-LOG_TAIL:]
    return kept.decode("utf-8", "replace"), left_out


def _after(pieces: Iterator[bytes], start: int) -> Iterator[bytes]:
    for piece in pieces:
        if start >= len(piece):
            start -= len(piece)
            continue
        yield piece[start:]
        start = 0


def _models(visit: Visit, run: Run) -> list[Any]:
    """The library's versions that this run made."""
    if run.status is RunStatus.RUNNING:
        return []
    try:
        models = visit.workspace.models.list()
    except LinealError:
        return []
    return list(islice((version for model in models for version in model.versions if version.run == run.id and not version.deleted_at), 20))


def _named(visit: Visit, identifier: str) -> Run | None:
    """Another run that this one names, None where there is none."""
    if not identifier:
        return None
    try:
        return visit.workspace.runs.get(f"run:{identifier}")
    except LinealError:
        return None


def _others(visit: Visit, run: Run) -> list[tuple[str, Run | RunRow]]:
    """Runs that this one is likely to be compared with, each once, and why."""
    found: list[tuple[str, Run | RunRow | None]] = [
        ("the run it reproduces", _named(visit, run.tags.get("reproduces", ""))),
        ("its parent", _named(visit, run.parent)),
    ]
    if run.name:
        where = f"name = {quoted(run.name)} and number < {run.number}"
        before = visit.workspace.table.rows(where=where, limit=1, columns=()).rows
        found.append((f"the {run.name} before", before[0] if before else None))
    return list({other.id: (why, other) for why, other in reversed(found) if other is not None and other.id != run.id}.values())[::-1]


def _is_model(use: FileUse) -> bool:
    return use.role.startswith("model") or use.path.endswith((".skops", ".onnx", ".safetensors"))
