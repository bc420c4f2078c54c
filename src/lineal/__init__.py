"""Lineal: DevOps for machine learning in one package.

Importing it costs almost nothing: what is used is loaded when it is first asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lineal.interfaces.sdk import ActiveRun, get, open_workspace, run, runs, start

__version__ = "0.1.0"
__all__ = ["ActiveRun", "__version__", "get", "open_workspace", "run", "runs", "start"]


def __getattr__(name: str) -> object:
    """Loads a public name when it is first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'lineal' has no attribute {name!r}")
    from lineal.interfaces import sdk

    found: object = getattr(sdk, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *__all__})
