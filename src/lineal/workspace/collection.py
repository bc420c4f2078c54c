"""Completes the record of a run that has ended: its files digested and stored, its code, environment and log, and how complete all that is.

Whoever finds a run in need of it does it: the command that ran it, the process that recorded it, or the next reader. A lock on the mark in the
run's folder keeps two from doing it at once; what was done already is not done again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.capture.code import GitState, read_git_state
from lineal.capture.collect import Collected, Place, collect_files, missing_outputs, plan_items
from lineal.capture.environment import describe_environment
from lineal.capture.event_files import EventReader, is_event_file, read_rest
from lineal.capture.identity import proven_dead
from lineal.capture.journal import JournalWriter, journal_paths, read_journal
from lineal.capture.metric_files import read_metric_files
from lineal.capture.sightings import Sightings, changed_at, read_sightings
from lineal.errors import LinealError
from lineal.records import journal
from lineal.records.redaction import Redactor
from lineal.records.run import Capture, Code
from lineal.store.sources.places import TrackedFolders
from lineal.workspace.asking import ask_sources
from lineal.workspace.mount_reads import take_mounted
from lineal.workspace.recording import DIFF, add_context, artifacts_folder, home, mount_namespace, process_redactor, read_context

if TYPE_CHECKING:
    from lineal.workspace.site import Site

FINISH_SECONDS = 30.0
_MOST_NAMED = 20
_LOOK_SECONDS = 0.02
_LEFT = "left_to_others"


def note_code(folder: Path, root: Path, *, redactor: Redactor) -> GitState:
    """Notes the git state of the project at ``root`` beside the journals, as it is now that the run begins."""
    state = read_git_state(root, redactor=redactor)
    if state.diff:
        (folder / DIFF).write_bytes(state.diff)
    add_context(folder, {"git": {**dataclasses.asdict(state), "diff": ""}})
    return state


def collect_pending(site: Site) -> int:
    """Collects every run whose owner is dead, or left it to others, and whose files are not digested; says how many."""
    done = 0
    for folder in uncollected(site):
        if read_context(folder).get(_LEFT) or owner_is_dead(folder):
            with contextlib.suppress(LinealError, OSError):  # a full disk, say: what is read must not fail for it; the mark stays
                done += collect_run(site, folder)
    return done


def uncollected(site: Site) -> list[Path]:
    """The folders of journals with the mark."""
    try:
        folders = sorted(site.layout.journals.iterdir())
    except FileNotFoundError:
        return []
    return [folder for folder in folders if (folder / journal.UNCOLLECTED).exists()]


def owner_is_dead(folder: Path) -> bool:
    """Whether every process that began an attempt of the run is proven gone; True where none was left a journal."""
    owners = [entry for entry in map(_begin_of, journal_paths(folder)) if entry.get("role") == "owner"]
    return all(proven_dead(entry) for entry in owners)


def collect_run(site: Site, folder: Path, *, deadline: float = float("inf")) -> bool:
    """Completes the record of the run in ``folder``; False where another process is at it, or the deadline came first.

    Args:
        deadline: of `time.monotonic`.
    """
    with _claimed(folder) as claimed:
        if not claimed:
            return False
        writer = JournalWriter(folder, run=folder.name, project=site.project_id, clock=site.clock, entropy=site.entropy)
        try:
            pending = _collect(site, folder, writer, deadline=deadline)
        finally:
            writer.close()
        if not pending:
            _remove_artifacts(site, folder.name)
            for name in (DIFF, "context.json", journal.UNCOLLECTED):
                (folder / name).unlink(missing_ok=True)
        return not pending


def await_files(site: Site, run: str, *, seconds: float = FINISH_SECONDS) -> bool:
    """Waits for whoever digests the files of a run that has ended, and does it where nobody lives who will; False if time is up first."""
    folder = site.layout.journals / run
    deadline = time.monotonic() + seconds
    while (folder / journal.UNCOLLECTED).exists():
        collect_pending(site)
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def finish_in_background(site: Site, folder: Path) -> None:
    """Leaves the run to whoever comes next, and starts a process of its own that does; does not wait for it."""
    with contextlib.suppress(FileNotFoundError):  # its record is complete, and only has to travel
        add_context(folder, {_LEFT: True})
    command = [sys.executable, "-m", "lineal.bootstrap.finisher", str(site.layout.root)]
    with contextlib.suppress(OSError):
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=site.layout.root
        )
        child.returncode = 0  # it outlives us and is never waited for


def _collect(site: Site, folder: Path, writer: JournalWriter, *, deadline: float) -> int:
    seen = read_sightings(folder)
    context = read_context(folder)
    redactor = process_redactor()
    place = Place(
        project=os.fsencode(context.get("root", site.layout.root)),
        home=home(),
        state=os.fsencode(site.layout.state),
        artifacts=os.fsencode(artifacts_folder(site, folder.name)),
        largest=int(site.settings.get("capture.max_file_bytes", 1_000_000_000)),
        reachable=context.get("mounts", "") == mount_namespace(),
    )
    for fields in take_mounted(site, folder, seen):
        writer.append(journal.READ, **fields)
    for kind, fields in ask_sources(site, seen, deadline=deadline):
        writer.append(kind, **fields)
    items = plan_items(seen, place)
    todo = [item for item in items if item.key not in seen.done]
    tracked = TrackedFolders.of(site.layout.state, site.store)
    with _known_files(site) as known:
        found = collect_files(
            todo,
            place=place,
            store=site.store,
            known=known,
            tracked=tracked,
            redactor=redactor,
            write=lambda fields: writer.append(journal.FILE, **fields),
            deadline=deadline,
        )
    pending = _note_event_files(writer, (item.path for item in items if item.direction == "output"), seen=seen, deadline=deadline)
    _note_metric_files(writer, (item.path for item in todo if item.direction == "output"), known=seen)
    _note_code(site, folder, writer, context=context, found=found)
    _note_environment(writer, seen=seen, context=context)
    _note_log(site, folder, writer)
    _note_warnings(writer, seen=seen, context=context, found=found, missing=missing_outputs(seen, place))
    _note_moved(writer, tracked)
    writer.append(journal.CAPTURE, **dataclasses.asdict(_capture(seen, context, found)))
    return found.pending + pending


def _remove_artifacts(site: Site, run: str) -> None:
    """What a run kept of its own accord is in the store now."""
    import shutil

    shutil.rmtree(artifacts_folder(site, run), ignore_errors=True)


def _note_metric_files(writer: JournalWriter, outputs: Iterable[bytes], *, known: Sightings) -> None:
    """What the program recorded itself counts more than what it wrote to a file."""
    values = {key: value for key, value in read_metric_files(outputs).items() if key not in known.metrics}
    if values:
        writer.append(journal.SUMMARY, values=values, on="", time=writer.now())


def _note_event_files(writer: JournalWriter, outputs: Iterable[bytes], *, seen: Sightings, deadline: float) -> int:
    """Reads what nobody has read of TensorBoard's files so far; how many of them were not finished in time. An earlier run's that lie beside do not count."""
    began = int(seen.owner.get("started", 0))
    written = {
        path: seen.files[path].written_at or changed_at(path) if path in seen.files else changed_at(path) for path in filter(is_event_file, outputs)
    }
    files = {
        path: seen.files[path].rank if path in seen.files else 0 for path, at in sorted(written.items(), key=lambda pair: pair[1]) if at >= began
    }
    reader = EventReader(writer.append, own=seen.metrics, offsets=dict(seen.sources), root=seen.series_root)
    return read_rest(reader, files, deadline=deadline)


def _note_code(site: Site, folder: Path, writer: JournalWriter, *, context: Mapping[str, Any], found: Collected) -> None:
    writer.append(journal.CODE, **code_fields(site, folder, context.get("git", {}), files=found.code))


def code_fields(site: Site, folder: Path, git: Mapping[str, Any], *, files: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `CODE` entry."""
    diff = folder / DIFF
    top = git.get("top", "")
    untracked = set(git.get("untracked", ()))
    inside = os.path.relpath(site.layout.root, top) if top else ""
    code = Code(
        commit=git.get("commit", ""),
        branch=git.get("branch", ""),
        remote=git.get("remote", ""),
        dirty=diff.exists() or any(path in untracked for path in files),
        diff=site.store.put_file(diff).digest if diff.exists() else None,
        files=dict(sorted(files.items())),
        path="" if inside == "." else inside,
    )
    return dataclasses.asdict(code)


def _note_environment(writer: JournalWriter, *, seen: Sightings, context: Mapping[str, Any]) -> None:
    begin = seen.interpreter
    variables = context.get("variables", {})
    found = describe_environment(
        interpreter=begin.get("interpreter", ""),
        python=begin.get("python", ""),
        search=begin.get("search", ()),
        variables=variables,
        extra=variables,
    )
    writer.append(journal.ENVIRONMENT, **dataclasses.asdict(found))


def _note_log(site: Site, folder: Path, writer: JournalWriter) -> None:
    path = folder / journal.OUTPUT_LOG
    if path.exists():
        writer.append(journal.LOG, digest=site.store.put_file(path).digest)


def _note_warnings(writer: JournalWriter, *, seen: Sightings, context: Mapping[str, Any], found: Collected, missing: list[str]) -> None:
    texts = [f"-p {name} was given, but the program never asked for it" for name in _unasked(seen, context)]
    texts += [f"{path} was declared as an output, but it was not written" for path in missing]
    texts += [f"{path} holds what looks like a secret, so its content was not kept" for path in found.secret_code]
    if problem := context.get("git", {}).get("problem"):
        texts.append(problem)
    for text in texts:
        writer.append(journal.WARNING, text=text)


def _note_moved(writer: JournalWriter, tracked: TrackedFolders) -> None:
    for path, name in list(tracked.changed.items())[:_MOST_NAMED]:
        writer.append(
            journal.WARNING, text=f"{path} is no longer what the latest version of {name} recorded of it: track it again to fix what was read"
        )


def _unasked(seen: Sightings, context: Mapping[str, Any]) -> list[str]:
    return [name for name in context.get("overrides", {}) if seen.params.get(name) != "override"]


def _capture(seen: Sightings, context: Mapping[str, Any], found: Collected) -> Capture:
    tracer = context.get("tracer", "")
    hidden = {} if tracer == "strace" else {name: reason for name, reason in seen.unwatched.items() if not _is_noted(name, seen.hosts)}
    unseen = [*(reason or _unwatched(program) for program, reason in hidden.items()), *context.get("unseen", ()), *seen.damaged]
    if tracer == "python" and not seen.interpreter and not unseen:
        unseen.append("the program started no watcher, so only what was declared is known")
    grade = "declared-only" if not tracer else "partial" if unseen else "complete"
    return Capture(
        tracers=(tracer,) if tracer else (),
        grade=grade,
        unseen=tuple(unseen),
        undeclared=tuple(found.undeclared),
        changed=tuple(found.changed),
        pending=found.pending,
    )


def _is_noted(host: str, noted: Iterable[str]) -> bool:
    """Whether a host is an object store whose objects are noted one by one; buckets have names of their own below it."""
    return any(host == name or host.endswith(f".{name}") for name in noted)


def _unwatched(program: str) -> str:
    return f"{program} is not a Python program: the files it opens by itself were not seen"


def _begin_of(path: Path) -> Mapping[str, Any]:
    with contextlib.suppress(LinealError, OSError):
        return next(iter(read_journal(path)), {})
    return {}


@contextlib.contextmanager
def _known_files(site: Site) -> Iterator[Any]:
    from lineal.store.statindex import StatIndex

    index = StatIndex.open(site.layout.stat_index)
    try:
        yield index
    finally:
        index.close()


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    """Whether the mark is there and nobody else holds it; it is let go of at the end, or when this process dies."""
    try:
        descriptor = os.open(folder / journal.UNCOLLECTED, os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield (folder / journal.UNCOLLECTED).exists()
    finally:
        os.close(descriptor)
