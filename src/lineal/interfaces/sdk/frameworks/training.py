"""What the callbacks share: which run they record into, and that no failure of recording ever reaches the training."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

from lineal.interfaces.sdk.recording import ActiveRun, begin_for_callback, innermost

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger("lineal")
_told: set[str] = set()
_DEEPEST = 8


def harmless(function: Callable[P, T]) -> Callable[P, T | None]:
    """The function, whose failures are told once each on standard error, and end nothing; it gives None then."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a training of days must not end because its figures cannot be noted
            _tell(error)
            return None

    return guarded


class TrainingRun:
    """The run that a callback records into. Copies and pickles of it find their run anew.

    It is the one given, else the innermost that is open in this process, else the one that `lineal run` records, else one of its own: that
    ends with `finish`, when a callback begins the next one, or with the process.
    """

    def __init__(self, run: ActiveRun | None = None, *, name: str = "") -> None:
        self._given = run
        self._name = name
        self._run: ActiveRun | None = None
        self._own = False

    def __getstate__(self) -> dict[str, Any]:
        return {"_given": None, "_name": self._name, "_run": None, "_own": False}

    def active(self) -> ActiveRun | None:
        """The run, begun if it must be; None where it cannot be, which is told once."""
        if self._run is None or self._run.finished:
            self._run = self._found()
        return self._run

    def log(self, values: Mapping[str, Any], step: int | None) -> None:
        """Records those of the values that are numbers, one point each."""
        found = numbers(values)
        run = self.active() if found else None
        if run is not None:
            run.log(found, step=step)

    def summary(self, values: Mapping[str, Any]) -> None:
        """Records those of the values that are numbers as final figures."""
        found = numbers(values)
        run = self.active() if found else None
        if run is not None:
            run.summary(found)

    def params(self, values: Mapping[str, Any]) -> None:
        """Records parameters; nested ones as ``outer.inner``, and what is no plain value as its text."""
        found = dict(flat_params(values))
        run = self.active() if found else None
        if run is not None:
            run.params(found)

    def output(self, path: str, role: str) -> None:
        """Declares a file or folder that the training wrote."""
        run = self.active()
        if run is not None:
            run.output(path, role=role)

    def finish(self, exit_code: int = 0) -> None:
        """Ends the run if the callback began it; anybody else's goes on."""
        run, self._run = self._run, None
        if run is not None and self._own:
            run.finish(exit_code)

    def _found(self) -> ActiveRun | None:
        given = self._given or innermost()
        self._own = given is None
        return given or _begun(self._name)


@harmless
def _begun(name: str) -> ActiveRun:
    return begin_for_callback(name)


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The values that are single numbers, also as arrays and tensors of one element.

    >>> numbers({"loss": 0.5, "name": "a", "ok": True, "none": None})
    {'loss': 0.5, 'ok': 1.0}
    """
    found: dict[str, float] = {}
    for key, value in values.items():
        if value is None or isinstance(value, str | bytes):
            continue
        try:
            found[str(key)] = float(value)
        except (TypeError, ValueError, RuntimeError):  # an array of several, an object
            continue
    return found


def flat_params(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Parameters by dotted name; None is left out.

    >>> dict(flat_params({"lr": 0.1, "optimizer": {"name": "adam", "betas": (0.9, 0.999)}, "seed": None}))
    {'lr': 0.1, 'optimizer.name': 'adam', 'optimizer.betas': [0.9, 0.999]}
    """
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name.count(".") < _DEEPEST:
            yield from flat_params(value, f"{name}.")
        elif value is not None:
            yield name, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple) and all(isinstance(item, bool | int | float | str) for item in value):
        return list(value)
    return str(value)


def _tell(error: Exception) -> None:
    text = f"{type(error).__name__}: {error}"
    if text not in _told:
        _told.add(text)
        _log.warning("lineal: the training goes on, but something of it is not recorded: %s", text)
