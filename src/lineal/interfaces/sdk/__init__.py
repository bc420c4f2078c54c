"""Lineal from Python: record a run, find runs again, and get at whatever a reference names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineal.interfaces.sdk.recording import ActiveRun, run, start
from lineal.interfaces.sdk.session import open_workspace

if TYPE_CHECKING:
    from lineal.interfaces.sdk.reading import get, runs

__all__ = ["ActiveRun", "get", "open_workspace", "run", "runs", "start"]


def __getattr__(name: str) -> object:
    """Reading needs more than recording, so it is loaded when it is first asked for."""
    if name not in {"get", "runs"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lineal.interfaces.sdk import reading

    return getattr(reading, name)
