"""Brings what processes wrote into their journals into the ledger: each byte once, a run at a time, whenever somebody asks for runs.

A journal's offset moves in the same transaction as the rows that were made of it, so that neither a kill nor a second ingester can lose or double
anything. A lease only keeps two from doing the same work.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from lineal.capture.identity import process_identity, proven_dead
from lineal.capture.journal import SUFFIX, journal_paths
from lineal.errors import Conflict, Integrity, InvalidState
from lineal.ledger.leases import acquire_lease, release_lease
from lineal.ledger.run_writes import add_warnings, apply_entries, beat, begin_run, begin_unowned, revive, set_crashed
from lineal.ledger.schema import journals, runs
from lineal.records import journal
from lineal.records.ids import RUN_ID
from lineal.workspace.journal_batch import JournalPart, joined, read_part, read_parts
from lineal.workspace.settling import settle_files

if TYPE_CHECKING:
    from lineal.workspace.site import Site

LEASE_SECONDS = 60
WAIT_SECONDS = 10.0
HEARTBEAT_SETTING = "runs.heartbeat_seconds"
HEARTBEAT_SECONDS = 120
REQUESTED_SECONDS = 24 * 3600
"""A run that is recorded by requests, as MLflow's client does, counts as over after so much silence: its process cannot be asked."""

FORGET_SECONDS = 7 * 24 * 3600
"""How long the journals of a run on a silent other machine are kept: it may only have lost its network."""


_one_thread = threading.Lock()
_log = logging.getLogger(__name__)
_told: set[Path] = set()


def ingest(site: Site) -> int:
    """Brings every pending journal into the ledger, settles dead runs, and says how many runs changed.

    One listing where nothing is pending. Another ingester at work is waited for, up to 10 s.
    """
    folders = _run_folders(site)
    if not folders:
        return 0
    waiting = [folder for folder in folders if _has_work(site, folder)]
    if not waiting:
        return 0
    with _alone(site) as renew:
        return sum(_ingest_safely(site, folder, renew) for folder in waiting) if renew is not None else 0


def journal_problems(site: Site) -> tuple[str, ...]:
    """Journals that cannot be read, one sentence each: for `lineal doctor` and `lineal fsck`."""
    found = []
    for folder in _run_folders(site):
        for path in journal_paths(folder):
            try:
                part = read_part(path, 0)
            except InvalidState as error:
                found.append(error.message)
            else:
                found.extend([part.problem] if part.problem else [])
    return tuple(found)


def ingest_some(site: Site, run_ids: Sequence[str]) -> int:
    """Brings the journals of some runs into the ledger, whatever else waits; says how many changed."""
    folders = [site.layout.journals / run for run in run_ids if (site.layout.journals / run).is_dir()]
    if not folders:
        return 0
    with _alone(site) as renew:
        return sum(_ingest_safely(site, folder, renew) for folder in folders) if renew is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the ledger knows of a run's journals."""

    offsets: Mapping[str, int]
    done: frozenset[str]
    unsettled: bool
    run: Mapping[str, Any] | None

    @property
    def ended(self) -> bool:
        return self.run is not None and self.run["status"] != "running"


def _run_folders(site: Site) -> list[Path]:
    try:
        names = sorted(os.listdir(site.layout.journals))
    except FileNotFoundError:
        return []
    return [site.layout.journals / name for name in names if RUN_ID.match(name)]


def _known(site: Site, run_id: str) -> _Known:
    with site.ledger.read() as connection:
        rows = connection.execute(select(journals).where(journals.c.run_id == run_id)).mappings().all()
        run = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
    return _Known(
        offsets={row["id"]: row["offset"] for row in rows},
        done=frozenset(row["id"] for row in rows if row["finished"]),
        unsettled=any(row["files_offset"] < row["offset"] for row in rows),
        run=None if run is None else dict(run),
    )


def _has_work(site: Site, folder: Path) -> bool:
    known = _known(site, folder.name)
    if known.run is None or known.ended:
        return True
    if _is_gone(site, json.loads(known.run["process"]), known.run["heartbeat_at"]):
        return True
    return any(path.stat().st_size > known.offsets.get(path.stem, 0) for path in journal_paths(folder) if path.stem not in known.done)


@contextmanager
def _alone(site: Site) -> Iterator[Any]:
    """Holds the lease on ingesting; gives a function that renews it, or None where another holder does not come to an end."""
    name = f"ingest:{site.project_id}"
    owner = json.dumps(process_identity())  # of the whole process: what a full disk kept from being given back is simply taken again

    def acquire() -> bool:
        now = site.clock()
        with site.ledger.write() as connection:
            until = now + LEASE_SECONDS * 1_000_000
            return acquire_lease(connection, name, owner=owner, now=now, until=until, is_dead=lambda other: proven_dead(json.loads(other)))

    if not _one_thread.acquire(timeout=WAIT_SECONDS):
        yield None
        return
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not (held := acquire()) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield acquire if held else None
        if held:
            with site.ledger.write() as connection:
                release_lease(connection, name, owner=owner)
    finally:
        _one_thread.release()


def _ingest_safely(site: Site, folder: Path, renew: Any) -> bool:
    """One run; a journal of a newer version or damaged bytes hold up their own run only, and are told by `journal_problems`.

    So do entries that are not what they should be: a server takes in what other programs wrote.
    """
    try:
        return _ingest_run(site, folder, renew)
    except (InvalidState, Integrity) as error:
        if error.kind not in {"newer-format", "damaged-journal"}:
            raise
        return False
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if folder not in _told:
            _told.add(folder)
            _log.warning("what run %s wrote makes no sense, and waits in %s: %s: %s", folder.name[:8], folder, type(error).__name__, error)
        return False


def _ingest_run(site: Site, folder: Path, renew: Any) -> bool:
    changed, renewed = False, time.monotonic()
    while True:
        known = _known(site, folder.name)
        collected = not (folder / journal.UNCOLLECTED).exists()  # asked before reading: what comes later is read again
        gone = known.run is not None and _is_gone(site, json.loads(known.run["process"]), known.run["heartbeat_at"])
        parts = read_parts(folder, known.offsets, known.done)
        last = all(part.wholly_read or part.end == part.start for part in parts)
        try:
            changed = _apply(site, folder, parts, known=known, last=last, collected=collected, gone=gone) or changed
        except Conflict as error:
            if error.kind != "journal-moved":
                raise
            continue  # another ingester was here although the lease was ours: read again from where it came to
        if last and (known.run is not None or not changed):
            break  # a run that is new here is looked at twice: whether its owner is gone must be asked before reading
        if time.monotonic() - renewed > LEASE_SECONDS / 4:
            renewed = time.monotonic()
            renew()
    _remove_if_complete(site, folder)
    return changed


def _apply(site: Site, folder: Path, parts: Sequence[JournalPart], *, known: _Known, last: bool, collected: bool, gone: bool) -> bool:
    new = [part for part in parts if part.end > part.start or part.problem]
    to_settle, to_end = known.unsettled and known.ended and collected, gone and not known.ended
    if not (new or to_settle or to_end):
        return False
    run_id = folder.name
    with site.ledger.write() as connection:
        if not _begin(connection, site, run_id, parts, known):
            return False
        for part in new:
            _move_offset(connection, site, run_id, part)
        _apply_parts(connection, site, run_id, new)
        _revive_if_heard(connection, site, run_id, new)
        if last:
            _end_if_gone(connection, site, run_id, parts, gone=gone)
        if last and collected:
            _settle_if_ended(connection, site, folder)
    return True


def _begin(connection: Connection, site: Site, run_id: str, parts: Sequence[JournalPart], known: _Known) -> bool:
    """Makes or continues the run's row; False where no journal has said anything yet."""
    owners = sorted((part for part in parts if part.is_owner), key=lambda part: int(part.begin["started"]))
    is_new = False
    for part in owners:
        if part.start == 0:
            is_new = begin_run(connection, site.project_id, run_id, part.begin) or is_new
    if not owners and known.run is None:
        begun = [part for part in parts if part.begin]
        if not begun:
            return False
        is_new = begin_unowned(connection, site.project_id, run_id, begun[0].begin)
    if is_new:
        _tell(connection, site, run_id, "run.started")
    return True


def _move_offset(connection: Connection, site: Site, run_id: str, part: JournalPart) -> None:
    finished = part.closed or bool(part.problem)
    if part.start == 0:
        fresh = {"id": part.id, "project_id": site.project_id, "run_id": run_id, "offset": part.end, "finished": finished}
        if connection.execute(select(journals.c.id).where(journals.c.id == part.id)).first() is None:
            connection.execute(insert(journals).values(fresh))
            return
    here = (journals.c.id == part.id, journals.c.offset == part.start)
    if connection.execute(update(journals).where(*here).values(offset=part.end, finished=finished)).rowcount != 1:
        raise Conflict(f"journal {part.id} was ingested by somebody else", kind="journal-moved")


def _apply_parts(connection: Connection, site: Site, run_id: str, parts: Sequence[JournalPart]) -> None:
    attempt = connection.execute(select(runs.c.attempt).where(runs.c.id == run_id)).scalar_one()
    by_attempt: dict[int, list[JournalPart]] = {}
    for part in parts:
        by_attempt.setdefault(int(part.begin.get("attempt") or attempt), []).append(part)
    for number, members in sorted(by_attempt.items()):
        points = joined(members)
        if points:
            from lineal.ledger.series import append_points  # with numpy, which a run without metrics does not wait for

            append_points(connection, project_id=site.project_id, run_id=run_id, attempt=number, series=points)
            beat(connection, run_id, min(site.clock(), max(int(columns.times.max()) for columns in points.values())))
    for part in sorted(parts, key=lambda part: int(part.begin.get("started", 0))):  # who began later knows more: the collector comes last
        apply_entries(connection, site.project_id, run_id, part.entries)
        if part.problem:
            add_warnings(connection, run_id, [f"{part.problem}; what was written before it is here."])
    if any(entry["k"] == journal.END for part in parts for entry in part.entries):
        _tell(connection, site, run_id, "run.ended")


def _revive_if_heard(connection: Connection, site: Site, run_id: str, parts: Sequence[JournalPart]) -> None:
    """Goes on with a run on another machine that counted as crashed: its owner had only lost the network."""
    row = connection.execute(select(runs.c.status, runs.c.attempt, runs.c.process, runs.c.heartbeat_at).where(runs.c.id == run_id)).one()
    owners = [part for part in parts if part.is_owner and int(part.begin.get("attempt") or 1) == row.attempt]
    if row.status == "crashed" and owners and not _is_gone(site, json.loads(row.process), row.heartbeat_at):
        revive(connection, run_id)


def _end_if_gone(connection: Connection, site: Site, run_id: str, parts: Sequence[JournalPart], *, gone: bool) -> None:
    row = connection.execute(select(runs.c.status, runs.c.process, runs.c.heartbeat_at).where(runs.c.id == run_id)).one()
    if row.status != "running":
        return
    still = gone and _is_gone(site, json.loads(row.process), row.heartbeat_at)  # what was read just now may say that it lives
    unowned = row.process == "{}" and bool(parts) and all(_is_gone(site, part.begin, row.heartbeat_at) for part in parts)
    if still or unowned:
        set_crashed(connection, run_id)
        _tell(connection, site, run_id, "run.crashed")


def _settle_if_ended(connection: Connection, site: Site, folder: Path) -> None:
    status = connection.execute(select(runs.c.status).where(runs.c.id == folder.name)).scalar_one()
    if status != "running":
        settle_files(connection, site, folder.name, folder)


def _is_gone(site: Site, process: Mapping[str, Any], heartbeat_at: int | None, *, patience: int | None = None) -> bool:
    """Whether a process is dead: proven on this machine; elsewhere, silent for too long (``patience``, in seconds)."""
    if not process:
        return False
    if process.get("requested") and not process.get("pid"):
        return heartbeat_at is not None and site.clock() - heartbeat_at > REQUESTED_SECONDS * 1_000_000
    if proven_dead(process):
        return True
    here = process_identity()
    if all(process.get(key) == here[key] for key in ("boot", "namespace")):
        return False
    if patience is None:
        patience = int(site.settings.get(HEARTBEAT_SETTING, HEARTBEAT_SECONDS))
    return heartbeat_at is not None and site.clock() - heartbeat_at > patience * 1_000_000


def _is_forgotten(site: Site, process: Mapping[str, Any], heartbeat_at: int | None) -> bool:
    """Whether nothing more can come of a journal that was not closed."""
    if site.is_served:  # the rest of it may still be on its way, even from this very machine
        return heartbeat_at is not None and site.clock() - heartbeat_at > FORGET_SECONDS * 1_000_000
    return _is_gone(site, process, heartbeat_at, patience=FORGET_SECONDS)


def _remove_if_complete(site: Site, folder: Path) -> None:
    """Removes the journals of an ended run when everything in them is in the ledger and nobody writes any more.

    In a folder that works in a server's project they stay: who sends them removes them, when the server has them.
    """
    if site.layout.attachment.exists():
        return
    known = _known(site, folder.name)
    if known.run is None or not known.ended or known.unsettled or (folder / journal.UNCOLLECTED).exists():
        return
    names = _names(folder)  # what another machine sends in this moment is none of these, and stays
    paths = [folder / name for name in names if name.endswith(SUFFIX)]
    for path in paths:
        if path.stem in known.done:
            continue
        part = read_part(path, known.offsets.get(path.stem, 0))
        comes_again = part.size < part.start  # from its beginning, as it had been cleared away
        if part.end > part.start or comes_again or not _is_forgotten(site, part.begin, known.run["heartbeat_at"]):
            return
    _keep_damaged(site, paths, known)
    _clear(folder, names)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _clear(folder: Path, names: Sequence[str]) -> None:
    """Removes files of a folder, and the folder if nothing else is in it."""
    for name in names:
        path = folder / name
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    with suppress(OSError):
        folder.rmdir()


def _keep_damaged(site: Site, paths: Sequence[Path], known: _Known) -> None:
    """Puts aside journals that were not read to their end, for whoever wants to look, and says so where it was not said before."""
    for path in paths:
        if path.stat().st_size > known.offsets.get(path.stem, 0):
            run = path.parent.name
            aside = site.layout.state / "damaged" / run
            aside.mkdir(parents=True, exist_ok=True)
            path.replace(aside / path.name)
            if path.stem not in known.done:
                with site.ledger.write() as connection:
                    add_warnings(connection, run, [f"journal {path.name} breaks off in its last entry: what was recorded just before is lost."])


def _tell(connection: Connection, site: Site, run_id: str, action: str) -> None:
    row = connection.execute(select(runs.c.author, runs.c.name, runs.c.status, runs.c.attempt).where(runs.c.id == run_id)).one()
    payload = {"name": row.name, "status": row.status, "attempt": row.attempt}
    site.record_event(connection, action, subject=f"run:{run_id}", payload=payload, actor=row.author)
