"""The table of runs: what many runs are looked at by, where a whole record of each would be too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lineal.records.completion import Completion
    from lineal.records.run_table import Pulse, RowPage, RunGroup
    from lineal.workspace.site import Site


class LocalTable:
    """`lineal.workspace.interface.RunTable` over the ledger of one project."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def rows(
        self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0, after: str = "", columns: Sequence[str] | None = None
    ) -> RowPage:
        """A page of rows. Raises InvalidInput kinds ``bad-filter``, ``bad-order`` and ``bad-cursor``."""
        from lineal.ledger.run_table import search_rows

        with self._site.ledger.read() as connection:
            return search_rows(connection, self._site.project_id, where=where, order=order, limit=limit, offset=offset, after=after, columns=columns)

    def count(self, *, where: str = "") -> int:
        """How many runs match. Raises InvalidInput kind ``bad-filter``."""
        from lineal.ledger.run_table import count_runs

        with self._site.ledger.read() as connection:
            return count_runs(connection, self._site.project_id, where)

    def groups(self, by: str, *, where: str = "", metrics: Sequence[str] = ()) -> Sequence[RunGroup]:
        """The runs that match in groups. Raises InvalidInput kinds ``bad-filter`` and ``bad-group``."""
        from lineal.ledger.groups import group_runs

        with self._site.ledger.read() as connection:
            return group_runs(connection, self._site.project_id, by, where=where, measures=metrics)

    def complete(self, text: str) -> Sequence[Completion]:
        """What could come next at the end of a filter: names, operators, values."""
        from lineal.ledger.completing import complete_filter

        with self._site.ledger.read() as connection:
            return complete_filter(connection, self._site.project_id, text)

    def keys(self) -> Mapping[str, Sequence[str]]:
        """Names of all metrics, parameters and tags of the project, by section."""
        from lineal.ledger.keys import known_keys

        with self._site.ledger.read() as connection:
            return known_keys(connection, self._site.project_id)

    def pulse(self, after: int | None = None) -> Pulse:
        """How far the runs are, and which of them people changed behind the event ``after``."""
        from lineal.ledger.pulse import read_pulse

        with self._site.ledger.read() as connection:
            return read_pulse(connection, self._site.project_id, after)
