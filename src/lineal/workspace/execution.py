"""`lineal run`: a command is run as a child, its output streams through, and everything around it is recorded."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lineal.capture.environment import process_variables
from lineal.capture.process import Outcome, run_process
from lineal.capture.tracers import choose_tracer
from lineal.capture.tracers.inject import lineal_hook
from lineal.capture.tracers.interface import Tracer
from lineal.records import journal
from lineal.records.redaction import Redactor
from lineal.records.run import Run, RunStatus
from lineal.workspace import collection
from lineal.workspace.recording import (
    FORWARD_SECONDS,
    HURRIED_SECONDS,
    Begun,
    add_context,
    begin_rank,
    begin_run,
    end_run,
    process_redactor,
    watch_event_files,
    watch_resources,
)

if TYPE_CHECKING:
    from lineal.workspace.continuing import Place
    from lineal.workspace.interface import RunRequest
    from lineal.workspace.site import Site


def execute(site: Site, request: RunRequest, *, place: Place | None = None) -> Run:
    """Runs the request's command to its end and records it; the run it gives has the command's status in ``exit_code``.

    Once the command has begun, no failure of Lineal's own hides its result: the problem is told on stderr, and what was recorded stays in the
    run's journals until the next reader brings it in.

    Raises:
        InvalidInput: kinds ``empty-command``, ``no-folder``, ``unknown-tracer`` and ``tracer-unavailable``, before anything has run.
        Unavailable: kinds ``journal-unavailable`` and ``disk-full``, likewise.
    """
    if place is not None and not place.is_main:
        return _execute_rank(site, request, place)
    tracer = choose_tracer(str(site.settings.get("capture.tracer", "auto")))
    begun = begin_run(site, request, place=place, tracer=tracer.name if tracer else "")
    redactor = process_redactor()
    noting = _in_background(lambda: _note_code(site, begun, redactor))
    watch, events = watch_resources(site, begun), watch_event_files(begun)
    outcome = _run(site, begun, request, tracer=tracer, redactor=redactor)
    watch.stop()
    events.finish()
    noting.join()
    status = _status(outcome)
    end_run(site, begun, status, outcome)
    begun.writer.close()
    _complete(site, begun, tracer, hurried=outcome.interrupted == signal.SIGTERM)
    return _bare(site, begun, outcome)


def _execute_rank(site: Site, request: RunRequest, place: Place) -> Run:
    """Runs the command of a further rank: it joins the run of the main one, whose files, log and end are the run's."""
    begun = begin_rank(site, place)
    watch = watch_resources(site, begun)
    environment = _environment(site, begun)
    outcome = run_process(tuple(request.command), folder=begun.working, environment=environment, sink=lambda _piece: None)
    watch.stop()
    if outcome.problem:
        tell(outcome.problem)
    if outcome.exit_code and not outcome.interrupted:
        begun.writer.append(journal.WARNING, text=f"{begun.name} ended with status {outcome.exit_code}")
    begun.writer.close()
    return _bare(site, begun, outcome)


def _bare(site: Site, begun: Begun, outcome: Outcome) -> Run:
    """What is known of the run without asking anybody."""
    return Run(
        id=begun.id,
        name=begun.name,
        status=_status(outcome),
        exit_code=outcome.exit_code,
        cpu_seconds=outcome.cpu_seconds,
        peak_memory_bytes=outcome.peak_memory_bytes,
        ended_at=site.clock(),
    )


def _run(site: Site, begun: Begun, request: RunRequest, *, tracer: Tracer | None, redactor: Redactor) -> Outcome:
    environment = _environment(site, begun)
    command = tuple(request.command)
    if tracer is not None and command:
        watch = tracer.watch(command, folder=begun.working, journals=begun.folder, environment=environment)
        command, environment = watch.command, {**environment, **watch.environment}
    with _Log(begun.folder / journal.OUTPUT_LOG, redactor) as log:
        outcome = run_process(command, folder=begun.working, environment=environment, sink=log.write)
        if outcome.problem:
            message = f"lineal: {outcome.problem}\n".encode(errors="surrogateescape")
            os.write(2, message)
            log.write(message)
    return outcome


def _environment(site: Site, begun: Begun) -> dict[str, str]:
    """What the command is started with: it knows which run it is part of."""
    environment = {
        **process_variables(),
        journal.RUN_VARIABLE: begun.id,
        journal.FOLDER_VARIABLE: str(begun.folder),
        lineal_hook.PROJECT: site.project_id,
        lineal_hook.ROOT: str(site.layout.root),
        "PWD": str(begun.working),
    }
    environment.setdefault("PYTHONUNBUFFERED", "1")
    return environment


class _Log:
    """The redacted copy of the output. A full disk loses the rest of the copy, never the output itself."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._path = path
        self._stream = redactor.stream()
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        return self

    def __exit__(self, *_raised: object) -> None:
        self._put(self._stream.close())
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def write(self, data: bytes) -> None:
        """Takes a piece of output."""
        self._put(self._stream.feed(data))

    def _put(self, data: bytes) -> None:
        if not data or self._descriptor < 0:
            return
        try:
            os.write(self._descriptor, data)
        except OSError as error:
            tell(f"the log is cut off here: {error.strerror}")
            os.close(self._descriptor)
            self._descriptor = -1


def tell(text: str) -> None:
    """Tells the user about a problem of Lineal's own, on stderr."""
    try:
        print(f"lineal: {text}", file=sys.stderr, flush=True)  # noqa: T201 - the terminal is this use case's other end
    except OSError:
        return


def _complete(site: Site, begun: Begun, tracer: Tracer | None, *, hurried: bool) -> None:
    """Digests the run's files; where the machine is being taken away, what was recorded travels first, and only what there is time for is digested."""
    try:
        if hurried and site.forward is not None:
            site.forward(begun.id, time.monotonic() + FORWARD_SECONDS)
        if tracer is not None and (unseen := tracer.settle(journals=begun.folder)):
            add_context(begun.folder, {"unseen": list(unseen)})
        seconds = float(site.settings.get("capture.finish_seconds", collection.FINISH_SECONDS))
        seconds = min(seconds, HURRIED_SECONDS) if hurried else seconds
        if not collection.collect_run(site, begun.folder, deadline=time.monotonic() + seconds):
            tell("not every file is digested yet; that goes on in the background")
            collection.finish_in_background(site, begun.folder)
    except Exception as error:  # noqa: BLE001 - the command has ended: its status must not be hidden by a failure of ours
        tell(f"the record of run {begun.id[:8]} is not complete: {error}")
        tell("what was recorded is kept, and brought in by the next lineal command that can")


def _note_code(site: Site, begun: Begun, redactor: Redactor) -> None:
    try:
        state = collection.note_code(begun.folder, site.layout.root, redactor=redactor)
    except OSError as error:
        with contextlib.suppress(OSError):  # the full disk that was in the way may be in the way of this, too
            add_context(begun.folder, {"unseen": [f"the state of the code could not be noted: {error.strerror}"]})
        return
    if state.commit:
        begun.writer.append(journal.CODE, commit=state.commit, branch=state.branch, remote=state.remote, dirty=bool(state.diff))


def _status(outcome: Outcome) -> RunStatus:
    if outcome.interrupted or outcome.signal in {signal.SIGINT, signal.SIGTERM}:
        return RunStatus.STOPPED
    return RunStatus.FINISHED if outcome.exit_code == 0 else RunStatus.FAILED


def _in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="lineal-code", daemon=True)
    thread.start()
    return thread
