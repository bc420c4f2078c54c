"""`lineal backup` and `restore`: a server's whole data in one file, and back."""

from __future__ import annotations

from pathlib import Path

import click

from lineal.interfaces.cli.output import print_document, say, what_next
from lineal.interfaces.cli.progress import progress
from lineal.interfaces.cli.session import json_option
from lineal.interfaces.cli.wording import count, size, visible


@click.command()
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--data", "folder", type=click.Path(path_type=Path), default=None, help="The server's data folder; that of the settings unless given.")
@json_option
def backup(*, target: Path, folder: Path | None, as_json: bool) -> None:
    """Write everything that a server holds into FILE; it may run meanwhile.

    The ledger is written row by row, so that it can be restored on SQLite and on PostgreSQL. Bytes that lie in a bucket stay there; the backup says where.
    """
    from lineal.bootstrap.hosting import back_up_server

    with progress() as report:
        made = back_up_server(folder, target, progress=report)
    if as_json:
        print_document(made)
        return
    say(f"{count(made.rows, 'row')} and {count(made.files, 'file')} ({size(made.bytes)}) are in {visible(made.path)}")
    if made.store:
        say(f"the bytes themselves stay in {visible(made.store)}")


@click.command()
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--data", "folder", type=click.Path(path_type=Path), required=True, help="Folder to restore into; empty, or not there yet.")
@click.option("--database", default=None, help="Where the ledger is to be, such as postgresql://user@host/name; SQLite in the folder unless given.")
@json_option
def restore(*, source: Path, folder: Path, database: str | None, as_json: bool) -> None:
    """Put a backup into an empty data folder, after every part of it was checked."""
    from lineal.bootstrap.hosting import restore_server

    with progress() as report:
        made = restore_server(source, folder, database=database, progress=report)
    if as_json:
        print_document(made)
        return
    say(f"{count(made.rows, 'row')} and {count(made.files, 'file')} ({size(made.bytes)}) are restored in {visible(str(folder))}")
    what_next(f"lineal server --data {visible(str(folder))}" + (f" --database {visible(database)}" if database else ""))
