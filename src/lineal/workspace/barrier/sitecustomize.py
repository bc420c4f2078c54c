"""Refuses to open what lies in the folder of the originals, then runs the ``sitecustomize`` that this one stands before, if any.

It runs inside other people's programs, so it imports nothing of Lineal. An audit hook cannot be taken off again (PEP 578); what a library opens
without Python's help is not seen.
"""

from __future__ import annotations

import os
import sys

HIDDEN = "LINEAL_HIDDEN"
"""Environment variable: the folder that is refused, then the folders in it that are not, separated as in ``PATH``."""

_EVENTS = frozenset({"open", "os.listdir", "os.scandir"})


def _refuse(event: str, args: tuple[object, ...]) -> None:
    if event not in _EVENTS or not args or not isinstance(args[0], str | bytes | os.PathLike):
        return
    path = os.path.realpath(os.fsdecode(args[0])) + os.sep
    if path.startswith(_HIDDEN[0]) and not path.startswith(_HIDDEN[1:]):
        raise PermissionError(13, "this belongs to the originals, which a reproduction may not touch", os.fsdecode(args[0]))


def _chain() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    before, ours = list(sys.path), sys.modules.pop("sitecustomize", None)
    sys.path[:] = [folder for folder in before if os.path.abspath(folder or ".") != here]
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 - for what it does
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)
        sys.path[:] = before


_HIDDEN = tuple(folder.rstrip(os.sep) + os.sep for folder in os.environ.get(HIDDEN, "").split(os.pathsep) if folder)
if _HIDDEN:
    sys.addaudithook(_refuse)
_chain()
