"""Where a file is: bytes, POSIX, relative to a named root, so that a record survives moving the project's folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SERVER = re.compile(r"\A((?:s3a?|gs|az)://\S*?)\?(?:endpoint|region)=\S*\Z")
_FILE = "file://"

PROJECT = "project"
HOME = "home"
ABSOLUTE = "absolute"
URL = "url"
"""What lies nowhere on this machine: the path is the URL."""

RUN = "run"
"""What a run keeps of its own accord, such as recorded models: relative to the run itself, and nowhere on disk once it is in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A path below a named root.

    Attributes:
        root: ``project``, ``home``, ``absolute``, ``url`` or ``run``.
        path: POSIX path as bytes; absolute for ``absolute``, a URL for ``url``, else relative.
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


def is_url(text: str) -> bool:
    """Whether a text names something by a URL that is no file of this machine.

    >>> is_url("s3://bucket/a.csv"), is_url("file:///data/a.csv"), is_url("data/a.csv")
    (True, False, False)
    """
    return _URL.match(text) is not None and not text.lower().startswith(_FILE)


def local_path(text: str) -> str:
    """The path that a text names: the text itself, or what stands in a ``file://`` URL.

    >>> local_path("file:///data/a%20b.csv"), local_path("data/a%20b.csv")
    ('/data/a b.csv', 'data/a%20b.csv')
    """
    if not text.lower().startswith(_FILE):
        return text
    from urllib.parse import unquote

    return unquote(text[len(_FILE) :].removeprefix("localhost"), errors="surrogateescape")


def without_server(url: str) -> str:
    """A URL without what says which server its bucket is on; what programs read there is known without.

    >>> without_server("s3://b/a.csv?endpoint=http://h:9000&region=x"), without_server("https://h/a.csv?region=x")
    ('s3://b/a.csv', 'https://h/a.csv?region=x')
    """
    return _SERVER.sub(r"\1", url)
