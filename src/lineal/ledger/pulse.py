"""What of a project's runs moves, told so briefly that it can be asked every second."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from lineal.ledger.portable import pieces
from lineal.ledger.schema import events, metrics, runs
from lineal.records.run import RunStatus
from lineal.records.run_table import Pulse

MOST_RUNNING = 1_000
MOST_TOUCHED = 500


def read_pulse(connection: Connection, project_id: str, after: int | None = None) -> Pulse:
    """The newest run's number, the runs that go on with how far they are, and the runs that people changed behind an event.

    Args:
        after: sequence of the last event that is known; None knows of no changes.
    """
    number = connection.execute(select(func.max(runs.c.number)).where(runs.c.project_id == project_id)).scalar() or 0
    sequence = connection.execute(select(func.max(events.c.sequence))).scalar() or 0
    touched: list[str] = []
    if after is not None and sequence > after:
        query = select(events.c.subject).where(events.c.sequence > after, events.c.project_id == project_id, events.c.subject.startswith("run:"))
        touched = [subject.removeprefix("run:") for subject in connection.execute(query.distinct().limit(MOST_TOUCHED)).scalars()]
    return Pulse(number=number, sequence=sequence, running=_running(connection, project_id), touched=tuple(touched))


def _running(connection: Connection, project_id: str) -> dict[str, str]:
    going = (runs.c.project_id == project_id, runs.c.status == RunStatus.RUNNING.value, runs.c.deleted_at.is_(None))
    query = select(runs.c.id, runs.c.name, runs.c.attempt, runs.c.heartbeat_at).where(*going).order_by(runs.c.number.desc()).limit(MOST_RUNNING)
    found = {row.id: f"{row.name} {row.attempt} {row.heartbeat_at}" for row in connection.execute(query)}
    for piece in pieces(found):
        points = select(metrics.c.run_id, func.sum(metrics.c.points)).where(metrics.c.run_id.in_(piece)).group_by(metrics.c.run_id)
        for run, many in connection.execute(points):
            found[run] += f" {many}"
    return found
