"""Counts failed proofs by where they come from, so that nobody guesses secrets by trying."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

MOST = 10
"""Failures within `WINDOW_SECONDS` that are still answered."""
WINDOW_SECONDS = 60.0
_MOST_PLACES = 10_000
MOST_TOLD = 30
"""Failures within `WINDOW_SECONDS` that become events: whoever tries from everywhere must not fill the ledger."""


class Attempts:
    """Failures by place, for a while. Thread safe enough: a lost count costs one attempt."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: deque[float] = deque()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, place: str) -> int:
        """How many seconds a place must wait before it is listened to again; 0 where it need not."""
        count, until = self._failures.get(place, (0, 0.0))
        left = until - self._clock()
        return max(1, round(left)) if count >= MOST and left > 0 else 0

    def failed(self, place: str) -> bool:
        """Counts a failure; says whether it is worth an event: a place's first and the one that shuts it out, and not many of all places together."""
        count, until = self._failures.pop(place, (0, 0.0))
        now = self._clock()
        self._failures[place] = (count + 1 if until > now else 1, now + WINDOW_SECONDS)
        while len(self._failures) > _MOST_PLACES:
            self._failures.popitem(last=False)
        return self._failures[place][0] in {1, MOST} and self._is_told(now)

    def _is_told(self, now: float) -> bool:
        while self._told and self._told[0] <= now - WINDOW_SECONDS:
            self._told.popleft()
        if len(self._told) >= MOST_TOLD:
            return False
        self._told.append(now)
        return True
