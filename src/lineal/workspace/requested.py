"""Runs that are recorded by requests: each request is durable in a journal of the run before it is answered, and the ledger learns of it when somebody reads.

So a server that is killed loses nothing that it acknowledged, and points become columnar blocks just as those of a program that records itself.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import select, update

from lineal.capture.identity import process_identity
from lineal.capture.journal import SUFFIX, encode_entry, journal_paths, read_journal
from lineal.capture.points import encode_points
from lineal.errors import InvalidState, LinealError, NotFound, Unavailable
from lineal.ledger.runs import load_run
from lineal.ledger.schema import runs
from lineal.records import frames, journal
from lineal.records.ids import RUN_ID
from lineal.records.requested import KeptFile, NamedData, Point, RequestedRun
from lineal.records.roles import guess_role
from lineal.records.run import Run, RunPage, RunStatus
from lineal.store.durable import sync_folder
from lineal.workspace.ingest import ingest_some

if TYPE_CHECKING:
    from lineal.records.digest import Digest
    from lineal.records.filter import Filter
    from lineal.workspace.site import Site

MOST_KNOWN = 4096
MOST_OPEN = 256
"""Journals that are held open; another one is begun where a run goes on whose journal was let go of."""
RUN_FILES = "run"
_sync = getattr(os, "fdatasync", os.fsync)


@dataclass(slots=True)
class _Writing:
    """A journal that is written to."""

    descriptor: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False


class LocalRequested:
    """Records runs by requests, in one process. Thread safe."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._known: OrderedDict[str, RequestedRun] = OrderedDict()
        self._open: OrderedDict[str, _Writing] = OrderedDict()
        self._news: set[str] = set(_pending(site.layout.journals))
        self._deletions = site.deletions

    def begin(self, *, name: str, experiment: str, author: str, started_at: int, tags: Mapping[str, str], parent: str = "") -> RequestedRun:
        """Begins a run; it is durable when this returns."""
        identifier = self._site.entropy(16).hex()
        name = name or f"run-{identifier[:8]}"
        run = RequestedRun(id=identifier, name=name, experiment=experiment, author=author, started_at=started_at)
        begin = {
            "name": name,
            "experiment": experiment,
            "author": author,
            "started": started_at,
            "parent": parent,
            "requested": True,
            "heard": self._site.clock(),
        }
        payloads = [encode_entry(journal.TAGS, {"values": dict(tags)})] if tags else []
        with self._writing(run.id, role="owner", begin=begin) as writing:
            self._append(writing, run.id, payloads)
        self._remember(run)
        return run

    def get(self, identifier: str) -> RequestedRun:
        """What is known of a run, of one that was recorded otherwise, too. Raises NotFound kind ``unknown-reference``."""
        with self._lock:
            if self._deletions != self._site.deletions:
                self._deletions = self._site.deletions
                self._known.clear()
            known = self._known.get(identifier)
            if known is not None:
                self._known.move_to_end(identifier)
                return known
        run = self.load(identifier)
        params = {key: str(param.value) for key, param in run.params.items()}
        found = RequestedRun(
            id=run.id,
            name=run.name,
            experiment=run.experiment,
            author=run.author,
            status=run.status,
            started_at=run.started_at,
            ended_at=run.ended_at,
            params=params,
            deleted=run.deleted_at is not None,
        )
        self._remember(found)
        return found

    def load(self, identifier: str) -> Run:
        """The whole record of a run, with all that was acknowledged. Raises NotFound kind ``unknown-reference``."""
        if not RUN_ID.match(identifier):
            raise NotFound(f"Run with id={identifier} not found", kind="unknown-reference")
        self.bring_in([identifier])
        with self._site.ledger.read() as connection:
            return load_run(connection, self._site.project_id, identifier, self._site.store)

    def search(self, *, where: Filter | None, order: str, limit: int, offset: int, life: str, experiments: Sequence[str]) -> RunPage:
        """A page of runs, with all that was acknowledged; deleted ones where ``life`` asks for them."""
        from lineal.ledger.runs import search_runs

        self.bring_in()
        project = self._site.project_id
        with self._site.ledger.read() as connection:
            return search_runs(connection, project, where=where, order=order, limit=limit, offset=offset, life=life, experiments=experiments)

    def now(self) -> int:
        """Microseconds UTC."""
        return self._site.clock()

    def log(
        self,
        identifier: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        used: Sequence[NamedData] = (),
    ) -> None:
        """Records points, parameters, tags and data that was used, in one step: all of it is durable when this returns.

        Raises:
            NotFound: kind ``unknown-reference``.
        """
        run = self.get(identifier)
        payloads = list(encode_points(points)) if points else []
        if params:
            payloads.append(encode_entry(journal.PARAMS, {"values": dict(params), "origin": "recorded"}))
        if tags:
            payloads.append(encode_entry(journal.TAGS, {"values": dict(tags)}))
        payloads += [encode_entry(journal.NAMED, asdict(data)) for data in used]
        if payloads:
            self._write(run, payloads)
        if params:
            self._remember(replace(run, params={**run.params, **params}))

    def end(self, identifier: str, *, status: RunStatus, ended_at: int) -> RequestedRun:
        """Ends a run, or says again how it ended."""
        run = self.get(identifier)
        ended = replace(run, status=status, ended_at=ended_at)
        with self._lock:
            self._known[identifier] = ended
        entry = encode_entry(journal.END, {"status": status.value, "exit_code": 0 if status is RunStatus.FINISHED else None, "ended": ended_at})
        self._write(ended, [entry])
        return ended

    def stop(self, identifier: str) -> None:
        """Ends a run that goes on, if it is recorded by requests: nobody needs to be asked."""
        if self.get(identifier).status.ended:
            return
        self.bring_in([identifier])
        with self._site.ledger.read() as connection:
            process = connection.execute(select(runs.c.process).where(runs.c.id == identifier)).scalar_one_or_none()
        if process and json.loads(process).get("requested"):
            self.end(identifier, status=RunStatus.STOPPED, ended_at=self._site.clock())

    def go_on(self, identifier: str) -> RequestedRun:
        """Lets a run that has ended go on."""
        run = self.get(identifier)
        if not run.status.ended:
            return run
        self.bring_in([identifier])
        with self._site.ledger.write() as connection:
            here = (runs.c.id == identifier, runs.c.project_id == self._site.project_id)
            values = {"status": RunStatus.RUNNING.value, "ended_at": None, "exit_code": None, "heartbeat_at": self._site.clock()}
            connection.execute(update(runs).where(*here).values(values))
        going = replace(run, status=RunStatus.RUNNING, ended_at=None)
        self._remember(going)
        return going

    def rename(self, identifier: str, name: str) -> RequestedRun:
        """Gives a run another name."""
        from lineal.ledger.runs import update_run

        run = self.get(identifier)
        self.bring_in([identifier])
        with self._site.ledger.write() as connection:
            update_run(connection, self._site.project_id, identifier, name=name)
        renamed = replace(run, name=name)
        self._remember(renamed)
        return renamed

    def keep_file(self, identifier: str, path: str, source: Path) -> KeptFile:
        """Stores a file as one that the run wrote; it is durable when this returns."""
        run = self.get(identifier)
        with self._site.store.session():
            stored = self._site.store.put_file(source)
            entry = {
                "direction": "output",
                "root": RUN_FILES,
                "path": path.encode(),
                "digest": stored.digest,
                "size": stored.size,
                "kind": "file",
                "role": guess_role(path),
                "role_origin": "guessed",
                "declared": True,
                "restorable": True,
                "note": "",
            }
            self._write(run, [encode_entry(journal.FILE, entry)])
        return KeptFile(path=path, digest=stored.digest, size=stored.size)

    def files(self, identifier: str) -> Mapping[str, KeptFile]:
        """The files that a run sent, by path; what came last counts."""
        run = self.load(identifier)
        found = {
            use.path: KeptFile(path=use.path, digest=use.digest, size=use.size)
            for use in run.outputs
            if use.root == RUN_FILES and use.digest is not None
        }
        for path in journal_paths(self._site.layout.journals / identifier):
            found.update(_sent_files(path))
        return found

    def scratch(self) -> Path:
        """A folder for what is being received, on the same file system."""
        self._site.layout.temporary.mkdir(parents=True, exist_ok=True)
        return self._site.layout.temporary

    def open_file(self, digest: Digest) -> BinaryIO:
        """The bytes of a file that a run sent."""
        return self._site.store.open_content(digest)

    def bring_in(self, some: Sequence[str] = ()) -> None:
        """Brings what was recorded into the ledger: of some runs, or of all that have news."""
        with self._lock:
            wanted = [run for run in (some or list(self._news)) if run in self._news]
            self._news.difference_update(wanted)
        if wanted:
            ingest_some(self._site, wanted)

    def close(self) -> None:
        """Closes the journals; runs that go on are gone on with in others."""
        with self._lock:
            writings = list(self._open.values())
            self._open.clear()
        for writing in writings:
            _shut(writing)

    def _remember(self, run: RequestedRun) -> None:
        with self._lock:
            self._known[run.id] = run
            self._known.move_to_end(run.id)
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)

    def _write(self, run: RequestedRun, payloads: Sequence[bytes]) -> None:
        with self._writing(run.id) as writing:
            last = [encode_entry(journal.CLOSED, {"time": self._site.clock()})] if run.status.ended else []
            self._append(writing, run.id, [*payloads, *last])
            if last:
                self._let_go(run.id, writing)

    def _append(self, writing: _Writing, run: str, payloads: Sequence[bytes]) -> None:
        try:
            if payloads:
                _write_whole(writing.descriptor, b"".join(map(frames.frame, payloads)))
            _sync(writing.descriptor)
        except OSError as error:
            raise _unwritten(error) from error
        with self._lock:
            self._news.add(run)

    @contextmanager
    def _writing(self, run: str, *, role: str = "worker", begin: Mapping[str, Any] | None = None) -> Iterator[_Writing]:
        """The run's journal, for one thread at a time; begun where there is none that is open."""
        while True:
            with self._lock:
                writing = self._open.get(run)
                if writing is not None:
                    self._open.move_to_end(run)
            if writing is None:
                writing = self._begun(run, role=role, begin=begin or {})
            with writing.lock:
                if not writing.closed:
                    yield writing
                    return

    def _begun(self, run: str, *, role: str, begin: Mapping[str, Any]) -> _Writing:
        folder = self._site.layout.journals / run
        name = f"{os.getpid()}-{self._site.entropy(8).hex()}"
        now = self._site.clock()
        fields = {"run": run, "project": self._site.project_id, "rank": 0, "started": now, "parent": "", "role": role, "journal": name, "attempt": 1}
        head = frames.head(frames.JOURNAL) + frames.frame(encode_entry(journal.BEGIN, {**fields, **process_identity(), **begin}))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / f"{name}{SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.write(descriptor, head)
            sync_folder(folder)
        except OSError as error:
            raise _unwritten(error) from error
        made = _Writing(descriptor)
        with self._lock:
            known = self._open.setdefault(run, made)
            oldest = self._open.popitem(last=False)[1] if len(self._open) > MOST_OPEN else None
        if known is not made:
            _shut(made)
        if oldest is not None:
            with oldest.lock:
                _shut(oldest)
        return known

    def _let_go(self, run: str, writing: _Writing) -> None:
        with self._lock:
            if self._open.get(run) is writing:
                del self._open[run]
        _shut(writing)


def _pending(folder: Path) -> list[str]:
    """The runs with journals that a server before this one left."""
    try:
        return [name for name in os.listdir(folder) if RUN_ID.match(name)]
    except FileNotFoundError:
        return []


def _write_whole(descriptor: int, data: bytes) -> None:
    """Appends all of it, or, where the disk is full, nothing: what comes later must not stand behind a torn frame."""
    size = os.fstat(descriptor).st_size
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _shut(writing: _Writing) -> None:
    if not writing.closed:
        writing.closed = True
        os.close(writing.descriptor)


def _sent_files(path: Path) -> dict[str, KeptFile]:
    found: dict[str, KeptFile] = {}
    try:
        for entry in read_journal(path):
            if entry["k"] == journal.FILE and entry["root"] == RUN_FILES and entry["digest"]:
                name = bytes(entry["path"]).decode("utf-8", "replace")
                found[name] = KeptFile(path=name, digest=entry["digest"], size=int(entry["size"]))
    except (LinealError, OSError):
        return found  # it was read in meanwhile, or is damaged, which `lineal fsck` tells
    return found


def _unwritten(error: OSError) -> LinealError:
    if error.errno == 28:
        return Unavailable("the disk is full; nothing was recorded", kind="disk-full", hint="Free space, then try again.")
    return InvalidState(f"the journal cannot be written: {error.strerror}", kind="journal-unavailable", hint="Check the folder's rights.")
