"""What a run's journals say becomes rows: one run, in the caller's transaction or its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from lineal.capture.identity import process_identity, proven_dead
from lineal.errors import Conflict
from lineal.ledger.attempts import attempt_of, is_current
from lineal.ledger.portable import pieces
from lineal.ledger.run_writes import add_warnings, apply_entries, beat, begin_run, begin_unowned, revive, set_crashed
from lineal.ledger.schema import journals, runs
from lineal.records import journal
from lineal.workspace.journal_batch import SETTLED, JournalPart, joined
from lineal.workspace.settling import settle_files

if TYPE_CHECKING:
    from lineal.workspace.site import Site

HEARTBEAT_SETTING = "runs.heartbeat_seconds"
HEARTBEAT_SECONDS = 120
REQUESTED_SECONDS = 24 * 3600
"""A run that is recorded by requests, as MLflow's client does, counts as over after so much silence: its process cannot be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger knows of a run's journals."""

    offsets: Mapping[str, int]
    done: frozenset[str]
    unsettled: bool
    run: Mapping[str, Any] | None

    @property
    def ended(self) -> bool:
        """Whether the run has."""
        return self.run is not None and self.run["status"] != "running"

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], run: Mapping[str, Any] | None) -> Known:
        """From the rows of its journals, and its own."""
        return cls(
            offsets={row["id"]: row["offset"] for row in rows},
            done=frozenset(row["id"] for row in rows if row["finished"]),
            unsettled=any(row["files_offset"] < row["offset"] for row in rows),
            run=run,
        )


def known_of(site: Site, run_id: str) -> Known:
    """What the ledger knows of one run's journals."""
    return known_of_each(site, [run_id])[run_id]


def known_of_each(site: Site, run_ids: Sequence[str]) -> dict[str, Known]:
    """What the ledger knows of some runs' journals, by the runs' ids."""
    rows: dict[str, list[Mapping[str, Any]]] = {run_id: [] for run_id in run_ids}
    found: dict[str, Mapping[str, Any]] = {}
    with site.ledger.read() as connection:
        for some in pieces(run_ids):
            for row in connection.execute(select(journals).where(journals.c.run_id.in_(some))).mappings():
                rows[row["run_id"]].append(dict(row))
            found |= {row["id"]: dict(row) for row in connection.execute(select(runs).where(runs.c.id.in_(some))).mappings()}
    return {run_id: Known.of(rows[run_id], found.get(run_id)) for run_id in run_ids}


def apply(site: Site, folder: Path, parts: Sequence[JournalPart], *, known: Known, last: bool, collected: bool, gone: bool) -> bool:
    """Makes rows of what is new in a run's journals, in one transaction; whether there was anything.

    Args:
        last: whether nothing follows; collected: whether all that the run did is in its journals; gone: whether its owner is.

    Raises:
        Conflict: kind ``journal-moved``, if somebody else read the same in meanwhile.
    """
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
        _beat(connection, site, run_id, new)
        _revive_if_heard(connection, site, run_id, new)
        if last:
            _end_if_gone(connection, site, run_id, parts, gone=gone)
        if last and collected:
            _settle_if_ended(connection, site, folder)
    return True


def _begin(connection: Connection, site: Site, run_id: str, parts: Sequence[JournalPart], known: Known) -> bool:
    """Makes or continues the run's row; False where no journal has said anything yet."""
    owners = sorted((part for part in parts if part.is_owner), key=lambda part: int(part.begin["started"]))
    is_new = False
    for part in owners:
        if part.start == 0:
            is_new = begin_run(connection, site.project_id, run_id, _heard(site, part)) or is_new
    if not owners and known.run is None:
        begun = [part for part in parts if part.begin]
        if not begun:
            return False
        is_new = begin_unowned(connection, site.project_id, run_id, _heard(site, begun[0]))
    if is_new:
        _tell(connection, site, run_id, "run.started")
    return True


def _heard(site: Site, part: JournalPart) -> dict[str, Any]:
    """The journal's first entry with when it was heard of here: another machine's clock may be off, and must not say whether its run lives."""
    return {**part.begin, "heard": min(part.heard, site.clock())}


def _beat(connection: Connection, site: Site, run_id: str, parts: Sequence[JournalPart]) -> None:
    """Notes when the run was heard of: its owner, as helpers and other ranks may outlive it."""
    row = connection.execute(select(runs.c.process).where(runs.c.id == run_id)).one()
    anybody = not json.loads(row.process).get("pid")
    heard = [part.heard for part in parts if anybody or is_current(part.begin, row.process)]
    if heard:
        now = site.clock()
        beat(connection, run_id, min(now, max(heard)), now=now)


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
    row = connection.execute(select(runs.c.attempt, runs.c.process).where(runs.c.id == run_id)).one()
    by_attempt: dict[int, list[JournalPart]] = {}
    for part in parts:
        by_attempt.setdefault(attempt_of(part.begin, row.attempt, row.process), []).append(part)
    for number, members in sorted(by_attempt.items()):
        points = joined(members)
        if points:
            from lineal.ledger.series import append_points  # with numpy, which a run without metrics does not wait for

            append_points(connection, project_id=site.project_id, run_id=run_id, attempt=number, series=points)
    for part in sorted(parts, key=lambda part: int(part.begin.get("started", 0))):  # who began later knows more: the collector comes last
        apply_entries(connection, site.project_id, run_id, _that_count(part, row.process))
        if part.problem:
            add_warnings(connection, run_id, [f"{part.problem}; what was written before it is here."])
    if any(entry["k"] == journal.END for part in parts for entry in part.entries):
        _tell(connection, site, run_id, "run.ended")


def _that_count(part: JournalPart, process: str) -> Sequence[Mapping[str, Any]]:
    """A journal's entries, but for the end of an earlier attempt: the run goes on by now."""
    if not part.is_owner or is_current(part.begin, process):
        return part.entries
    return [entry for entry in part.entries if entry["k"] != journal.END]


def _revive_if_heard(connection: Connection, site: Site, run_id: str, parts: Sequence[JournalPart]) -> None:
    """Goes on with a run on another machine that counted as crashed: its owner had only lost the network."""
    row = connection.execute(select(runs.c.status, runs.c.process, runs.c.heartbeat_at).where(runs.c.id == run_id)).one()
    owners = [part for part in parts if is_current(part.begin, row.process)]
    if row.status == "crashed" and owners and not is_gone(site, json.loads(row.process), row.heartbeat_at):
        revive(connection, run_id)


def _end_if_gone(connection: Connection, site: Site, run_id: str, parts: Sequence[JournalPart], *, gone: bool) -> None:
    row = connection.execute(select(runs.c.status, runs.c.process, runs.c.heartbeat_at).where(runs.c.id == run_id)).one()
    if row.status != "running":
        return
    still = gone and is_gone(site, json.loads(row.process), row.heartbeat_at)  # what was read just now may say that it lives
    unowned = row.process == "{}" and bool(parts) and all(is_gone(site, part.begin, row.heartbeat_at) for part in parts)
    if still or unowned:
        set_crashed(connection, run_id)
        _tell(connection, site, run_id, "run.crashed")


def _settle_if_ended(connection: Connection, site: Site, folder: Path) -> None:
    status = connection.execute(select(runs.c.status).where(runs.c.id == folder.name)).scalar_one()
    if status != "running":
        settle_files(connection, site, folder.name, folder)


def apply_whole(connection: Connection, site: Site, folder: Path, parts: Sequence[JournalPart]) -> None:
    """Makes the rows of a run that is new, of journals that were read to their end: it is over, or it is recorded by requests."""
    run_id = folder.name
    begin_run(connection, site.project_id, run_id, _heard(site, next(part for part in parts if part.is_owner)))
    _tell(connection, site, run_id, "run.started")
    kinds = {entry["k"] for part in parts for entry in part.entries}
    to_settle = journal.END not in kinds or not kinds.isdisjoint(SETTLED)
    rows = {"project_id": site.project_id, "run_id": run_id}
    ends = [{"id": part.id, "offset": part.end, "files_offset": 0 if to_settle else part.end, "finished": part.closed} for part in parts]
    connection.execute(insert(journals), [{**rows, **end} for end in ends])
    _apply_parts(connection, site, run_id, parts)
    if journal.END in kinds and to_settle:
        settle_files(connection, site, run_id, folder)


def is_gone(site: Site, process: Mapping[str, Any], heartbeat_at: int | None, *, patience: int | None = None) -> bool:
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


def _tell(connection: Connection, site: Site, run_id: str, action: str) -> None:
    row = connection.execute(select(runs.c.author, runs.c.name, runs.c.status, runs.c.attempt).where(runs.c.id == run_id)).one()
    payload = {"name": row.name, "status": row.status, "attempt": row.attempt}
    site.record_event(connection, action, subject=f"run:{run_id}", payload=payload, actor=row.author)
