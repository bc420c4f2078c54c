"""Saved views, asked of a server."""

from __future__ import annotations

from collections.abc import Sequence

from lineal.records.saved_view import SavedView, view_name
from lineal.workspace.remote.client import Client, part
from lineal.workspace.wire import restore


class RemoteViews:
    """The views that a server keeps; whose they are and who may change them, it knows."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self) -> Sequence[SavedView]:
        """Every view, by name."""
        return self._client.records(SavedView, "/views", "views")

    def get(self, name: str) -> SavedView:
        """One view."""
        return self._client.record(SavedView, self._path(name))

    def save(self, name: str, query: str, *, others: bool = False) -> SavedView:
        """Keeps the words of an address under a name."""
        del others
        return restore(SavedView, self._client.post("/views", {"name": name, "query": query}))

    def rename(self, name: str, new: str, *, others: bool = False) -> SavedView:
        """Gives a view another name."""
        del others
        return restore(SavedView, self._client.post(f"{self._path(name)}/rename", {"name": new}))

    def delete(self, name: str, *, others: bool = False) -> SavedView:
        """Forgets a view."""
        del others
        return restore(SavedView, self._client.post(self._path(name), {}, method="DELETE"))

    def _path(self, name: str) -> str:
        return f"/views/{part(view_name(name))}"
