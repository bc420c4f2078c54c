"""Which attempt of a run a journal belongs to. Pure rules over its first entry and what the run's row says.

An owner claims an attempt by number. Where its launcher does not count, it cannot know better than to claim the first: a claim that began later
than the one that stands is the next attempt all the same. The row's ``process`` says whose claim stands, when it began, and by how many attempts
the launcher's count is behind (``shift``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_FACTS = ("host", "machine", "boot", "namespace", "pid", "pid_started")


def claim(begin: Mapping[str, Any]) -> tuple[int, str]:
    """The attempt that a run's first owner begins, and its process as the run's row has it."""
    return int(begin.get("attempt") or 1), _process(begin, shift=0)


def next_claim(begin: Mapping[str, Any], attempt: int, process: str) -> tuple[int, str] | None:
    """Attempt and process, if an owner begins a further attempt of a run; None where it is the one that stands, or an earlier one that comes late."""
    stands = json.loads(process)
    if not stands:
        return claim(begin)
    if is_current(begin, process):
        return None
    claimed = int(begin.get("attempt") or 1)
    began = stands.get("began")
    later = began is not None and _names(begin) and int(begin["started"]) > began
    if claimed <= attempt - stands.get("shift", 0) and not later:
        return None
    number = max(attempt + 1, claimed) if later or claimed <= attempt else claimed
    return number, _process(begin, shift=number - claimed)


def is_current(begin: Mapping[str, Any], process: str) -> bool:
    """Whether a journal's first entry is that of the owner which the run's row names."""
    stands = json.loads(process)
    if begin.get("role") != "owner" or not stands:
        return False
    if stands.get("requested"):
        return bool(begin.get("requested"))
    began = stands.get("began", begin.get("started"))  # one process may begin several attempts, one behind the other
    return begin.get("started") == began and _names(begin) == {key: stands.get(key, "") for key in _FACTS}


def attempt_of(begin: Mapping[str, Any], attempt: int, process: str) -> int:
    """The attempt that a journal's points are of: the one it claims, as the standing owner's launcher counts, else the one that goes on."""
    claimed = int(begin.get("attempt") or 0)
    if not claimed or is_current(begin, process):
        return attempt
    shift = 0 if begin.get("role") == "owner" else json.loads(process).get("shift", 0)
    return min(claimed + int(shift), attempt)


def _names(begin: Mapping[str, Any]) -> dict[str, Any]:
    return {key: begin.get(key, "") for key in _FACTS} if begin.get("pid") else {}


def _process(begin: Mapping[str, Any], *, shift: int) -> str:
    if begin.get("requested"):  # by whom nobody knows: only silence tells that it is over
        return json.dumps({"requested": True})
    names = _names(begin)
    return json.dumps({**names, "began": int(begin["started"]), **({"shift": shift} if shift else {})} if names else {})
