"""The files of a project's store, for whoever reaches them through a server: confined to the shapes of a store's keys, and checked before they count."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence

from blake3 import blake3

from lineal.errors import Integrity, InvalidInput, LinealError, PermissionDenied
from lineal.store import keeping
from lineal.store.backends import open_backend
from lineal.store.backends.interface import Backend
from lineal.store.format import FORMAT_KEY
from lineal.store.index import HEAD_KEY, Index, shards_named
from lineal.store.packs import is_sound
from lineal.workspace import projection
from lineal.workspace.site import Site

_PACK = re.compile(r"packs/([0-9a-f]{2})/(\1[0-9a-f]{62})\.pack\Z")
_PACK_NAME = re.compile(r"[0-9a-f]{64}\Z")
_SHARD = re.compile(r"index/([0-9a-f]{2})/(\1[0-9a-f]{62})\.idx\Z")
_PART = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"
_PREFIX = re.compile(rf"({_PART}/)*([A-Za-z0-9_][A-Za-z0-9._+-]*)?\Z")
_MOST_VALUE = 8 << 20
_READ_UNASKED = 1 << 20
_FARTHEST = 1 << 50


class Shelf:
    """The files of one project's store. Thread safe."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._backend: Backend = open_backend(site.store_address, pages=site.pages)
        self._index = Index(self._backend)
        self._publishing = threading.Lock()
        refs = rf"refs/{site.project_id}/{_PART}(/{_PART})*"
        self._line = re.compile(rf"refs/{site.project_id}/(datasets|branches)/([^/]+)")
        self._values = re.compile(rf"(format|index/head|projects/{site.project_id}|{keeping.FOLDER}{site.project_id}|{refs})\Z")

    def create(self, key: str, data: bytes) -> int:
        """Takes a file in, once.

        Raises:
            PermissionDenied: kind ``store-denied``, for a key that is no pack's or shard's.
            InvalidInput: kind ``bad-file``, if its bytes do not match its name.
        """
        pack, shard = _PACK.match(key), _SHARD.match(key)
        if pack is not None:
            sound = is_sound(memoryview(data), pack[2])
        elif shard is not None:
            sound = blake3(data).hexdigest() == shard[2]
        else:
            raise _denied(key)
        if not sound:
            raise InvalidInput(f"the bytes of {key} do not match its name", kind="bad-file", hint="Send it again.")
        return self._backend.create(key, [data])

    def read(self, key: str, offset: int, length: int | None) -> bytes:
        """A part of a file, or all that follows ``offset``. Raises Integrity kind ``missing-file``."""
        self._check(key)
        if length is None:
            return bytes(self._backend.view(key)[offset:])
        return self._backend.read(key, offset, self._within(key, offset, length))

    def facts(self, key: str) -> tuple[bool, int | None, float | None]:
        """Whether a file or value is there, how many bytes it has, and how many seconds ago it was written."""
        self._check(key)
        size = self._backend.size(key)
        return size is not None or self._backend.exists(key), size, self._backend.age(key) if size is not None else None

    def list(self, prefix: str) -> Sequence[str]:
        """Keys in order, of those that one may see. Raises PermissionDenied kind ``store-denied``, for a prefix that no key has."""
        if not _PREFIX.match(prefix):
            raise _denied(prefix)
        return [key for key in self._backend.list(prefix) if self._is_open(key)]

    def delete(self, keys: Sequence[str]) -> None:
        """Takes shards of the index away that were merged into others; nothing else is deleted from afar.

        Raises PermissionDenied kind ``store-denied``, for one that the index still needs.
        """
        needed = shards_named(self._backend.fetch(HEAD_KEY)) if keys else frozenset()
        for key in keys:
            if not _SHARD.match(key) or key in needed:
                raise _denied(key)
        if keys:
            self._backend.delete(*keys)

    def fetch(self, key: str) -> bytes | None:
        """A small value."""
        self._check(key)
        return self._backend.fetch(key)

    def swap(self, key: str, new: bytes | None, *, expected: bytes | None) -> bool:
        """Replaces a value if it is the expected one; versions that come to a dataset so are known in the ledger at once."""
        if not self._values.match(key) or (new is None and not key.startswith("refs/")) or (key == FORMAT_KEY and expected is not None):
            raise _denied(key)
        if key == HEAD_KEY:
            _check_head(key, new)
        if new is not None and len(new) > _MOST_VALUE:
            raise InvalidInput(f"{key} would be larger than {_MOST_VALUE >> 20} MiB", kind="bad-file")
        done = self._backend.swap(key, new, expected=expected)
        line = self._line.match(key)
        if done and line is not None:
            projection.project(self._site, line[2])
        return done

    def publish(self, packs: Mapping[str, bool]) -> bytes:
        """Makes packs known that were created, one writer after the other; returns the index's head.

        Raises:
            InvalidInput: kind ``bad-file``, if a name is no pack's, or there is no such pack.
        """
        strange = next((name for name in packs if not _PACK_NAME.match(name)), None)
        if strange is not None:
            raise InvalidInput(f"{strange!r:.80} is no pack's name", kind="bad-file", hint="A pack's name has 64 hex digits.")
        with self._publishing:
            self._index.refresh()
            try:
                return self._index.publish_for_far(packs)
            except Integrity as error:
                if error.kind != "missing-file":
                    raise
                raise InvalidInput(f"a pack is not here: {error.message}", kind="bad-file", hint="Send it first.") from error

    def _within(self, key: str, offset: int, length: int) -> int:
        """As much of ``length`` as the file has; a small part is read without asking, and no memory is set aside for what is not there."""
        if length <= _READ_UNASKED and offset <= _FARTHEST:
            return length
        return max(0, min(length, (self._backend.size(key) or 0) - offset))

    def _check(self, key: str) -> None:
        if not self._is_open(key):
            raise _denied(key)

    def _is_open(self, key: str) -> bool:
        return bool(_PACK.match(key) or _SHARD.match(key) or self._values.match(key))


class OpenShelf:
    """The files of any place, unguarded: what a server's brand of backends is held against in tests."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def create(self, key: str, data: bytes) -> int:
        """Takes a file in."""
        return self._backend.create(key, [data])

    def read(self, key: str, offset: int, length: int | None) -> bytes:
        """A part of a file, or all of it."""
        return bytes(self._backend.view(key)) if length is None else self._backend.read(key, offset, length)

    def facts(self, key: str) -> tuple[bool, int | None, float | None]:
        """What is known of a file."""
        try:
            size = self._backend.size(key)
        except Integrity:
            size = None
        return size is not None or self._backend.exists(key), size, self._backend.age(key)

    def list(self, prefix: str) -> Sequence[str]:
        """Keys in order."""
        return list(self._backend.list(prefix))

    def delete(self, keys: Sequence[str]) -> None:
        """Takes files away."""
        self._backend.delete(*keys)

    def fetch(self, key: str) -> bytes | None:
        """A small value."""
        return self._backend.fetch(key)

    def swap(self, key: str, new: bytes | None, *, expected: bytes | None) -> bool:
        """Replaces a value if it is the expected one."""
        return self._backend.swap(key, new, expected=expected)

    def publish(self, packs: Mapping[str, bool]) -> bytes:
        """Makes packs known."""
        index = Index(self._backend)
        index.refresh()
        return index.publish_for_far(packs)


def _check_head(key: str, new: bytes | None) -> None:
    """What no reader could read would take all of the store's versions away until somebody mends it."""
    try:
        shards_named(new)
    except LinealError as error:
        raise InvalidInput(f"{key} would be damaged: {error.message}", kind="bad-file", hint="Send it again.") from error


def _denied(key: str) -> PermissionDenied:
    return PermissionDenied(f"{key!r:.120} is no file of a store that may be asked for", kind="store-denied")
