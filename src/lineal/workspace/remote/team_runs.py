"""Runs of a team: recorded here without a network, and asked of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from lineal.errors import LinealError, NotFound
from lineal.workspace.continuing import place_of
from lineal.workspace.interface import silent
from lineal.workspace.tracking import LocalRuns

if TYPE_CHECKING:
    from lineal.records.comparison import Comparison
    from lineal.records.difference import RunDifference
    from lineal.records.graph import Node
    from lineal.records.run import Run, RunPage, Series
    from lineal.records.verdict import Reproduction
    from lineal.workspace.interface import Datasets, Progress, Recorder, RunRequest
    from lineal.workspace.remote.client import Client
    from lineal.workspace.remote.forwarding import Forwarding
    from lineal.workspace.remote.link import Link
    from lineal.workspace.remote.runs import RemoteRuns
    from lineal.workspace.site import Site

T = TypeVar("T")


class TeamRuns:
    """`Runs` of a folder that works in a server's project.

    Args:
        local: runs as they are recorded here.
        datasets: the team's, for reproductions.
        forwarding: sends what this process records.
    """

    def __init__(self, site: Site, local: LocalRuns, link: Link, datasets: Callable[[], Datasets], forwarding: Callable[[], Forwarding]) -> None:
        self._site = site
        self._local = local
        self._link = link
        self._datasets = datasets
        self._forwarding = forwarding

    def start(self, request: RunRequest) -> Recorder:
        """Begins a run in this process; nothing waits for the network, unless another run is continued."""
        from lineal.workspace.programs import start_run

        request, place = place_of(self._site, request, self.get)
        recorder = start_run(self._site, request, place=place)
        self._forwarding().begin(recorder.run_id)
        return recorder

    def execute(self, request: RunRequest) -> Run:
        """Runs a command and records it; the record travels when it has ended, or later."""
        from lineal.workspace.execution import execute, tell

        request, place = place_of(self._site, request, self.get)
        with self._forwarding().everything():
            bare = execute(self._site, request, place=place)
        try:
            found = self.get(f"run:{bare.id}")
        except LinealError as error:  # the command has ended: whatever fails now must not hide its result
            tell(f"run {bare.id[:8]} is recorded here, and goes to {self._link.address} later: {error.message}")
            return bare
        return found if place is None or place.is_main else bare

    def get(self, reference: str) -> Run:
        """The whole record of a run."""
        return self._either(lambda runs: runs.get(reference), lambda: self._local.get(reference))

    def search(self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0) -> RunPage:
        """A page of runs."""
        words = {"where": where, "order": order}
        return self._either(
            lambda runs: runs.search(**words, limit=limit, offset=offset), lambda: self._local.search(**words, limit=limit, offset=offset)
        )

    def series(
        self, reference: str, key: str, *, points: int | None = None, start: int | None = None, stop: int | None = None, rank: int | None = None
    ) -> tuple[Series, ...]:
        """The points of a metric, one series per rank."""
        part = {"points": points, "start": start, "stop": stop, "rank": rank}
        return self._either(lambda runs: runs.series(reference, key, **part), lambda: self._local.series(reference, key, **part))

    def log(self, reference: str) -> Iterator[bytes]:
        """The output so far; of a run that was recorded here also what has not travelled."""
        return self._nearest(reference, lambda runs: runs.log(reference), lambda: self._local.log(reference))

    def follow(self, reference: str) -> Iterator[bytes]:
        """The output so far, then what comes until the run ends."""
        return self._nearest(reference, lambda runs: runs.follow(reference), lambda: self._local.follow(reference))

    def artifact(self, reference: str, path: str) -> BinaryIO:
        """A file that the run wrote or read, as it was then."""
        return self._either(lambda runs: runs.artifact(reference, path), lambda: self._local.artifact(reference, path))

    def diff(self, reference: str) -> str:
        """The uncommitted diff that was recorded."""
        return self._either(lambda runs: runs.diff(reference), lambda: self._local.diff(reference))

    def stop(self, reference: str) -> Run:
        """Stops a run that goes on here; of any other the server says where that must be done."""
        run = self._recorded_here(reference)
        if run is None or run.status.ended:
            return self._ask(lambda runs: runs.stop(reference))
        self._local.stop(run.id)
        return self.get(run.id)

    def compare(self, references: Sequence[str]) -> Comparison:
        """Runs side by side."""
        return self._either(lambda runs: runs.compare(references), lambda: self._local.compare(references))

    def difference(self, before: str, after: str, *, log: bool = True) -> RunDifference:
        """All that differs between two runs; a server has no working copy, so commits are compared by git here."""
        from lineal.workspace.differing import with_commits

        found = self._either(lambda runs: runs.difference(before, after, log=log), lambda: self._local.difference(before, after, log=log))
        return with_commits(found, self.get(f"run:{found.before}"), self.get(f"run:{found.after}"), self._site.layout.root)

    def mark_mistake(self, reference: str, reason: str) -> Run:
        """Labels a run as a mistake; an empty reason takes the label off."""
        return self._ask(lambda runs: runs.mark_mistake(reference, reason))

    def annotate(self, reference: str, *, note: str | None = None, tags: Mapping[str, str] | None = None) -> Run:
        """Changes a run's note and tags."""
        return self._ask(lambda runs: runs.annotate(reference, note=note, tags=tags))

    def reproduce(self, reference: str, *, data: Mapping[str, str] | None = None, progress: Progress = silent) -> Reproduction:
        """Reruns here, in a fresh checkout of what the server has, and says what came out the same."""
        from lineal.workspace.reproduction import reproduce

        return reproduce(self._site, self, self._datasets(), reference, data=data, above=self._above, progress=progress)

    def ingest(self) -> int:
        """Sends what has not travelled; says how many runs that was."""
        return self._link.send()

    def _above(self, run: str) -> Sequence[Node]:
        """The runs that a run stands on."""
        from lineal.workspace.remote.lineage import RemoteLineage

        graph = self._link.ask(lambda client: RemoteLineage(client).graph(f"run:{run}"))
        return [node for node in graph.nodes if node.kind == "run" and node.id != run]

    def _nearest(self, reference: str, ask: Callable[[RemoteRuns], T], look: Callable[[], T]) -> T:
        """From here where the run's journals still are, which say more than the server can know; else the server's answer."""
        return look() if self._recorded_here(reference) is not None else self._either(ask, look)

    def _recorded_here(self, reference: str) -> Run | None:
        """The run as far as it is here, if its journals are."""
        body = reference.removeprefix("run:")
        if not any(folder.name.startswith(body) for folder in self._site.layout.journals.glob("*")) or not body:
            return None
        try:
            return self._local.get(reference)
        except NotFound:
            return None

    def _ask(self, question: Callable[[RemoteRuns], T]) -> T:
        return self._link.ask(_of_runs(question))

    def _either(self, question: Callable[[RemoteRuns], T], look: Callable[[], T]) -> T:
        def look_here() -> T:
            self._local.ingest()
            return look()

        return self._link.ask_or_look(_of_runs(question), look_here)


def _of_runs(question: Callable[[RemoteRuns], T]) -> Callable[[Client], T]:
    from lineal.workspace.remote.runs import RemoteRuns

    return lambda client: question(RemoteRuns(client))
