"""What a run's journal entries make of its row. Every function takes part in the caller's transaction."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from blake3 import blake3
from sqlalchemy import Connection, func, insert, select, update

from lineal.ledger.attempts import claim, next_claim
from lineal.ledger.graph import add_activity
from lineal.ledger.metric_rows import set_summary
from lineal.ledger.portable import insert_or_ignore, storable, upsert
from lineal.ledger.runs import set_tags
from lineal.ledger.schema import environments, params, runs
from lineal.records import journal
from lineal.records.run import RunStatus
from lineal.records.values import encode_value, plain

_SILENT = "Its process ended without a word: it was killed, or the machine went down."


def begin_run(connection: Connection, project_id: str, run_id: str, begin: Mapping[str, Any]) -> bool:
    """Makes the run's row of its owner's `BEGIN` entry, or continues it as a further attempt; whether the run is new.

    Which attempt that is, `lineal.ledger.attempts` says.
    """
    known = connection.execute(select(runs.c.attempt, runs.c.process).where(runs.c.id == run_id)).one_or_none()
    if known is None:
        number = connection.execute(select(func.coalesce(func.max(runs.c.number), 0)).where(runs.c.project_id == project_id)).scalar_one() + 1
        started = int(begin["started"])
        values = _begin_values(begin, claim(begin))
        connection.execute(insert(runs).values(id=run_id, project_id=project_id, number=number, started_at=started, **values))
        add_activity(connection, id=run_id, project_id=project_id, kind="run", label=values["name"], at=started)
        return True
    if known.process == "{}":
        _take_back(connection, run_id)
    further = next_claim(begin, known.attempt, known.process)
    if further is not None:
        connection.execute(update(runs).where(runs.c.id == run_id).values(ended_at=None, exit_code=None, **_begin_values(begin, further)))
    return False


def begin_unowned(connection: Connection, project_id: str, run_id: str, begin: Mapping[str, Any]) -> bool:
    """Makes a row for a run of which only helpers' journals are there so far; whether the run is new."""
    bare = {**begin, "name": "", "command": (), "folder": "", "author": "", "attempt": 1, "pid": 0}
    if connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is not None:
        return False
    return begin_run(connection, project_id, run_id, bare)


def _begin_values(begin: Mapping[str, Any], claimed: tuple[int, str]) -> dict[str, Any]:
    return {
        "name": storable(begin.get("name") or "run"),
        "experiment": storable(begin.get("experiment") or ""),
        "status": RunStatus.RUNNING.value,
        "command": json.dumps(list(begin.get("command") or ())),
        "folder": storable(_text(begin.get("folder"))),
        "author": storable(begin.get("author") or ""),
        "host": storable(begin.get("host") or ""),
        "heartbeat_at": int(begin.get("heard") or begin["started"]),
        "attempt": claimed[0],
        "parent": begin.get("parent") or "",
        "process": claimed[1],
    }


def apply_entries(connection: Connection, project_id: str, run_id: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Applies entries in their order. Kinds that are not known, or are for others, are passed over."""
    for entry in entries:
        apply = _APPLY.get(entry["k"])
        if apply is not None:
            apply(connection, project_id, run_id, entry)


def add_warnings(connection: Connection, run_id: str, texts: Sequence[str]) -> None:
    """Adds warnings to a run; one that is there stays single."""
    known = json.loads(connection.execute(select(runs.c.warnings).where(runs.c.id == run_id)).scalar_one())
    every = list(dict.fromkeys([*known, *map(storable, texts)]))
    if len(every) > len(known):
        connection.execute(update(runs).where(runs.c.id == run_id).values(warnings=json.dumps(every)))


def beat(connection: Connection, run_id: str, at: int, *, now: int) -> None:
    """Notes when the run was heard of, by the clock of whoever keeps the ledger; what lies in the future is put right."""
    wrong = runs.c.heartbeat_at.is_(None) | (runs.c.heartbeat_at < at) | (runs.c.heartbeat_at > now)
    connection.execute(update(runs).where(runs.c.id == run_id, wrong).values(heartbeat_at=at))


def set_crashed(connection: Connection, run_id: str) -> None:
    """Ends a run whose owner is gone without a word, when it was last heard of."""
    row = connection.execute(select(runs.c.heartbeat_at, runs.c.started_at).where(runs.c.id == run_id)).one()
    ended = max(row.heartbeat_at or 0, row.started_at)  # where its clock was ahead of ours
    connection.execute(update(runs).where(runs.c.id == run_id).values(status=RunStatus.CRASHED.value, ended_at=ended))
    add_warnings(connection, run_id, [_SILENT])


def revive(connection: Connection, run_id: str) -> None:
    """Has a run go on that counted as crashed, as its owner was silent for long: it only had no network."""
    _set(connection, run_id, status=RunStatus.RUNNING.value, ended_at=None)
    _take_back(connection, run_id)


def _take_back(connection: Connection, run_id: str) -> None:
    """Takes the warning of `set_crashed` away: the owner is heard of after all."""
    known = json.loads(connection.execute(select(runs.c.warnings).where(runs.c.id == run_id)).scalar_one())
    if _SILENT in known:
        _set(connection, run_id, warnings=json.dumps([text for text in known if text != _SILENT]))


def set_params(connection: Connection, project_id: str, run_id: str, values: Mapping[str, Any], origin: str) -> None:
    """Sets parameters; what the code recorded is not replaced by what was read from its arguments."""
    rows = [_param(project_id, run_id, key, value, origin) for key, value in values.items()]
    if origin == "argument":
        insert_or_ignore(connection, params, rows)
    else:
        upsert(connection, params, rows, keys=("run_id", "key"))


def _param(project_id: str, run_id: str, key: str, value: Any, origin: str) -> dict[str, Any]:
    type_name, text = encode_value(value)
    names = {"project_id": project_id, "run_id": run_id, "key": storable(key)}
    return {**names, "type": type_name, "text": storable(text), "number": _number(value), "origin": origin}


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and abs(value) < 1e300 and math.isfinite(value):
        return float(value)
    return None


def _apply_params(connection: Connection, project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    set_params(connection, project_id, run_id, entry["values"], entry.get("origin", "recorded"))


def _apply_summary(connection: Connection, project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    values = {storable(key): float(value) for key, value in entry["values"].items()}
    set_summary(connection, project_id=project_id, run_id=run_id, values=values, on=storable(entry.get("on", "")))


def _apply_tags(connection: Connection, project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    set_tags(connection, project_id, run_id, entry["values"])


def _apply_note(connection: Connection, _project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    _set(connection, run_id, note=storable(entry["text"]))


def _apply_code(connection: Connection, _project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    body = {key: value for key, value in entry.items() if key != "k"}
    _set(connection, run_id, code=_json(body), commit=storable(str(body.get("commit") or ""))[:64])


def _apply_environment(connection: Connection, _project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    body = _json({key: value for key, value in entry.items() if key not in {"k", "digest"}})
    digest = entry.get("digest") or f"blake3:{blake3(body.encode()).hexdigest()}"
    insert_or_ignore(connection, environments, {"digest": digest, "body": body})
    _set(connection, run_id, environment=digest)


def _apply_capture(connection: Connection, _project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    lost = _capture(connection, run_id).get("lost_points", 0)
    body = {key: value for key, value in entry.items() if key != "k"}
    _set(connection, run_id, capture=_json({**body, "lost_points": lost + int(body.get("lost_points", 0))}))


def _apply_lost(connection: Connection, _project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    body = _capture(connection, run_id)
    lost = body.get("lost_points", 0) + int(entry["points"])
    _set(connection, run_id, capture=_json({**body, "lost_points": lost}))
    add_warnings(connection, run_id, ["Some metric points were dropped because a buffer or the disk was full; lost_points says how many."])


def _apply_log(connection: Connection, _project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    _set(connection, run_id, log=entry["digest"])


def _apply_warning(connection: Connection, _project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    add_warnings(connection, run_id, [entry["text"]])


def _apply_end(connection: Connection, _project_id: str, run_id: str, entry: Mapping[str, Any]) -> None:
    if connection.execute(select(runs.c.status).where(runs.c.id == run_id)).scalar_one() == RunStatus.CRASHED.value:
        _take_back(connection, run_id)
    _set(
        connection,
        run_id,
        status=RunStatus(entry["status"]).value,
        exit_code=entry.get("exit_code"),
        ended_at=int(entry["ended"]),
        cpu_seconds=entry.get("cpu_seconds"),
        peak_memory_bytes=entry.get("peak_memory_bytes"),
    )


_APPLY: Mapping[str, Callable[[Connection, str, str, Mapping[str, Any]], None]] = {
    journal.PARAMS: _apply_params,
    journal.SUMMARY: _apply_summary,
    journal.TAGS: _apply_tags,
    journal.NOTE: _apply_note,
    journal.CODE: _apply_code,
    journal.ENVIRONMENT: _apply_environment,
    journal.CAPTURE: _apply_capture,
    journal.LOST: _apply_lost,
    journal.LOG: _apply_log,
    journal.WARNING: _apply_warning,
    journal.END: _apply_end,
}


def _set(connection: Connection, run_id: str, **values: Any) -> None:
    connection.execute(update(runs).where(runs.c.id == run_id).values(values))


def _capture(connection: Connection, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(connection.execute(select(runs.c.capture).where(runs.c.id == run_id)).scalar_one())
    return found


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(plain({key: _text(value) if isinstance(value, bytes) else value for key, value in body.items()}), sort_keys=True)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return "" if value is None else str(value)
