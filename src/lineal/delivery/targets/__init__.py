"""Places that run services: one file per brand, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from lineal.delivery.targets.interface import Target
from lineal.delivery.targets.process import ProcessTarget
from lineal.errors import InvalidInput

TARGETS: Mapping[str, Target] = {"process": ProcessTarget()}


def target_named(name: str) -> Target:
    """The target of that name.

    Raises:
        InvalidInput: kind ``unknown-target``.
    """
    if name not in TARGETS:
        raise InvalidInput(f"{name!r} is no target that is known here; these are: {', '.join(TARGETS)}", kind="unknown-target")
    return TARGETS[name]
