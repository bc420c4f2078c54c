"""Starts the watcher in a Python process of a recorded run, then runs the ``sitecustomize`` that this one stands before, if any."""

from __future__ import annotations

import os
import sys


def _start() -> None:
    try:
        import lineal_hook  # type: ignore[import-not-found]  # found through PYTHONPATH, beside this file
    except Exception:  # noqa: BLE001 - whatever is wrong with us must not stop the program
        return
    lineal_hook.start_from_environment()


def _chain() -> None:
    """Runs the next ``sitecustomize`` on the path as if ours were not there."""
    here = os.path.dirname(os.path.abspath(__file__))
    ours = sys.modules.get("sitecustomize")
    before = list(sys.path)
    sys.path[:] = [folder for folder in before if os.path.abspath(folder or ".") != here]
    sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 - for what it does
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if "sitecustomize" not in sys.modules and ours is not None:
            sys.modules["sitecustomize"] = ours
        sys.path[:] = [*sys.path, *(folder for folder in before if os.path.abspath(folder or ".") == here)]


_start()
_chain()
