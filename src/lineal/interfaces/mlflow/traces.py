"""Traces, which are not kept: a client that asks for some finds none."""

from __future__ import annotations

from typing import Any

from lineal.interfaces.mlflow.answers import MISSING, Refusal
from lineal.interfaces.mlflow.calls import Call


def search_traces(_call: Call) -> Any:
    """No traces: ``mlflow.search_traces`` finds none instead of failing."""
    return {}


def get_trace(call: Call) -> Any:
    """A trace, which is not there."""
    raise Refusal(f"Trace with ID '{call.path['trace_id']:.80}' not found.", MISSING)
