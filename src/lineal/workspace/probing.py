"""Whether a server's parts answer: asked so that a part that hangs keeps nobody waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from lineal.errors import LinealError

SECONDS = 0.7
"""How long an answer is waited for."""


class Probes:
    """Asks each part in a thread of its own, once at a time: a part that hangs holds one thread, however often it is asked for.

    Args:
        checks: by the part's name; each raises a `LinealError` where the part does not answer.
    """

    def __init__(self, checks: Mapping[str, Callable[[], object]], *, seconds: float = SECONDS) -> None:
        self._checks = checks
        self._seconds = seconds
        self._lock = threading.Lock()
        self._running: dict[str, _Probe] = {}

    def problems(self) -> dict[str, str]:
        """What does not answer: a sentence for each part, by its name; empty where all is well. Takes at most ``seconds``, however many parts hang."""
        deadline = time.monotonic() + self._seconds
        asked = {part: self._probe(part) for part in self._checks}
        found = {part: probe.sentence(deadline) for part, probe in asked.items()}
        return {part: sentence for part, sentence in found.items() if sentence}

    def _probe(self, part: str) -> _Probe:
        with self._lock:
            running = self._running.get(part)
            if running is None or running.done.is_set():
                running = self._running[part] = _Probe(self._checks[part])
            return running


class _Probe:
    """One question to a part."""

    def __init__(self, check: Callable[[], object]) -> None:
        self.done = threading.Event()
        self._check = check
        self._begun = time.monotonic()
        self._problem = ""
        threading.Thread(target=self._ask, name="lineal-probe", daemon=True).start()

    def sentence(self, deadline: float) -> str:
        """What is wrong; empty where nothing is."""
        if self.done.wait(max(0.0, deadline - time.monotonic())):
            return self._problem
        return f"it has not answered for {time.monotonic() - self._begun:.1f} s"

    def _ask(self) -> None:
        try:
            self._check()
        except LinealError as error:
            self._problem = error.message
        except Exception as error:  # noqa: BLE001 - whatever it was, the part does not answer as it should
            self._problem = f"it fails: {type(error).__name__}"
        finally:
            self.done.set()
