"""What every place of tracked data can do: list its files, say what it knows of one, and give exactly the bytes that were recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from lineal.errors import Conflict
from lineal.records.tracked import SourceFacts

Read = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a source.

    Attributes:
        path: relative to the source, as bytes; of a source that is one file its name.
        mode: ``tracked``, or ``symlink`` and ``folder`` (empty ones) of a folder.
        target: where a symbolic link points.
    """

    path: bytes
    facts: SourceFacts
    mode: str = "tracked"
    target: bytes = b""


class Source(Protocol):
    """A place. Thread safe. What it cannot give raises PermissionDenied kind ``source-denied`` or Unavailable kind ``source-unavailable``."""

    @property
    def kind(self) -> str:
        """``bucket``, ``web`` or ``folder``."""

    @property
    def place(self) -> str:
        """Its address without options and secrets; of a folder its absolute path."""

    @property
    def options(self) -> dict[str, str]:
        """What the address says besides, such as an endpoint."""

    @property
    def single(self) -> bool:
        """Whether it is one file; asks where that is not known yet."""

    def files(self) -> Iterator[SourceFile]:
        """Every file, in any order, with what a listing says of each. Raises NotFound kind ``unknown-source``."""

    def files_with_versions(self) -> Iterator[SourceFile] | None:
        """The same with the id of each file's version, where a listing can say it; None where it cannot."""

    def look(self, path: bytes, version: str = "") -> SourceFacts | None:
        """Everything it says of one file, its version too where it keeps versions; None where it is not there (any more)."""

    def keeps_versions(self, path: bytes) -> bool:
        """Whether what is overwritten can be had again, judged by one of its files."""

    def read(self, path: bytes, facts: SourceFacts) -> Iterator[bytes]:
        """The bytes that were recorded, in pieces.

        Raises:
            Conflict: kind ``source-changed``, if they are not there any more.
        """

    def part(self, path: bytes, facts: SourceFacts, start: int, stop: int) -> bytes:
        """A part of those bytes, by a request of its own. Raises like `read`."""


def changed(place: str, path: bytes, reason: str) -> Conflict:
    """The error for bytes that a source does not have any more."""
    return Conflict(
        f"{place}: {path.decode('utf-8', 'backslashreplace')} {reason}",
        kind="source-changed",
        hint="See what changed with: lineal data verify NAME; a new fixed point is made by: lineal data track",
    )
