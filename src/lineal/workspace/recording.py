"""Begins runs and joins running ones. Light: it opens neither the ledger nor the store, because training processes come through here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.capture.environment import process_variables
from lineal.capture.journal import JournalWriter
from lineal.capture.launch import joined_run, process_rank
from lineal.capture.recorder import JournalRecorder, declaration
from lineal.errors import InvalidInput, Unavailable
from lineal.records import journal
from lineal.records.ids import run_id
from lineal.records.location import RUN, Location, locate
from lineal.records.redaction import Redactor, secret_values

if TYPE_CHECKING:
    from lineal.capture.event_files import EventWatch
    from lineal.capture.process import Outcome
    from lineal.capture.resources import ResourceWatch
    from lineal.records.run import RunStatus
    from lineal.workspace.continuing import Place
    from lineal.workspace.interface import RunRequest
    from lineal.workspace.site import Site

CONTEXT = "context.json"
"""Name of the file in a run's folder of journals with what was true when it began: overrides, tracer, settings of the capture, git's state."""

DIFF = "diff.patch"
"""Name of the file beside it with the redacted uncommitted diff."""

ARTIFACTS = "artifacts"
"""Name of the folder in ``.lineal`` that recorded models are written below, by run, until they are in the store."""


HURRIED_SECONDS = 5.0
"""Files are digested for so long after SIGTERM, and what came of it is sent for `FORWARD_SECONDS` more: clusters kill after 10 to 30 seconds."""
FORWARD_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run that has begun in this process.

    Attributes:
        folder: its folder of journals.
        working: what relative paths are relative to.
        is_main: whether the run ends with this process; a further rank only adds to it.
    """

    id: str
    folder: Path
    working: Path
    name: str
    writer: JournalWriter
    is_main: bool = True


def begin_run(
    site: Site,
    request: RunRequest,
    *,
    place: Place | None = None,
    tracer: str = "",
    program: Mapping[str, Any] | None = None,
    arguments: Sequence[str] | None = None,
) -> Begun:
    """Begins a run that this process owns, and notes everything the request says.

    Args:
        place: in a run that is continued, or that other ranks share.
        tracer: what watches the command, for the record.
        arguments: what parameters are read from; the request's command unless given.
        program: the interpreter, where this very process is what is recorded.

    Raises:
        Unavailable: kind ``journal-unavailable`` or ``disk-full``.
        InvalidInput: kind ``no-folder``.
    """
    redactor = process_redactor()
    identifier, attempt = (place.run, place.attempt) if place else (run_id(site.entropy(16)), 1)
    working = Path(os.path.abspath(request.folder or Path.cwd()))
    if not working.is_dir():
        raise InvalidInput(f"{working} is not a folder", kind="no-folder", hint="Give a folder to run the command in.")
    folder = site.layout.journals / identifier
    name = redactor.text(request.name) or default_name(request.command)
    begin = _begin_fields(site, request, identifier=identifier, working=working, redactor=redactor)
    with _nothing_left_of(folder):
        _prepare(folder, _context(site, request, tracer))
        writer = JournalWriter(
            folder,
            run=identifier,
            project=site.project_id,
            clock=site.clock,
            entropy=site.entropy,
            role="owner",
            rank=process_rank(),
            begin={**begin, "name": name, "attempt": attempt, **(program or {})},
        )
    _note_request(writer, request, arguments=request.command if arguments is None else arguments, redactor=redactor, working=working)
    return Begun(id=identifier, folder=folder, working=working, name=name, writer=writer)


def _begin_fields(site: Site, request: RunRequest, *, identifier: str, working: Path, redactor: Redactor) -> dict[str, Any]:
    outer = joined_run()
    return {
        "command": list(redactor.arguments(request.command)),
        "folder": locate(os.fsencode(working), project=os.fsencode(site.layout.root), home=home()).text or ".",
        "author": site.actor,
        "parent": request.parent or (outer[0] if outer and outer[0] != identifier else ""),
        "experiment": request.experiment,
    }


def end_run(site: Site, begun: Begun, status: RunStatus, outcome: Outcome) -> None:
    """Notes how the run ended, and when: now."""
    begun.writer.append(
        journal.END,
        status=status.value,
        exit_code=outcome.exit_code,
        ended=site.clock(),
        cpu_seconds=outcome.cpu_seconds,
        peak_memory_bytes=outcome.peak_memory_bytes,
    )


def make_recorder(site: Site, begun: Begun, *, finish: Callable[[int], None]) -> JournalRecorder:
    """The recorder of a run that began in this process."""
    return _recorder(site, begun.writer, working=begun.working, overrides=read_context(begun.folder).get("overrides", {}), finish=finish)


def join_run(site: Site) -> JournalRecorder | None:
    """A recorder for the run that this process was started in, or None. Finishing it ends only this process's part."""
    joined = joined_run()
    if joined is None or joined[1].parent != site.layout.journals:
        return None
    identifier, folder = joined
    writer = JournalWriter(folder, run=identifier, project=site.project_id, clock=site.clock, entropy=site.entropy, rank=process_rank())

    def finish(exit_code: int) -> None:
        if exit_code:
            writer.append(journal.WARNING, text="a recording block ended with an exception")

    return _recorder(site, writer, working=Path.cwd(), overrides=read_context(folder).get("overrides", {}), finish=finish)


def begin_rank(site: Site, place: Place) -> Begun:
    """Begins this process's part in a run that another rank owns, on this host or another; it need not have begun yet. Raises like `begin_run`."""
    folder = site.layout.journals / place.run
    attempt = {"attempt": place.attempt} if place.attempt else {}  # else whichever goes on: only the main one may know
    rank = process_rank()
    writer = JournalWriter(folder, run=place.run, project=site.project_id, clock=site.clock, entropy=site.entropy, rank=rank, begin=attempt)
    return Begun(id=place.run, folder=folder, working=Path.cwd(), name=f"rank {rank}", writer=writer, is_main=False)


def read_context(folder: Path) -> dict[str, Any]:
    """What was true when the run began; empty where it cannot be read any more."""
    try:
        found: dict[str, Any] = json.loads((folder / CONTEXT).read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError):
        return {}
    return found


def add_context(folder: Path, facts: Mapping[str, Any]) -> None:
    """Adds to what is known of the run's beginning, in one step."""
    text = json.dumps({**read_context(folder), **facts}, ensure_ascii=True, default=str)
    temporary = folder / f".{CONTEXT}.{os.getpid()}"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / CONTEXT)


def process_redactor() -> Redactor:
    """A redactor that knows this process's secret environment variables."""
    return Redactor(secret_values(process_variables().items()))


def artifacts_folder(site: Site, run: str) -> Path:
    """Where a run's recorded models lie until they are in the store."""
    return site.layout.state / ARTIFACTS / run


def locate_for_run(path: bytes, *, project: bytes, artifacts: bytes) -> Location:
    """The location of a path of a run: its own artifacts are relative to the run, so that two runs' are told apart by nothing but content."""
    if path.startswith(artifacts + b"/"):
        return Location(root=RUN, path=path[len(artifacts) + 1 :])
    return locate(path, project=project, home=home())


def home() -> bytes:
    """The home folder, as bytes."""
    return os.fsencode(os.path.expanduser("~"))


def default_name(command: Sequence[str]) -> str:
    """A run's name where none was given: the script's or module's, else the program's.

    >>> [default_name(words) for words in (["python", "-u", "src/train.py", "x"], ["python3", "-m", "pkg.fit"], ["./fit.sh"], [])]
    ['train', 'pkg.fit', 'fit', 'run']
    """
    words = list(command)
    if not words:
        return "run"
    if os.path.basename(words[0]).startswith("python"):
        for place, word in enumerate(words[1:], start=1):
            if word == "-m" and place + 1 < len(words):
                return words[place + 1]
            if word == "-c":
                return "python"
            if not word.startswith("-"):
                return Path(word).stem or "run"
    return Path(words[0]).stem or "run"


def _recorder(site: Site, writer: JournalWriter, *, working: Path, overrides: Mapping[str, Any], finish: Callable[[int], None]) -> JournalRecorder:
    from lineal.capture.recorder import SavedFiles

    def save(estimator: Any, example: Any, folder: Path) -> SavedFiles:
        from lineal.serving.formats import save_model

        return save_model(estimator, example, folder)

    artifacts = artifacts_folder(site, writer.run)

    def place(path: bytes) -> Location:
        return locate_for_run(path, project=os.fsencode(site.layout.root), artifacts=os.fsencode(artifacts))

    return JournalRecorder(
        writer,
        folder=working,
        overrides=overrides,
        models=artifacts / "models",
        save_model=save,
        locate=place,
        finish=finish,
        redactor=process_redactor(),
        query_keep_bytes=int(site.settings.get("capture.query_keep_bytes", 10_000_000)),
    )


@contextmanager
def _nothing_left_of(folder: Path) -> Iterator[None]:
    """Removes a new folder of journals again if the run cannot begin: what is left would be taken for a run that goes on."""
    new = not folder.exists()
    try:
        yield
    except Unavailable:
        if new:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)
        raise


def _prepare(folder: Path, context: Mapping[str, Any]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / journal.UNCOLLECTED).touch()
        add_context(folder, context)
    except OSError as error:
        raise Unavailable(
            f"the run cannot be recorded in {folder}: {error.strerror}",
            kind="disk-full" if error.errno == 28 else "journal-unavailable",
            hint="Free space or check the folder's rights, then try again.",
        ) from error


def _note_request(writer: JournalWriter, request: RunRequest, *, arguments: Sequence[str], redactor: Redactor, working: Path) -> None:
    from lineal.records.arguments import parse_arguments

    found = parse_arguments(redactor.arguments(arguments))
    if found:
        writer.append(journal.PARAMS, values=found, origin="argument")
    if request.tags:
        writer.append(journal.TAGS, values={key: redactor.text(value) for key, value in request.tags.items()})
    for direction, paths in (("input", request.inputs), ("output", request.outputs)):
        for path in paths:
            kind, fields = declaration(path, direction, "", folder=working, redactor=redactor)
            writer.append(kind, **fields)


def _context(site: Site, request: RunRequest, tracer: str) -> dict[str, Any]:
    return {
        "overrides": dict(request.params),
        "tracer": tracer,
        "variables": _allowed_variables(site),
        "root": os.fsdecode(site.layout.root),
        "mounts": mount_namespace(),
    }


def watch_resources(site: Site, begun: Begun) -> ResourceWatch:
    """Begins to note what the run uses of its machine."""
    from lineal.capture.resources import ResourceWatch

    return ResourceWatch(begun.writer.point, seconds=float(site.settings.get("capture.resources_seconds", 10.0)))


def watch_event_files(begun: Begun) -> EventWatch:
    """Begins to read what the run writes for TensorBoard."""
    from lineal.capture.event_files import EventWatch

    return EventWatch(begun.folder, begun.writer)


def mount_namespace() -> str:
    """Names the file systems that this process sees, where the system tells: the same path may be another file elsewhere."""
    try:
        return os.readlink("/proc/self/ns/mnt")
    except OSError:
        return ""


def _allowed_variables(site: Site) -> dict[str, str]:
    from lineal.capture.environment import ALLOWED

    extra = site.settings.get("capture.variables", ())
    found = process_variables()
    return {name: found[name] for name in sorted({*ALLOWED, *extra}) if name in found}


def interpreter_arguments() -> tuple[str, ...]:
    """The command line of this very process, for runs that a program begins itself."""
    return tuple(sys.orig_argv)
