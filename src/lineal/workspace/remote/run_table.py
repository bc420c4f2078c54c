"""The table of runs, asked of a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from lineal.records.completion import Completion
from lineal.records.run_table import Pulse, RowPage, RunGroup, RunRow

if TYPE_CHECKING:
    from lineal.workspace.interface import RunTable
    from lineal.workspace.remote.client import Client
    from lineal.workspace.remote.link import Link

T = TypeVar("T")

PAGE = 1000
"""As many rows are asked for at once."""


class RemoteTable:
    """The rows that a server has."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def rows(
        self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0, after: str = "", columns: Sequence[str] | None = None
    ) -> RowPage:
        """A page of rows, however many; more than a server gives at once are asked for in turn."""
        found: list[RunRow] = []
        shown = None if columns is None else ",".join(columns) or "none"
        while True:
            many = min(PAGE, limit - len(found))
            page = self._client.record(RowPage, "/rows", where=where, order=order, limit=many, offset=offset, after=after, columns=shown)
            found += page.rows
            after, offset = page.after, 0
            if not after or len(found) >= limit:
                return RowPage(rows=tuple(found), after=after)

    def count(self, *, where: str = "") -> int:
        """How many runs match."""
        return int(self._client.get("/count", where=where)["count"])

    def groups(self, by: str, *, where: str = "", metrics: Sequence[str] = ()) -> Sequence[RunGroup]:
        """The runs that match in groups."""
        return self._client.records(RunGroup, "/groups", "groups", by=by, where=where, metrics=",".join(metrics))

    def complete(self, text: str) -> Sequence[Completion]:
        """What could come next at the end of a filter."""
        return self._client.records(Completion, "/complete", "completions", text=text)

    def keys(self) -> Mapping[str, Sequence[str]]:
        """Names of all metrics, parameters and tags of the project, by section."""
        return {str(section): tuple(names) for section, names in self._client.get("/keys").items()}

    def pulse(self, after: int | None = None) -> Pulse:
        """How far the runs are."""
        return self._client.record(Pulse, "/pulse", after=after)


class TeamTable:
    """What the server has, or without a network what is here.

    Args:
        ingest: brings into the ledger what was recorded here.
    """

    def __init__(self, local: RunTable, link: Link, ingest: Callable[[], object]) -> None:
        self._local = local
        self._link = link
        self._ingest = ingest

    def rows(
        self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0, after: str = "", columns: Sequence[str] | None = None
    ) -> RowPage:
        """A page of rows."""
        return self._either(lambda table: table.rows(where=where, order=order, limit=limit, offset=offset, after=after, columns=columns))

    def count(self, *, where: str = "") -> int:
        """How many runs match."""
        return self._either(lambda table: table.count(where=where))

    def groups(self, by: str, *, where: str = "", metrics: Sequence[str] = ()) -> Sequence[RunGroup]:
        """The runs that match in groups."""
        return self._either(lambda table: table.groups(by, where=where, metrics=metrics))

    def complete(self, text: str) -> Sequence[Completion]:
        """What could come next at the end of a filter."""
        return self._either(lambda table: table.complete(text))

    def keys(self) -> Mapping[str, Sequence[str]]:
        """Names of all metrics, parameters and tags of the project, by section."""
        return self._either(lambda table: table.keys())

    def pulse(self, after: int | None = None) -> Pulse:
        """How far the runs are."""
        return self._either(lambda table: table.pulse(after))

    def _either(self, question: Callable[[RunTable], T]) -> T:
        def look() -> T:
            self._ingest()
            return question(self._local)

        return self._link.ask_or_look(lambda client: question(RemoteTable(client)), look)
