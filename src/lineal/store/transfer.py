"""Carrying objects from one store to another: packs as they are where most of one is wanted, else what is wanted of it, packed anew.

What is needed comes in waves. A wave is published at once, when all of it is there: whoever finds a list of chunks finds the chunks. A transfer
that dies is gone on with: published waves are not looked at again, and packs of the one that was not are found by their names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from blake3 import blake3

from lineal.errors import Integrity, NotFound
from lineal.store.divergence import Content, Need, keys_below
from lineal.store.index import Footer
from lineal.store.objects import Objects
from lineal.store.packs import CHUNK, LIST, PACK_SIZE, RECORD, Pack, PackBuilder, Place, damaged_pack, decode_block, is_sound, pack_key, read_footer

Step = Callable[[int, int], object]
"""Is told how many bytes have travelled, and how many are known to."""

WORKERS = 4
WAVE = 200_000
WAVE_BYTES = 4 << 30
"""So many contents, of so many bytes, are planned together; more would take memory and be lost together, fewer would tear packs apart."""
UNASKED_BYTES = 4 * 1024 * 1024
"""So much is sent rather than asked about: a question to a store far away takes a request, and fetches a quarter of a megabyte."""
UNASKED_OBJECTS = 256
MOST_OF_A_PACK = 0.8
SMALL_PACK = 4 * 1024 * 1024
"""Packs below this are packed together; each one that travels as it is costs two requests."""
LONGEST_RUN = 8 * 1024 * 1024
_GAP = 256 * 1024
_REMEMBERED = 4_000_000
_LOOKED_AT = 4096


@dataclass(slots=True)
class Carried:
    """What a transfer moved.

    Attributes:
        bytes: as stored, packs with their footers.
    """

    objects: int = 0
    packs: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Located:
    """An object that is wanted, and where it is in a pack of the source."""

    key: bytes
    place: Place


@dataclass(slots=True)
class _Run:
    """Neighbouring blocks of one pack that are read in one go."""

    pack: str
    start: int
    stop: int
    objects: list[Located] = field(default_factory=list)


def carry(source: Objects, target: Objects, needs: Iterable[Need], *, step: Step = lambda _done, _total: None) -> Carried:
    """Brings to the target what is needed there and not there yet; all of it is durable and published when this returns.

    Raises:
        Integrity: kind ``missing-content`` or ``damaged-pack``, if the source has not what it must have.
    """
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="lineal-transfer") as workers:
        carrier = _Carrier(source, target, workers, step)
        for wave in _waves(carrier.shelve(needs)):
            carrier.move(wave)
        carrier.finish()
    return carrier.carried


def _waves(contents: Iterable[Content]) -> Iterator[list[Content]]:
    wave: list[Content] = []
    size = 0
    for need in contents:
        wave.append(need)
        size += need.size
        if len(wave) >= WAVE or size >= WAVE_BYTES:
            yield wave
            wave, size = [], 0
    if wave:
        yield wave


class _Carrier:
    """One transfer. Its own thread plans, decodes and packs; the workers read from and write to stores."""

    def __init__(self, source: Objects, target: Objects, workers: ThreadPoolExecutor, step: Step) -> None:
        self._source = source
        self._target = target
        self._workers = workers
        self._step = step
        self._builders = {meta: PackBuilder(lambda: workers) for meta in (False, True)}
        self._seen: set[bytes] = set()
        self._writing: deque[Future[tuple[str, Footer, int, int]]] = deque()
        self._written: dict[str, Footer] = {}
        self._meta: dict[str, Footer] = {}
        self._total = 0
        self.carried = Carried()

    def shelve(self, needs: Iterable[Need]) -> Iterator[Content]:
        """Packs commits and nodes as they come by, and passes contents on. What was passed on is done with when the next is asked for."""
        for number, need in enumerate(needs):
            if not number % _LOOKED_AT:
                self._step(self.carried.bytes, self._total)
            if isinstance(need, Content):
                yield need
            elif self._is_first(need.key):
                self._add(need.key, need.data, need.kind, meta=True)

    def move(self, contents: Sequence[Content]) -> None:
        """Brings a wave of contents over, and publishes it."""
        wanted = self._wanted(contents)
        self._total += sum(length for located in wanted.values() for length in _blocks(located).values())
        self._step(self.carried.bytes, self._total)
        runs: list[_Run] = []
        for pack, located in wanted.items():
            if self._is_wanted_whole(pack, located):
                self._writing.append(self._workers.submit(self._copy_pack, pack))
                self._settle(WORKERS)
            else:
                runs += _runs(pack, located)
        for run, data in self._read(runs):
            self._repack(run, data)
        if self._total > UNASKED_BYTES:
            self._close(meta=False)
            self._settle(0)
            self._publish()

    def finish(self) -> None:
        """Writes and publishes what is in open packs."""
        for meta in (False, True):
            self._close(meta=meta)
        self._settle(0)
        self._publish(*self._meta)

    def _wanted(self, contents: Sequence[Content]) -> dict[str, list[Located]]:
        """The objects behind contents that the target has not, by the source's pack."""
        firsts = [need for need in contents if self._is_first(need.identity)]
        found = self._find(need.identity for need in firsts)
        lists = [need for need in firsts if found[need.identity][1].kind == LIST]
        found |= self._find(key for need in lists for key in keys_below(self._source, need) if self._is_first(key))
        size = sum(place.length for _pack, place in found.values())
        if self._target.backend.mapped or size > UNASKED_BYTES or len(found) > UNASKED_OBJECTS:
            found = {key: place for key, place in found.items() if self._target.index.find(key) is None}
        wanted: dict[str, list[Located]] = {}
        for key, (pack, place) in found.items():
            wanted.setdefault(pack, []).append(Located(key, place))
        return wanted

    def _is_first(self, key: bytes) -> bool:
        """Whether a key comes by for the first time; after very many some are forgotten, and asked about or sent again."""
        if key in self._seen:
            return False
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen.add(key)
        return True

    def _find(self, keys: Iterable[bytes]) -> dict[bytes, tuple[str, Place]]:
        """Where objects are in the source, in the order of their keys, so that what is read of an index far away is read once."""
        places: dict[bytes, tuple[str, Place]] = {}
        for key in sorted(keys):
            found = self._source.index.find(key)
            if found is None and self._source.is_lent(key):
                raise NotFound(
                    f"blake3:{key.hex()} was left at a remote by a partial pull, and is not here to be sent",
                    kind="not-fetched",
                    hint="Fetch it first: lineal pull NAME@VERSION",
                )
            if found is None:
                raise Integrity(f"blake3:{key.hex()} is not in the store", kind="missing-content", hint="See what is missing with: lineal fsck")
            places[key] = found
        return places

    def _is_wanted_whole(self, pack: str, located: Sequence[Located]) -> bool:
        """Whether so much of a pack is wanted that all of it is worth it: of its objects where they can be counted, else of its bytes."""
        backend, key = self._source.backend, pack_key(pack)
        wanted = sum(_blocks(located).values())
        if wanted < SMALL_PACK:
            return False
        if backend.mapped:
            return len(located) >= MOST_OF_A_PACK * len(read_footer(backend.view(key), pack)) / RECORD.size
        return wanted >= MOST_OF_A_PACK * (backend.size(key) or 0)

    def _copy_pack(self, name: str) -> tuple[str, Footer, int, int]:
        """Brings a pack over as it is, after its bytes were compared with its name."""
        view = self._source.backend.view(pack_key(name))
        if not is_sound(view, name):
            raise damaged_pack(name, "its bytes do not match its name")
        records = read_footer(view, name)
        count = len(records) // RECORD.size
        size = self._target.backend.size(pack_key(name)) or self._target.backend.create(pack_key(name), [view])
        return name, Footer(records=bytes(records)), size, count

    def _read(self, runs: Sequence[_Run]) -> Iterator[tuple[_Run, bytes]]:
        """Runs with their bytes, some read ahead."""
        waiting: deque[tuple[_Run, Future[bytes]]] = deque()
        for run in runs:
            waiting.append((run, self._workers.submit(self._source.backend.read, pack_key(run.pack), run.start, run.stop - run.start)))
            if len(waiting) > WORKERS:
                first, data = waiting.popleft()
                yield first, data.result()
        while waiting:
            first, data = waiting.popleft()
            yield first, data.result()

    def _repack(self, run: _Run, data: bytes) -> None:
        """Takes what is wanted out of a run's blocks; each chunk is compared with its key."""
        offset, block = -1, b""
        for located in run.objects:
            place = located.place
            if place.block != offset:
                offset = place.block
                block = decode_block(data[offset - run.start :][: place.stored], run.pack)
            part = block[place.start : place.start + place.length]
            if len(part) != place.length or (place.kind == CHUNK and blake3(part).digest() != located.key):
                raise damaged_pack(run.pack, f"the bytes of blake3:{located.key.hex()} are not what they were")
            self._add(located.key, part, place.kind, meta=False)

    def _add(self, key: bytes, data: bytes, kind: int, *, meta: bool) -> None:
        self._builders[meta].add(key, data, kind)
        if self._builders[meta].stored >= PACK_SIZE:
            self._close(meta=meta)

    def _close(self, *, meta: bool) -> None:
        pack = self._builders[meta].finish()
        self._builders[meta] = PackBuilder(lambda: self._workers)
        if pack is not None:
            self._writing.append(self._workers.submit(self._write, pack, meta=meta))
            self._settle(WORKERS)

    def _write(self, pack: Pack, *, meta: bool) -> tuple[str, Footer, int, int]:
        size = self._target.backend.create(pack_key(pack.name), pack.pieces)
        return pack.name, Footer.of(pack, meta=meta), size, pack.objects

    def _settle(self, waiting: int) -> None:
        """Takes over what is written until at most ``waiting`` packs are on their way, which bounds the memory they take."""
        while len(self._writing) > waiting:
            name, footer, size, objects = self._writing.popleft().result()
            (self._meta if footer.meta else self._written)[name] = footer
            self.carried.packs += 1
            self.carried.bytes += size
            self.carried.objects += objects
            self._step(self.carried.bytes, max(self._total, self.carried.bytes))

    def _publish(self, *meta: str) -> None:
        """Crash order: contents before the trees that name them; the last publication has the rest of the one and all of the other."""
        names = [*self._written, *meta]
        if names:
            self._target.index.publish(names, self._written | self._meta)
            self._written = {}


def _blocks(located: Iterable[Located]) -> dict[int, int]:
    """The blocks that objects are in: stored bytes by offset."""
    return {one.place.block: one.place.stored for one in located}


def _runs(pack: str, located: Sequence[Located]) -> list[_Run]:
    """Blocks that lie close together, joined."""
    runs: list[_Run] = []
    for one in sorted(located, key=lambda one: (one.place.block, one.place.start)):
        start, stop = one.place.block, one.place.block + one.place.stored
        last = runs[-1] if runs else None
        if last is None or start - last.stop > _GAP or stop - last.start > LONGEST_RUN:
            last = _Run(pack, start, stop)
            runs.append(last)
        last.stop = max(last.stop, stop)
        last.objects.append(one)
    return runs
