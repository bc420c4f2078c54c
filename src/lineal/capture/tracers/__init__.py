"""Ways to see which files a process opens: one file per brand behind `interface.py`."""

from __future__ import annotations

from lineal.capture.tracers.interface import Tracer
from lineal.capture.tracers.python_hook import PythonHook
from lineal.capture.tracers.strace import Strace
from lineal.errors import InvalidInput

BRANDS: dict[str, type[PythonHook | Strace]] = {"auto": PythonHook, "python": PythonHook, "strace": Strace}
"""Adding one is a line here."""


def choose_tracer(name: str) -> Tracer | None:
    """The tracer of that name: ``auto`` is the Python hook, ``none`` is None.

    Raises:
        InvalidInput: kind ``unknown-tracer``, or ``tracer-unavailable`` where it does not work here.
    """
    if name == "none":
        return None
    if name not in BRANDS:
        raise InvalidInput(f"there is no tracer {name!r}", kind="unknown-tracer", hint="Set capture.tracer to auto, python, strace or none.")
    tracer = BRANDS[name]()
    if reason := tracer.unavailable():
        raise InvalidInput(f"the tracer {name} does not work here: {reason}", kind="tracer-unavailable", hint="Set capture.tracer to auto.")
    return tracer
