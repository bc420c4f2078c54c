"""MLflow's search texts in our own grammar: the same but for the names of attributes, states, and times in milliseconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lineal.interfaces.mlflow.answers import Refusal

_ATTRIBUTES = {
    "run_id": "id",
    "run_name": "name",
    "run name": "name",
    "user_id": "author",
    "start_time": "started_at",
    "created": "started_at",
    "end_time": "ended_at",
    "status": "status",
    "experiment_id": "experiment",
}
_STATES = {"RUNNING": "running", "SCHEDULED": "running", "FINISHED": "finished", "FAILED": "failed", "KILLED": "stopped"}
_PIECE = re.compile(
    r"""(?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
      | (?P<name>(?:(?:attributes?|attr|run)\.)?(?:`[^`]*`|\b(?:run_id|run_name|user_id|start_time|created|end_time|status)\b))(?![\w.])
      | (?P<other>(?:[\w-]+\.)(?:`[^`]*`|"[^"]*"|[^\s=<>!()]+)|\s+|[^\s'"`\w]+|\w+|.)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_TIME_KEYS = frozenset({"start_time", "created", "end_time"})


def read_filter(text: str) -> str:
    """A filter of ours that means the same.

    >>> read_filter("attributes.status = 'FINISHED' and metrics.`a b` > 1 AND run_name LIKE 'x%'")
    "status = 'finished' and metrics.`a b` > 1 AND name LIKE 'x%'"
    >>> read_filter("start_time > 1700000000000")
    'started_at > 2023-11-14T22:13:20.000000Z'
    """
    out: list[str] = []
    of_status = of_time = False
    for piece in _PIECE.finditer(text):
        if piece["name"]:
            key = piece["name"].rpartition(".")[2].strip("`").lower()
            out.append(_ATTRIBUTES.get(key, key))
            of_status, of_time = key == "status", key in _TIME_KEYS
        elif piece["quoted"] and of_status:
            inner = piece["quoted"][1:-1].upper()
            out.append(f"'{_STATES.get(inner, inner.lower())}'")
        elif of_time and piece[0].isdigit():
            out.append(_moment(int(piece[0])))
        else:
            out.append(piece[0])
            ends = piece[0].strip().lower() in {"and", "or"}
            of_status, of_time = of_status and not ends, of_time and not ends
    return "".join(out)


def read_order(texts: Sequence[Any]) -> str:
    """An order of ours that means the same; the first of several keys that MLflow allows, the others after it."""
    found = []
    for text in texts:
        words = str(text).strip()
        key, _space, direction = words.rpartition(" ")
        if direction.upper() not in {"ASC", "DESC"}:
            key, direction = words, "ASC"
        section, dot, rest = key.strip().partition(".")
        of_run = bool(dot) and section.lower() in {"attribute", "attributes", "attr", "run"}
        name = rest if of_run else key.strip()
        known = _ATTRIBUTES.get(name.strip("`").lower())
        if not name or (of_run and known is None):
            raise Refusal(f"Invalid order_by clause '{text}'")
        name = known or name
        found.append(f"{name} {direction.lower()}")
    return ", ".join(found)


def _moment(milliseconds: int) -> str:
    import datetime as dt

    try:
        at = dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)
    except (OverflowError, ValueError, OSError):
        raise Refusal(f"Invalid time {milliseconds}") from None
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
