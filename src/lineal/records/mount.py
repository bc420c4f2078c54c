"""Versions that are mounted as folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lineal.records.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A version at a folder, from when it was mounted until it was taken away.

    Attributes:
        id: 32 hex digits, which the folder itself tells, too (``user.lineal.mount``).
        reference: such as ``flights@3``; commit, digest: which version that is, and the root of its tree.
        folder: absolute path of the mount point, bytes that are not UTF-8 as surrogates.
        process: what names the process that serves it; empty while it is starting.
        device: the number by which the system tells its files from others' (``st_dev``) while it is there; 0 where that is not known.
        made_folder: whether the folder was made for it, and goes with it.
        started_at, ended_at: microseconds UTC; ``ended_at`` is None while it is there.
        lost: whether its process died without taking it away.
    """

    id: str
    reference: str
    commit: Digest
    digest: Digest
    folder: str
    started_at: int
    process: Mapping[str, Any] = field(default_factory=dict)
    device: int = 0
    made_folder: bool = False
    ended_at: int | None = None
    lost: bool = False

    @property
    def pid(self) -> int:
        """The id of the process that serves it."""
        return int(self.process.get("pid", 0))
