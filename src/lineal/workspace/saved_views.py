"""Saved views of the page of runs: kept in the ledger with who and when, and every change an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lineal.errors import Conflict, NotFound, PermissionDenied
from lineal.ledger.saved_views import delete_view, list_views, load_view, put_view, rename_view
from lineal.records.saved_view import SavedView, view_name, view_query

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from lineal.workspace.site import Site


class LocalViews:
    """`lineal.workspace.interface.Views` over the ledger of one project."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def list(self) -> Sequence[SavedView]:
        """Every view, by name."""
        with self._site.ledger.read() as connection:
            return list_views(connection, self._site.project_id)

    def get(self, name: str) -> SavedView:
        """One view. Raises NotFound kind ``unknown-view``."""
        with self._site.ledger.read() as connection:
            return load_view(connection, self._site.project_id, name)

    def save(self, name: str, query: str, *, others: bool = False) -> SavedView:
        """Keeps the words of an address under a name, in the place of what one kept there before.

        Raises:
            InvalidInput: kind ``bad-view``; PermissionDenied: kind ``not-yours``, if it is somebody else's.
        """
        name, query, now = view_name(name), view_query(query), self._site.clock()
        with self._site.ledger.write() as connection:
            view = SavedView(name=name, query=query, author=self._site.actor, created_at=now, updated_at=now)
            if (before := self._known(connection, name)) is not None:
                self._require(before, others=others)
                view = replace(before, query=query, updated_at=now)
            put_view(connection, self._site.project_id, view)
            self._site.record_event(connection, "view.saved", subject=f"view:{name}", payload={"query": query})
        return view

    def rename(self, name: str, new: str, *, others: bool = False) -> SavedView:
        """Gives a view another name. Raises as `save`, and Conflict kind ``name-taken``."""
        new, now = view_name(new), self._site.clock()
        with self._site.ledger.write() as connection:
            before = load_view(connection, self._site.project_id, name)
            self._require(before, others=others)
            if new != name and self._known(connection, new) is not None:
                raise Conflict(f"there is a view {new!r} already", kind="name-taken", hint="Take another name, or delete that one first.")
            rename_view(connection, self._site.project_id, name, new, at=now)
            self._site.record_event(connection, "view.renamed", subject=f"view:{new}", payload={"before": name})
        return replace(before, name=new, updated_at=now)

    def delete(self, name: str, *, others: bool = False) -> SavedView:
        """Forgets a view; the runs stay. Raises NotFound kind ``unknown-view`` and PermissionDenied kind ``not-yours``."""
        with self._site.ledger.write() as connection:
            before = load_view(connection, self._site.project_id, name)
            self._require(before, others=others)
            delete_view(connection, self._site.project_id, name)
            self._site.record_event(connection, "view.deleted", subject=f"view:{name}", payload={"query": before.query})
        return before

    def _known(self, connection: Connection, name: str) -> SavedView | None:
        try:
            return load_view(connection, self._site.project_id, name)
        except NotFound:
            return None

    def _require(self, view: SavedView, *, others: bool) -> None:
        if view.author != self._site.actor and not others:
            raise PermissionDenied(
                f"the view {view.name!r} is {view.author}'s", kind="not-yours", hint="Save yours under another name, or ask a maintainer."
            )
