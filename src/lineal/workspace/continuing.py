"""Which run a program or command goes into where that is not simply a new one: a run that is gone on with, or one that other ranks share.

Light, as training processes come through here; only who goes on with a run asks for what is known of it.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lineal.capture.identity import proven_alive
from lineal.capture.journal import journal_paths, read_journal
from lineal.capture.launch import Launch, bare_id, joined_run, launch, offered_run, process_rank, take_wanted_run, wanted_run
from lineal.errors import InvalidState, LinealError, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from lineal.records.run import Run
    from lineal.workspace.interface import RunRequest
    from lineal.workspace.site import Site

_begun = itertools.count()
"""The runs that this process began: all ranks of a launch count alike, as they run the same program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A process's place in a run.

    Attributes:
        attempt: number of the attempt; 0 where this process cannot know it.
        is_main: whether its end is the run's end; further ranks only add to it.
    """

    run: str
    attempt: int
    is_main: bool


def place_of(site: Site, request: RunRequest, get: Callable[[str], Run]) -> tuple[RunRequest, Place | None]:
    """The request with what the run was asked for before (its name and overrides, unless given anew), and the place in it; None for a new run.

    What the request resumes comes first, then ``LINEAL_RUN``, then what launchers say.

    Raises:
        InvalidState: kind ``still-running``. NotFound: kind ``unknown-reference``.
    """
    if request.resume:
        return _resumed(request, get)
    if request.parent or joined_run() is not None:
        return request, None
    wanted = wanted_run()
    if wanted:
        take_wanted_run()
        return _wanted(site, request, wanted, get)
    found = launch()
    if found is not None:
        return request, _launched(site, found)
    offered = offered_run()
    joins = bool(offered) and (site.layout.journals / offered).is_dir()
    return request, Place(run=offered, attempt=0, is_main=False) if joins else None


def _resumed(request: RunRequest, get: Callable[[str], Run]) -> tuple[RunRequest, Place]:
    run = get(request.resume)
    if not run.status.ended:
        raise _still_running(run.id)
    return _as_before(request, run), Place(run=run.id, attempt=run.attempt + 1, is_main=True)


def _wanted(site: Site, request: RunRequest, wanted: str, get: Callable[[str], Run]) -> tuple[RunRequest, Place]:
    """The place in the run of ``LINEAL_RUN``: whoever says so knows that what ran it before is gone, unless it is seen to live here."""
    whole = bare_id(wanted)
    if process_rank() > 0:
        return request, Place(run=whole or get(wanted).id, attempt=0, is_main=False)
    try:
        run = get(f"run:{wanted}")
    except NotFound:
        if not whole:
            raise
        return request, Place(run=whole, attempt=1, is_main=True)
    if not run.status.ended and _lives_here(site.layout.journals / run.id):
        raise _still_running(run.id)
    return _as_before(request, run), Place(run=run.id, attempt=run.attempt + 1, is_main=True)


def _launched(site: Site, found: Launch) -> Place:
    """The place in the run that all ranks of a launch share, each by itself coming to the same."""
    identifier = hashlib.sha256(f"{site.project_id}:{found.key}:{next(_begun)}".encode()).hexdigest()[:32]
    return Place(run=identifier, attempt=found.attempt, is_main=process_rank() == 0)


def _as_before(request: RunRequest, run: Run) -> RunRequest:
    before = {key: param.value for key, param in run.params.items() if param.origin == "override"}
    return replace(request, name=request.name or run.name, params={**before, **request.params})


def _lives_here(folder: Path) -> bool:
    """Whether a process that owns the run is certainly there on this machine."""
    for path in journal_paths(folder):
        try:
            entry = next(iter(read_journal(path)), {})
        except (LinealError, OSError):
            continue
        if entry.get("role") == "owner" and proven_alive(entry):
            return True
    return False


def _still_running(run: str) -> InvalidState:
    return InvalidState(f"run {run[:8]} is still running", kind="still-running", hint=f"Stop it first: lineal stop {run[:8]}")
