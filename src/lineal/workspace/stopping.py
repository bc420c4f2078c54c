"""Stops a running run: asks first, ends it after a grace, and only ever signals processes that are proven to be the run's."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.capture.identity import boot_id, process_start, proven_dead
from lineal.capture.journal import JournalWriter, journal_paths, read_journal
from lineal.errors import InvalidState, LinealError, PermissionDenied
from lineal.records import journal
from lineal.records.run import RunStatus

if TYPE_CHECKING:
    from lineal.records.run import Run
    from lineal.workspace.site import Site

GRACE_SECONDS = 10.0
_LAST_SECONDS = 5.0


def stop_run(site: Site, run: Run) -> None:
    """Sends SIGTERM to the process that owns the run, and SIGKILL to all of it after the setting ``stop.grace_seconds`` (10).

    Raises:
        InvalidState: kind ``not-running``, if it has ended; kind ``runs-elsewhere``, if its process is not on this machine.
        PermissionDenied: kind ``not-yours``, if the process belongs to somebody else.
    """
    if run.status.ended:
        raise InvalidState(f"run {run.id[:8]} is not running: it is {run.status}", kind="not-running", hint="See it with: lineal show RUN")
    folder = site.layout.journals / run.id
    if site.is_served:
        raise _elsewhere(run)  # a journal from another machine must not choose which of this one's processes ends
    begins = [begin for begin in map(_begin_of, journal_paths(folder)) if begin]
    owner = max((begin for begin in begins if begin.get("role") == "owner"), key=lambda begin: int(begin["started"]), default={})
    if not owner or not _is_here(owner):
        raise _elsewhere(run)
    family = _family(begins)
    _signal(owner, signal.SIGTERM, run)
    if not _gone(owner, folder, float(site.settings.get("stop.grace_seconds", GRACE_SECONDS))):
        for process in family:
            _signal(process, signal.SIGKILL, run)
        if not _gone(owner, folder, _LAST_SECONDS):
            _signal(owner, signal.SIGKILL, run)
            _gone(owner, folder, _LAST_SECONDS)
    if not _has_end(folder):
        _write_end(site, run, folder)


def _elsewhere(run: Run) -> InvalidState:
    return InvalidState(
        f"run {run.id[:8]} runs on {run.host or 'another machine'}, not here", kind="runs-elsewhere", hint="Stop it on the machine it runs on."
    )


def _is_here(process: Mapping[str, Any]) -> bool:
    return process.get("boot") == boot_id() and process_start(int(process["pid"])) == process.get("pid_started")


def _signal(process: Mapping[str, Any], number: int, run: Run) -> None:
    if not _is_here(process):
        return
    try:
        os.kill(int(process["pid"]), number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise PermissionDenied(f"run {run.id[:8]} belongs to another user's process", kind="not-yours", hint="Ask its owner to stop it.") from error


def _family(begins: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Every process of the run but the owner: those that wrote journals, and all that descend from it."""
    import psutil

    found = {int(begin["pid"]): begin for begin in begins if begin.get("role") != "owner" and _is_here(begin)}
    for begin in begins:
        if begin.get("role") == "owner" and _is_here(begin):
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(int(begin["pid"])).children(recursive=True):
                    found.setdefault(child.pid, {"pid": child.pid, "boot": boot_id(), "pid_started": process_start(child.pid)})
    return list(found.values())


def _gone(owner: Mapping[str, Any], folder: Path, seconds: float) -> bool:
    """Whether the owner is gone, or has said how the run ended and only completes its record."""
    deadline = time.monotonic() + seconds
    while not proven_dead(owner) and not _has_end(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _has_end(folder: Path) -> bool:
    """Whether the owner said how it ended; a folder that is gone was brought into the ledger with its end."""
    if not folder.exists():
        return True
    for path in journal_paths(folder):
        with contextlib.suppress(LinealError, OSError):
            if any(entry["k"] == journal.END for entry in read_journal(path)):
                return True
    return False


def _write_end(site: Site, run: Run, folder: Path) -> None:
    """Says for a process that could not say it any more that it was stopped."""
    writer = JournalWriter(folder, run=run.id, project=site.project_id, clock=site.clock, entropy=site.entropy)
    writer.append(journal.END, status=RunStatus.STOPPED.value, exit_code=128 + signal.SIGTERM, ended=site.clock())
    writer.close()


def _begin_of(path: Path) -> Mapping[str, Any]:
    with contextlib.suppress(LinealError, OSError, StopIteration):
        return next(iter(read_journal(path)))
    return {}
