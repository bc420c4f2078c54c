"""Saved views of the page of runs."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from lineal.errors import NotFound
from lineal.ledger.schema import views
from lineal.records.saved_view import SavedView

_COLUMNS = (views.c.name, views.c.query, views.c.author, views.c.created_at, views.c.updated_at)


def list_views(connection: Connection, project_id: str) -> tuple[SavedView, ...]:
    """Every view of a project, by name."""
    found = connection.execute(select(*_COLUMNS).where(views.c.project_id == project_id).order_by(views.c.name))
    return tuple(SavedView(**row) for row in found.mappings())


def load_view(connection: Connection, project_id: str, name: str) -> SavedView:
    """One view. Raises NotFound kind ``unknown-view``."""
    row = connection.execute(select(*_COLUMNS).where(views.c.project_id == project_id, views.c.name == name)).mappings().first()
    if row is None:
        raise NotFound(f"there is no view {name!r}", kind="unknown-view", hint="See which there are with: lineal views list")
    return SavedView(**row)


def put_view(connection: Connection, project_id: str, view: SavedView) -> None:
    """Writes a view, in the place of one of that name."""
    delete_view(connection, project_id, view.name)
    values = {"name": view.name, "query": view.query, "author": view.author, "created_at": view.created_at, "updated_at": view.updated_at}
    connection.execute(insert(views).values(project_id=project_id, **values))


def rename_view(connection: Connection, project_id: str, name: str, new: str, *, at: int) -> None:
    """Gives a view another name."""
    connection.execute(update(views).where(views.c.project_id == project_id, views.c.name == name).values(name=new, updated_at=at))


def delete_view(connection: Connection, project_id: str, name: str) -> None:
    """Forgets a view, if it is there."""
    connection.execute(delete(views).where(views.c.project_id == project_id, views.c.name == name))
