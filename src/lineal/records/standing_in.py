"""Which version of a dataset a program gets when a run is run again: the one that was recorded, or the one that stands in for it."""

from __future__ import annotations

import re
from collections.abc import Mapping

ANY = "@*"
"""Behind a dataset's name: whatever version is asked for."""

_FIXED = re.compile(r"\d+|~?(blake3:)?[0-9a-f]{4,64}")


def is_fixed(reference: str) -> bool:
    """Whether a reference names the same version for ever: by number or commit, and not by a branch or as the latest.

    >>> is_fixed("flights@3"), is_fixed("flights@~3f2a"), is_fixed("flights"), is_fixed("flights@cleaning")
    (True, True, False, False)
    """
    return _FIXED.fullmatch(reference.partition("@")[2]) is not None


def stand_in(reference: str, instead: Mapping[str, str]) -> str:
    """The reference that counts in the place of another.

    Args:
        instead: references by dataset name, for what is asked for as the latest or by a branch; with `ANY` behind the name for every version.

    >>> stand_in("flights", {"flights": "flights@1"}), stand_in("flights@2", {"flights": "flights@1"}), stand_in("flights@2", {"flights@*": "flights@1"})
    ('flights@1', 'flights@2', 'flights@1')
    """
    name = reference.partition("@")[0]
    if name + ANY in instead:
        return instead[name + ANY]
    return reference if is_fixed(reference) else instead.get(name, reference)
