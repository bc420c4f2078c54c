"""Refs: names that point at commits, moved by compare-and-swap. The only thing in a store that changes, beside the index's head."""

from __future__ import annotations

import re

from lineal.errors import Conflict, Integrity, InvalidInput
from lineal.records.digest import Digest, parse_digest
from lineal.store.backends.interface import Backend
from lineal.store.sealing import seal, unseal

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(/[A-Za-z0-9_][A-Za-z0-9._+-]*)*\Z")


class Refs:
    """The refs of one project in a store. Thread safe, and safe among processes."""

    def __init__(self, backend: Backend, project_id: str) -> None:
        self._backend = backend
        self._prefix = f"refs/{_checked(project_id)}/"

    def get(self, name: str) -> Digest | None:
        """What the ref points at, or None where there is none.

        Raises:
            Integrity: kind ``damaged-ref``, if its file is not what was written.
        """
        return self._decode(name, self._backend.fetch(self._prefix + _checked(name)))

    def beginning(self, prefix: str) -> dict[str, Digest]:
        """Refs whose names begin with ``prefix``, by name, in order."""
        names = [key.removeprefix(self._prefix) for key in self._backend.list(self._prefix)]
        return {name: digest for name in names if name.startswith(prefix) and (digest := self.get(name)) is not None}

    def names(self) -> list[str]:
        """Every ref, damaged or not."""
        return [key.removeprefix(self._prefix) for key in self._backend.list(self._prefix)]

    def move(self, name: str, new: Digest | None, *, expected: Digest | None) -> None:
        """Points the ref at ``new`` if it points at ``expected`` now; None means that there is none.

        Raises:
            Conflict: kind ``ref-moved``, if it points elsewhere.
        """
        key = self._prefix + _checked(name)
        raw = self._backend.fetch(key)
        moved = self._decode(name, raw) != expected
        if moved or not self._backend.swap(key, None if new is None else _encode(name, new), expected=raw):
            raise Conflict(f"{name} has moved meanwhile: another writer was first", kind="ref-moved", hint="Look again and retry.")

    def remains(self, name: str) -> tuple[Digest, ...]:
        """What a damaged ref's file may still say it points at; whether that is so, its checksum does not tell any more."""
        raw = self._backend.fetch(self._prefix + _checked(name)) or b""
        return tuple(Digest(found.decode()) for found in re.findall(rb"blake3:[0-9a-f]{64}", raw))

    def restore(self, name: str, digest: Digest) -> None:
        """Points a ref at a commit, whatever its file says."""
        key = self._prefix + _checked(name)
        while not self._backend.swap(key, _encode(name, digest), expected=self._backend.fetch(key)):
            continue

    def _decode(self, name: str, raw: bytes | None) -> Digest | None:
        if raw is None:
            return None
        body = unseal(raw, name=f"ref {name}", kind="damaged-ref").decode()
        text, _space, written = body.partition(" ")
        if written != name:
            raise Integrity(f"ref {name} is damaged: it was written as {written}", kind="damaged-ref", hint="See what is left with: lineal fsck")
        return parse_digest(text)


def _encode(name: str, digest: Digest) -> bytes:
    return seal(f"{digest} {name}".encode())


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise InvalidInput(f"{name!r} cannot be a ref's name", kind="bad-name", hint="Use letters, digits and . _ + - with / between parts.")
    return name
