"""Where a file is: bytes, POSIX, relative to a named root, so that a record survives moving the project's folder."""

from __future__ import annotations

import os
from dataclasses import dataclass

PROJECT = "project"
HOME = "home"
ABSOLUTE = "absolute"
RUN = "run"
"""What a run keeps of its own accord, such as recorded models: relative to the run itself, and nowhere on disk once it is in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A path below a named root.

    Attributes:
        root: ``project``, ``home``, ``absolute`` or ``run``.
        path: POSIX path as bytes; absolute for ``absolute``, else relative.
    """

    root: str
    path: bytes

    @property
    def text(self) -> str:
        """The path for people: surrogate-escaped, ``~/`` before home's."""
        shown = os.fsdecode(self.path)
        return f"~/{shown}" if self.root == HOME else shown

    def within(self, folder: Location) -> bool:
        """Whether this is ``folder`` or lies below it."""
        if folder.root != self.root:
            return False
        return folder.path in (b"", self.path) or self.path.startswith(folder.path.rstrip(b"/") + b"/")


def locate(path: bytes, *, project: bytes, home: bytes) -> Location:
    """The location of an absolute, normalised path: project first, then home, else absolute.

    >>> locate(b"/w/p/data/a.csv", project=b"/w/p", home=b"/home/ada").text
    'data/a.csv'
    """
    for root, base in ((PROJECT, project), (HOME, home)):
        prefix = base.rstrip(b"/") + b"/"
        if path == base.rstrip(b"/") or path.startswith(prefix):
            return Location(root=root, path=path[len(prefix) :])
    return Location(root=ABSOLUTE, path=path)


def resolve(location: Location, *, project: bytes, home: bytes) -> bytes:
    """The absolute path of a location on this machine."""
    base = {PROJECT: project, HOME: home}.get(location.root)
    return location.path if base is None else os.path.join(base, location.path) if location.path else base
