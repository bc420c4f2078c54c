"""Objects by key: written into packs, found through the index, read block by block."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from blake3 import blake3

from lineal.errors import Integrity
from lineal.store.backends.interface import Backend
from lineal.store.index import Footer, Index
from lineal.store.packs import CHUNK, PACK_SIZE, PackBuilder, Place, damaged_pack, decode_block, pack_key

_CACHED_BLOCKS = 16
_WORKERS = 2


class Objects:
    """What is in the packs. Thread safe: every thread has its own batch."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.index = Index(backend)
        self.index.refresh()
        self.written = 0
        self._batches = threading.local()
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None
        self._pool_process = 0

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Groups what this thread puts inside into packs, durable when the outermost batch ends.

        If it ends with an exception, what is not yet in a pack is dropped.
        """
        if self._builders:
            yield
            return
        self._batches.builders = {meta: PackBuilder(self._workers) for meta in ((False,) if self.backend.mapped else (False, True))}
        self.index.refresh()
        try:
            yield
            self._flush(*self._builders)
        finally:
            self._batches.builders = {}

    def put(self, key: bytes, data: bytes | memoryview, kind: int = CHUNK, *, meta: bool = False) -> bool:
        """Stores an object that is perhaps here already; says whether it was new. Inside a batch it is durable when that ends.

        Args:
            meta: whether it is a commit or a tree node. Where a request costs more than a byte, these lie in packs of their own.
        """
        if self.kind(key) is not None:
            return False
        builders = self._builders
        if not builders:
            with self.batch():
                return self.put(key, data, kind, meta=meta)
        builder = builders[meta and meta in builders]
        builder.add(key, data, kind)
        if builder.stored >= PACK_SIZE:
            self._flush(meta and meta in builders)
        return True

    def kind(self, key: bytes) -> int | None:
        """The kind of an object, or None where this process knows of none."""
        for builder in self._builders.values():
            if (kind := builder.kind(key)) is not None:
                return kind
        found = self.index.find(key)
        return None if found is None else found[1].kind

    def get(self, key: bytes) -> tuple[int, bytes]:
        """Kind and bytes of an object; a chunk's are compared with its key.

        Raises:
            Integrity: kind ``missing-content``, if it is not here; kind ``damaged-pack``, if its bytes are not what they were.
        """
        for builder in self._builders.values():
            if (kind := builder.kind(key)) is not None:
                return kind, builder.get(key)
        found = self.index.find(key)
        if found is None and self.index.refresh():
            found = self.index.find(key)
        if found is None:
            raise Integrity(f"blake3:{key.hex()} is not in the store", kind="missing-content", hint="See what is missing with: lineal fsck")
        pack, place = found
        data = self._read(pack, place)
        if place.kind == CHUNK and blake3(data).digest() != key:
            raise damaged_pack(pack, f"the bytes of blake3:{key.hex()} are not what they were")
        return place.kind, data

    def refresh(self) -> None:
        """Sees what other processes have written meanwhile."""
        self.index.refresh()

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None and self._pool_process == os.getpid():
            self._pool.shutdown()
        self._pool = None

    @property
    def _builders(self) -> dict[bool, PackBuilder]:
        """This thread's open packs, by whether they are for commits and tree nodes only; empty outside a batch."""
        found: dict[bool, PackBuilder] = getattr(self._batches, "builders", {})
        return found

    def _workers(self) -> ThreadPoolExecutor:
        if self._pool is None or self._pool_process != os.getpid():  # threads do not survive a fork
            self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="lineal-store")
            self._pool_process = os.getpid()
        return self._pool

    def _flush(self, *shelves: bool) -> None:
        """Crash order: packs are whole and durable before the index names them."""
        made: dict[str, Footer] = {}
        for meta in shelves:
            pack = self._builders[meta].finish()
            self._builders[meta] = PackBuilder(self._workers)
            if pack is not None:
                self.written += self.backend.create(pack_key(pack.name), pack.pieces)
                made[pack.name] = Footer.of(pack, meta=meta)
        if made:
            self.index.publish(list(made), made)

    def _read(self, pack: str, place: Place) -> bytes:
        block = self._block(pack, place)
        if place.start + place.length > len(block):
            raise damaged_pack(pack, "an object reaches beyond its block")
        if place.length == len(block):
            return block
        return block[place.start : place.start + place.length]

    def _block(self, pack: str, place: Place) -> bytes:
        """A plain block; the last few are kept, because neighbours are read together."""
        name = (pack, place.block)
        with self._lock:
            if name in self._blocks:
                self._blocks.move_to_end(name)
                return self._blocks[name]
        stored = self.backend.read(pack_key(pack), place.block, place.stored)
        if len(stored) != place.stored:
            raise damaged_pack(pack, "it is cut short")
        block = decode_block(stored, pack)
        with self._lock:
            self._blocks[name] = block
            if len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        return block
