"""What the file system says of a file, as far as it tells whether the file has changed."""

from __future__ import annotations

import os
from operator import attrgetter
from typing import NamedTuple

_FINE_DOUBT_NS = 50_000_000
_COARSE_DOUBT_NS = 2_000_000_000


class Status(NamedTuple):
    """The part of ``os.stat_result`` that tells whether something changed, by the same names."""

    st_mode: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_ino: int


Looked = Status | os.stat_result

_fields = attrgetter(*Status._fields)


def status_of(looked: os.stat_result) -> Status:
    """What the system says, as it is compared."""
    return Status._make(_fields(looked))


def is_settled(status: Looked, seen: int) -> bool:
    """Whether a change after ``seen`` would show in the status; file systems without fractions of a second need longer (git's racy rule)."""
    return is_settled_at(max(status.st_mtime_ns, status.st_ctime_ns), seen)


def is_settled_at(touched: int, seen: int) -> bool:
    """The same of something that was touched at that time, in nanoseconds."""
    doubt = _COARSE_DOUBT_NS if not touched % 1_000_000_000 else _FINE_DOUBT_NS
    return touched + doubt < seen
