"""Runs, asked of a server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from lineal.records.comparison import Comparison
from lineal.records.difference import RunDifference
from lineal.records.run import Run, RunPage
from lineal.workspace.remote.client import Client, part
from lineal.workspace.wire import restore, unpack_series

if TYPE_CHECKING:
    from lineal.records.run import Series

PAGE = 1000
"""As many runs are asked for at once."""
_FOLLOW_SECONDS = 1.0


class RemoteRuns:
    """What a server knows of runs, and what can be done with them there."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, reference: str) -> Run:
        """The whole record of a run."""
        return self._client.record(Run, self._path(reference))

    def search(self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0) -> RunPage:
        """A page of runs, however many; so many that a server would not give them at once are asked for in turn."""
        found: list[Run] = []
        while True:
            page = self._client.record(RunPage, "/runs", where=where, order=order, limit=min(PAGE, limit - len(found)), offset=offset + len(found))
            found += page.runs
            if not page.runs or len(found) >= limit or len(page.runs) < PAGE:
                return RunPage(runs=tuple(found), total=page.total)

    def series(
        self, reference: str, key: str, *, points: int | None = None, start: int | None = None, stop: int | None = None, rank: int | None = None
    ) -> tuple[Series, ...]:
        """The points of a metric, one series per rank."""
        wanted = {"key": key, "points": points, "from": start, "to": stop, "rank": rank}
        return unpack_series(self._client.read(f"{self._path(reference)}/points", **wanted))

    def log(self, reference: str) -> Iterator[bytes]:
        """The output so far, in pieces."""
        return self._client.pieces(f"{self._path(reference)}/log")

    def follow(self, reference: str) -> Iterator[bytes]:
        """The output so far, then what comes until the run ends; asked for again and again, so that a server that restarts ends nothing."""
        run = self.get(reference)
        place = 0
        while True:
            for piece in self._client.pieces(f"{self._path(run.id)}/log", offset=place):
                place += len(piece)
                yield piece
            if run.status.ended:
                return
            time.sleep(_FOLLOW_SECONDS)
            run = self.get(run.id)

    def artifact(self, reference: str, path: str) -> BinaryIO:
        """A file that the run wrote or read, as it was then."""
        return self._client.file(f"{self._path(reference)}/artifact", path=path)

    def diff(self, reference: str) -> str:
        """The uncommitted diff that was recorded."""
        return self._client.read(f"{self._path(reference)}/diff").decode("utf-8", "replace")

    def stop(self, reference: str) -> Run:
        """Stops a run that goes on at the server itself; of any other it says where it must be stopped."""
        return self._changed(reference, "stop", {})

    def compare(self, references: Sequence[str]) -> Comparison:
        """Runs side by side."""
        return self._client.record(Comparison, "/compare", runs=",".join(references))

    def difference(self, before: str, after: str, *, log: bool = True) -> RunDifference:
        """All that differs between two runs, as far as the server has it."""
        return self._client.record(RunDifference, "/compare/difference", before=before, after=after, log=int(log))

    def mark_mistake(self, reference: str, reason: str) -> Run:
        """Labels a run as a mistake; an empty reason takes the label off."""
        return self._changed(reference, "mark", {"reason": reason})

    def annotate(self, reference: str, *, note: str | None = None, tags: Mapping[str, str] | None = None) -> Run:
        """Changes a run's note and tags."""
        wanted = {"note": note, "tags": None if tags is None else dict(tags)}
        return self._changed(reference, "annotate", {key: value for key, value in wanted.items() if value is not None})

    def _changed(self, reference: str, what: str, body: Mapping[str, Any]) -> Run:
        return restore(Run, self._client.post(f"{self._path(reference)}/{what}", body))

    def _path(self, reference: str) -> str:
        if "/" in reference:  # no part of a path holds one; a run's name may
            reference = str(self._client.get("/resolve", ref=reference, kinds="run")["id"])
        return f"/runs/{part(reference)}"
