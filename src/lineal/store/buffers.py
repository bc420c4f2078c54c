"""Memory to read into, used again and again: a new megabyte costs the system about as much as hashing it."""

from __future__ import annotations

SIZE = 1024 * 1024
"""Small enough that what is read stays in a processor's own cache while it is cut, hashed and compressed."""


class Buffer:
    """A piece of memory of which several may hold a part; when none does, it can be filled again. Not thread safe."""

    __slots__ = ("_holders", "_pool", "view")

    def __init__(self, pool: Buffers) -> None:
        self.view = memoryview(bytearray(SIZE))
        self._pool = pool
        self._holders = 0

    def hold(self) -> None:
        """Keeps the bytes as they are until `drop`."""
        self._holders += 1

    def drop(self) -> None:
        """Gives back one `hold`."""
        self._holders -= 1
        if not self._holders:
            self._pool.give_back(self)


class Buffers:
    """A pool of buffers. Not thread safe."""

    def __init__(self) -> None:
        self._free: list[Buffer] = []

    def take(self) -> Buffer:
        """A buffer that nobody else has, held once."""
        buffer = self._free.pop() if self._free else Buffer(self)
        buffer.hold()
        return buffer

    def give_back(self, buffer: Buffer) -> None:
        """Called by the buffer itself."""
        self._free.append(buffer)
