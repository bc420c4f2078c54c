"""Picks the parts of a server and puts them together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lineal.bootstrap.compose import actor_of, refuse_network
from lineal.bootstrap.settings import load_settings
from lineal.errors import InvalidInput, NotFound
from lineal.ledger.database import Ledger
from lineal.workspace.backup import BackedUp, back_up, restore
from lineal.workspace.hosting import IDENTITY, Hosting, ledger_url, read_identity
from lineal.workspace.interface import Progress
from lineal.workspace.people import LocalPeople
from lineal.workspace.site import system_clock


def open_hosting(folder: Path | None, *, database: str | None = None, store: str | None = None) -> tuple[Hosting, dict[str, Any]]:
    """The projects of a data folder, and the settings that hold there.

    Args:
        folder, database, store: what settings say, unless given.

    Raises:
        Conflict: kind ``server-running``. InvalidState: kinds ``newer-format network-file-system``. InvalidInput: kind ``bad-database``.
    """
    place = (folder or data_folder(load_settings(None))).absolute()
    settings = load_settings(place)
    url = _database(database if database is not None else settings["server.database"])
    if not url:
        refuse_network(place)
    return Hosting(folder=place, database=url, store=store or settings["server.store"], settings=settings, actor=actor_of(settings)), settings


@contextmanager
def people_of(folder: Path) -> Iterator[LocalPeople]:
    """The people of a data folder, on the server's own machine, whether the server runs or not.

    Raises:
        NotFound: kind ``no-server``, if that is no server's folder.
    """
    place = folder.absolute()
    settings = load_settings(place)
    url = _database(settings["server.database"]) or ledger_url(place)
    ledger = Ledger.open(url) if (place / IDENTITY).exists() else None
    if ledger is None:
        raise NotFound(f"{folder} is no server's data folder", kind="no-server", hint="Name the folder that lineal server has for --data.")
    try:
        yield LocalPeople(ledger, server=read_identity(place), user=actor_of(settings), clock=system_clock, entropy=os.urandom)
    finally:
        ledger.close()


def back_up_server(folder: Path | None, target: Path, *, progress: Progress) -> BackedUp:
    """Backs a server's data folder up, whether the server runs or not; raises as `lineal.workspace.backup.back_up` does."""
    place = (folder or data_folder(load_settings(None))).absolute()
    if not (place / IDENTITY).exists():
        raise NotFound(f"{place} is no server's data folder", kind="no-server", hint="Name the folder that lineal server has: --data DIR.")
    settings = load_settings(place)
    ledger = Ledger.open(_database(settings["server.database"]) or ledger_url(place))
    try:
        return back_up(place, ledger, target.absolute(), store=settings["server.store"], progress=progress)
    finally:
        ledger.close()


def restore_server(source: Path, folder: Path, *, database: str | None, progress: Progress) -> BackedUp:
    """Restores a backup into an empty data folder; raises as `lineal.workspace.backup.restore` does."""
    place = folder.absolute()

    def open_ledger(making: Path) -> Ledger:
        return Ledger.open(_database(database or "") or ledger_url(making))

    return restore(source, place, open_ledger, progress=progress)


def data_folder(settings: dict[str, Any]) -> Path:
    """Where a server's own files are, unless told."""
    if settings["server.data"]:
        return Path(settings["server.data"])
    from platformdirs import user_data_path

    return user_data_path("lineal") / "server"


def _database(text: str) -> str:
    """The SQLAlchemy URL of an address that people write."""
    scheme, separator, rest = text.partition("://")
    if not text:
        return ""
    if scheme in {"postgresql", "postgres"}:
        return f"postgresql+psycopg://{rest}"
    if separator and scheme in {"postgresql+psycopg", "sqlite"}:
        return text
    raise InvalidInput(f"{scheme!r} is no database that a ledger can be in", kind="bad-database", hint="Give postgresql://user@host/name.")
