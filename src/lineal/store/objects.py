"""Objects by key: written into packs, found through the index, read block by block."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from blake3 import blake3

from lineal.errors import Integrity, NotFound, PermissionDenied, Unavailable
from lineal.store.backends.interface import Backend
from lineal.store.buffers import Buffer, Buffers
from lineal.store.index import Footer, Index
from lineal.store.leases import writing_note
from lineal.store.packs import CHUNK, PACK_SIZE, PackBuilder, Place, Span, damaged_pack, decode_block, pack_key
from lineal.store.tombstones import Buried

_CACHED_BLOCKS = 16
_WORKERS = max(1, min(4, (os.cpu_count() or 2) - 1))  # beside the thread that reads and hashes
_MOST_REWRITTEN = 1 << 16
"""A rewritten pack has at most as many objects, so that tiny ones do not fill the memory with their places."""


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
        self._condemned: Buried | None = None
        self._lender_is_silent = False
        self.lender: Callable[[], Objects | None] = lambda: None
        """Another store that has what is missing here, if there is one; asked for when something is."""
        self.before_writing: Callable[[], None] | None = None
        """Called once, before the first that is stored."""

    @contextmanager
    def session(self) -> Iterator[None]:
        """Lets what this thread finds or puts inside be relied on until the session ends, whatever a collection does beside it.

        For as long as something is stored that no ref and no fact names yet; sessions may be nested.
        """
        if self._in_session:
            yield
            return
        if self.before_writing is not None:
            self.before_writing()
            self.before_writing = None
        with self.backend.hold(partial(writing_note, self.backend)):
            self._batches.session = True
            try:
                self.index.refresh()
                yield
            finally:
                self._batches.session = False

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Groups what this thread puts inside into packs, durable when the outermost batch ends.

        If it ends with an exception, what is not yet in a pack is dropped.
        """
        if self._builders:
            yield
            return
        began = self._in_session
        with self.session():
            if began:
                self.index.refresh()
            self._batches.builders = {meta: PackBuilder(self._workers) for meta in ((False,) if self.backend.mapped else (False, True))}
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
        builders = self._builders
        if not builders:
            with self.batch():  # what is known from before may have been collected since
                return self.put(key, data, kind, meta=meta)
        if self.kind(key) is not None:
            return False
        builder = builders[meta and meta in builders]
        builder.add(key, data, kind)
        if builder.stored >= PACK_SIZE:
            self._flush(meta and meta in builders)
        return True

    def put_run(self, buffer: Buffer, run: Sequence[Span]) -> int:
        """Stores chunks that lie in a buffer one behind the other, inside a batch; returns the bytes of those that were new."""
        builder = self._builders[False]
        new = 0
        fresh: list[Span] = []
        seen: set[bytes] = set()
        for span in run:
            if span[0] in seen or self.kind(span[0]) is not None:
                builder.add_run(buffer, fresh)
                fresh = []
                continue
            seen.add(span[0])
            fresh.append(span)
            new += span[2] - span[1]
        builder.add_run(buffer, fresh)
        if builder.stored >= PACK_SIZE:
            self._flush(False)
        return new

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
        if found is not None:
            try:
                return self._read(key, pack_key(found[0]), *found)
            except Integrity as error:
                if error.kind != "missing-file":
                    raise
        return self._read_elsewhere(key, found)

    def kind_anywhere(self, key: bytes) -> int | None:
        """The kind of an object, also where a collection has condemned its pack: nothing new may rely on such a one."""
        known = self.kind(key)
        if known is not None:
            return known
        buried = self._buried.find(key)
        return None if buried is None else buried[2].kind

    def is_lent(self, key: bytes) -> bool:
        """Whether an object was left at a remote by a partial pull; one that cannot be asked now is believed to have it still."""
        try:
            lender = None if self._lender_is_silent else self.lender()
            return self._lender_is_silent or (lender is not None and lender.kind(key) is not None)
        except (Unavailable, PermissionDenied, NotFound):
            self._lender_is_silent = True  # whoever asks for many does not wait for each
            return True

    def rewrite(self, keys: Iterable[bytes], *, meta: bool) -> dict[str, Footer]:
        """Writes objects that are here into new packs, as if they were not; the index does not name these yet. ``meta`` is as in `put`."""
        made: dict[str, Footer] = {}
        builder = PackBuilder(self._workers)
        for key in keys:
            if key not in builder:
                kind, data = self.get(key)
                builder.add(key, data, kind)
            if builder.stored >= PACK_SIZE or len(builder) >= _MOST_REWRITTEN:
                made |= self._store({meta: builder})
                builder = PackBuilder(self._workers)
        return made | self._store({meta: builder})

    def refresh(self) -> None:
        """Sees what other processes have written meanwhile."""
        self.index.refresh()

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None and self._pool_process == os.getpid():
            self._pool.shutdown()
        self._pool = None

    @property
    def buffers(self) -> Buffers:
        """This thread's memory to read into."""
        found: Buffers | None = getattr(self._batches, "buffers", None)
        if found is None:
            found = self._batches.buffers = Buffers()
        return found

    @property
    def _in_session(self) -> bool:
        return getattr(self._batches, "session", False)

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
        full = {meta: self._builders[meta] for meta in shelves}
        for meta in shelves:
            self._builders[meta] = PackBuilder(self._workers)
        made = self._store(full)
        if made:
            self.index.publish(list(made), made)

    def _store(self, full: Mapping[bool, PackBuilder]) -> dict[str, Footer]:
        made: dict[str, Footer] = {}
        for meta, builder in full.items():
            pack = builder.finish()
            if pack is not None:
                self.written += self.backend.create(pack_key(pack.name), pack.pieces)
                builder.release()
                made[pack.name] = Footer.of(pack, meta=meta)
        return made

    def _read_elsewhere(self, key: bytes, tried: tuple[str, Place] | None) -> tuple[int, bytes]:
        """An object whose pack was rewritten or condemned since this process looked at the index, or that is nowhere."""
        if self.index.refresh():
            tried = self.index.find(key) or tried
            if tried is not None and self.backend.exists(pack_key(tried[0])):
                return self._read(key, pack_key(tried[0]), *tried)
        buried = self._buried.find(key)
        if buried is not None:
            return self._read(key, *buried)
        borrowed = self._borrowed(key)
        if borrowed is not None:
            return borrowed
        if tried is not None:
            raise Integrity(f"pack {tried[0]} is missing from the store", kind="missing-file", hint="See what it held with: lineal fsck")
        raise Integrity(f"blake3:{key.hex()} is not in the store", kind="missing-content", hint="See what is missing with: lineal fsck")

    def _borrowed(self, key: bytes) -> tuple[int, bytes] | None:
        """An object as a remote has it, where a partial pull left something there."""
        try:
            lender = self.lender()
            return None if lender is None else lender.get(key)
        except (Unavailable, PermissionDenied, NotFound) as error:
            raise NotFound(
                f"blake3:{key.hex()} was left at a remote when this was pulled, and that cannot be read now: {error.message}",
                kind="not-fetched",
                hint="When it can: lineal pull NAME@VERSION --prefix PATH fetches it for good.",
            ) from error

    def _read(self, key: bytes, where: str, pack: str, place: Place) -> tuple[int, bytes]:
        block = self._block(where, pack, place)
        if place.start + place.length > len(block):
            raise damaged_pack(pack, "an object reaches beyond its block")
        data = block if place.length == len(block) else block[place.start : place.start + place.length]
        if place.kind == CHUNK and blake3(data).digest() != key:
            raise damaged_pack(pack, f"the bytes of blake3:{key.hex()} are not what they were")
        return place.kind, data

    @property
    def _buried(self) -> Buried:
        if self._condemned is None:
            self._condemned = Buried(self.backend)
        return self._condemned

    def _block(self, where: str, pack: str, place: Place) -> bytes:
        """A plain block; the last few are kept, because neighbours are read together."""
        name = (pack, place.block)
        with self._lock:
            if name in self._blocks:
                self._blocks.move_to_end(name)
                return self._blocks[name]
        stored = self.backend.read(where, place.block, place.stored)
        if len(stored) != place.stored:
            raise damaged_pack(pack, "it is cut short")
        block = decode_block(stored, pack)
        with self._lock:
            self._blocks[name] = block
            if len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        return block
