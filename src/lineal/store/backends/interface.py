"""What a place for bytes must be able to do. Keys are relative POSIX paths in ASCII, such as ``packs/3f/3f2a….pack``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable


class Backend(Protocol):
    """Files that are written once, and a few small values that are swapped.

    Every method raises only Lineal's errors: Unavailable kind ``disk-full`` or ``store-unavailable``, PermissionDenied kind
    ``store-denied``, and Integrity kind ``missing-file`` where a key is read that is not there. Thread safe, and safe among processes.
    """

    mapped: bool
    """Whether `view` maps a file instead of reading it, so that looking into a part of it costs nothing for the rest."""

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Writes a file once: whole and durable when this returns, or not there at all. One that exists is left as it is.

        Returns:
            The bytes it has.
        """

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset`` on; fewer only at the file's end."""

    def view(self, key: str) -> memoryview:
        """The whole file to look at, without reading all of it where the place allows that. It stays valid while it is referred to."""

    def exists(self, key: str) -> bool:
        """Whether a file or value of that key is there."""

    def list(self, prefix: str) -> Iterator[str]:
        """Keys that begin with ``prefix``, in order."""

    def delete(self, *keys: str) -> None:
        """Takes files away; one that is not there is no error."""

    def size(self, key: str) -> int | None:
        """How many bytes a file has; None where there is none."""

    def move(self, key: str, target: str) -> None:
        """Gives a file another key, taking the place of what is there; a writer that dies meanwhile leaves it at one of both, or at both."""

    def age(self, key: str) -> float | None:
        """How many seconds ago a file or value was written, by the place's own clock, not this machine's; None where there is none."""

    def hold(self, note: Callable[[], bytes]) -> AbstractContextManager[None]:
        """Shows a note to all processes until the block ends or this process dies; a place that cannot tell who lives asks for none."""

    def held(self) -> tuple[bytes, ...] | None:
        """The notes that living processes show now; None where the place cannot tell who lives."""

    def fetch(self, key: str) -> bytes | None:
        """A small value, or None where there is none."""

    def swap(self, key: str, new: bytes | None, *, expected: bytes | None) -> bool:
        """Replaces a small value if it is ``expected`` now, durably and in one step; None means that there is none.

        Returns:
            Whether it was replaced; False if another writer was first.
        """

    def trusted(self, note: str) -> bool:
        """Whether something was noted of this place that would cost requests to find out again."""

    def trust(self, note: str) -> None:
        """Notes something of this place, on this machine, where that saves requests."""

    def request_count(self) -> int:
        """How many requests were made over a network."""


@runtime_checkable
class Publisher(Protocol):
    """A place with a program behind it, which writes the index of packs itself: its writers need not race each other for that."""

    def publish(self, packs: Mapping[str, bool]) -> bytes:
        """Makes packs that are there known to everybody, durably and all at once.

        Args:
            packs: by name, whether each has commits and tree nodes only.

        Returns:
            The head of the index as it is then.

        Raises:
            Integrity: kind ``missing-file``, if one of them is not there; nothing is changed then.
        """
