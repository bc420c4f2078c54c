"""Runs: recorded, found again, read, compared, marked and stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lineal.errors import InvalidInput, NotFound
from lineal.records import journal
from lineal.records.address import is_address, parse_address
from lineal.workspace.continuing import place_of
from lineal.workspace.interface import Recorder, RunRequest, silent

if TYPE_CHECKING:
    from lineal.records.comparison import Comparison
    from lineal.records.difference import RunDifference
    from lineal.records.digest import Digest
    from lineal.records.run import FileUse, Run, RunPage, Series
    from lineal.records.verdict import Reproduction
    from lineal.workspace.interface import Datasets, Progress
    from lineal.workspace.site import Site

_PIECE = 1 << 18
_FOLLOW_SECONDS = 0.2


class LocalRuns:
    """`lineal.workspace.interface.Runs` over the ledger and the store of one project.

    Args:
        datasets: gives the project's datasets when a reproduction needs them; recording loads nothing for them.
    """

    def __init__(self, site: Site, datasets: Callable[[], Datasets]) -> None:
        self._site = site
        self._datasets = datasets

    def start(self, request: RunRequest) -> Recorder:
        """Begins a run in this process, or joins the one that this process was started in and that recorded nothing else yet."""
        from lineal.workspace.programs import start_run

        request, place = place_of(self._site, request, self.get)
        return start_run(self._site, request, place=place)

    def execute(self, request: RunRequest) -> Run:
        """Runs a command and records it; see `lineal.workspace.execution.execute`."""
        from lineal.workspace.execution import execute, tell

        request, place = place_of(self._site, request, self.get)
        bare = execute(self._site, request, place=place)
        try:
            self.ingest()
            return self._load(bare.id) if place is None or place.is_main else bare
        except Exception as error:  # noqa: BLE001 - the command has ended: whatever fails now must not hide its result
            tell(f"run {bare.id[:8]} is recorded, but could not be brought into the ledger: {error}")
            return bare

    def get(self, reference: str) -> Run:
        """The whole record of a run, with what is still being written."""
        self.ingest()
        return self._load(self._id(reference))

    def search(self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0) -> RunPage:
        """A page of runs. Raises InvalidInput kinds ``bad-filter`` and ``bad-order``."""
        from lineal.ledger.runs import search_runs

        with self._site.ledger.read() as connection:
            return search_runs(connection, self._site.project_id, where=where, order=order, limit=limit, offset=offset)

    def series(
        self, reference: str, key: str, *, points: int | None = None, start: int | None = None, stop: int | None = None, rank: int | None = None
    ) -> tuple[Series, ...]:
        """The points of a metric, one series per rank. Raises NotFound kind ``unknown-metric``."""
        from lineal.ledger.series import read_series

        identifier = self._id(reference)
        with self._site.ledger.read() as connection:
            found = read_series(connection, identifier, key, points=points, start=start, stop=stop, rank=rank)
        if not found:
            known = ", ".join(sorted(self._load(identifier).metrics)) or "none"
            raise NotFound(f"run {identifier[:8]} has no metric {key!r}", kind="unknown-metric", hint=f"It has: {known}")
        return found

    def log(self, reference: str) -> Iterator[bytes]:
        """The output so far, in pieces."""
        run = self._load(self._id(reference))
        path = self._log_file(run.id)
        if run.log is not None and self._site.store.contains(run.log):
            return self._stored(run.log)
        return _pieces(path)

    def follow(self, reference: str) -> Iterator[bytes]:
        """The output so far, then what comes until the run ends."""
        run = self._load(self._id(reference))
        if run.status.ended:
            yield from self.log(run.id)
            return
        place = 0
        while True:
            ended = self._load(run.id).status.ended
            for piece in _pieces(self._log_file(run.id), place):
                place += len(piece)
                yield piece
            if ended:
                yield from self._rest(run.id, place)
                return
            time.sleep(_FOLLOW_SECONDS)
            self.ingest()

    def artifact(self, reference: str, path: str) -> BinaryIO:
        """A file that the run wrote or read, outputs first, as it was then.

        Raises:
            NotFound: kind ``unknown-path``, if the run has no such file; kind ``not-restorable``, if its bytes were not kept.
        """
        run = self._load(self._id(reference))
        use = _file_of(run, path)
        if use.dataset and use.digest is not None and not use.digest.startswith("blake3:"):
            return self._tracked(use)
        if use.digest is None or not self._site.store.contains(use.digest):
            reason = use.note or "its bytes are not in the store"
            raise NotFound(
                f"{path} of run {run.id[:8]} cannot be had: {reason}", kind="not-restorable", hint="See what the run kept: lineal show RUN"
            )
        return self._site.store.open_content(use.digest)

    def diff(self, reference: str) -> str:
        """The uncommitted diff that was recorded; empty where there was none."""
        run = self._load(self._id(reference))
        if run.code.diff is None:
            return ""
        return self._site.store.read(run.code.diff).decode("utf-8", "replace")

    def stop(self, reference: str) -> Run:
        """Stops a running run: SIGTERM first, SIGKILL after a grace. See `lineal.workspace.stopping.stop_run`."""
        from lineal.workspace.stopping import stop_run

        self.ingest()
        run = self._load(self._id(reference))
        stop_run(self._site, run)
        self.ingest()
        return self._load(run.id)

    def compare(self, references: Sequence[str]) -> Comparison:
        """Runs side by side. Raises InvalidInput kind ``too-few-runs`` for fewer than two."""
        from lineal.records.comparison import compare_runs

        if len(references) < 2:
            raise InvalidInput("a comparison takes at least two runs", kind="too-few-runs", hint="Name two or more: lineal compare RUN RUN")
        return compare_runs(tuple(self._load(self._id(reference)) for reference in references))

    def difference(self, before: str, after: str, *, log: bool = True) -> RunDifference:
        """All that differs between two runs; see `lineal.workspace.differing.difference`."""
        from lineal.workspace.differing import difference

        runs = self._load(self._id(before)), self._load(self._id(after))
        logs = (self.log(runs[0].id), self.log(runs[1].id)) if log else None
        return difference(*runs, contents=self._site.store, logs=logs, folder=self._site.layout.root)

    def mark_mistake(self, reference: str, reason: str) -> Run:
        """Labels a run as a mistake; an empty reason takes the label off."""
        return self._change(reference, action="run.marked" if reason else "run.unmarked", mistake=reason)

    def annotate(self, reference: str, *, note: str | None = None, tags: Mapping[str, str] | None = None) -> Run:
        """Changes a run's note and tags; a tag with an empty value is taken off."""
        changes = {} if note is None else {"note": note}
        return self._change(reference, action="run.annotated", tags={key: value or None for key, value in (tags or {}).items()}, **changes)

    def reproduce(self, reference: str, *, data: Mapping[str, str] | None = None, progress: Progress = silent) -> Reproduction:
        """Reruns in a fresh checkout of code and data, and says what came out the same."""
        from lineal.workspace.reproduction import reproduce

        self.ingest()
        return reproduce(self._site, self, self._datasets(), reference, data=data, progress=progress)

    def ingest(self) -> int:
        """Completes the records of runs whose processes are gone, then brings every journal into the ledger."""
        if not _has_entries(self._site.layout.journals):
            return 0
        from lineal.workspace.collection import collect_pending
        from lineal.workspace.ingest import ingest

        collect_pending(self._site)
        return ingest(self._site)

    def _tracked(self, use: FileUse) -> BinaryIO:
        """A file of a tracked version, from its source. Raises Conflict kind ``source-changed`` where it is read."""
        view = self._datasets().view(f"data:{use.dataset}")
        inner = "" if view.version.single_file else use.path.removeprefix(view.version.path).lstrip("/")
        if is_address(use.path):
            inner = os.fsdecode(parse_address(use.path).path)
        return self._datasets().open(f"data:{use.dataset}", inner)

    def _id(self, reference: str) -> str:
        from lineal.workspace.references import resolve

        return resolve(self._site, reference, kinds=("run",)).id

    def _load(self, identifier: str) -> Run:
        from lineal.ledger.runs import load_run

        with self._site.ledger.read() as connection:
            return load_run(connection, self._site.project_id, identifier, self._site.store)

    def _change(self, reference: str, *, action: str, tags: Mapping[str, str | None] | None = None, **changes: str) -> Run:
        from lineal.ledger.runs import update_run

        identifier = self._id(reference)
        with self._site.ledger.write() as connection:
            update_run(connection, self._site.project_id, identifier, tags_=tags, **changes)
            payload = {**changes, **({"tags": dict(tags)} if tags else {})}
            self._site.record_event(connection, action, subject=f"run:{identifier}", payload=payload)
        return self._load(identifier)

    def _log_file(self, identifier: str) -> Path:
        return self._site.layout.journals / identifier / journal.OUTPUT_LOG

    def _stored(self, digest: Digest) -> Iterator[bytes]:
        with self._site.store.open_content(digest) as content:
            while piece := content.read(_PIECE):
                yield piece

    def _rest(self, identifier: str, place: int) -> Iterator[bytes]:
        """What the log has behind ``place``, wherever it lies by now."""
        for piece in self.log(identifier):
            if place < len(piece):
                yield piece[place:]
            place = max(0, place - len(piece))


def _has_entries(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(True for _entry in entries)
    except FileNotFoundError:
        return False


def _pieces(path: Path, place: int = 0) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(place)
            while piece := file.read(_PIECE):
                yield piece
    except FileNotFoundError:
        return


def _file_of(run: Run, path: str) -> FileUse:
    for use in (*run.outputs, *run.inputs):
        if path in {use.path, use.path_b64}:
            return use
    known = ", ".join(use.path for use in run.outputs[:8]) or "none"
    raise NotFound(f"run {run.id[:8]} has no file {path!r}", kind="unknown-path", hint=f"Its outputs: {known}")
