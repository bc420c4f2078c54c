"""`lineal data mount`, `unmount` and `mounts`: versions as folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.output import add_row, now_us, print_document, say, show, styled, table, what_next
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.session import json_option, workspace
from lineal.interfaces.cli.wording import ago, visible

if TYPE_CHECKING:
    from typing import Any

    from lineal.records.mount import Mount


@click.command()
@reference_argument("ref")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, readable=False))
@click.option("--foreground", is_flag=True, help="Stay until the folder is unmounted or Ctrl-C is pressed.")
@json_option
def mount(*, ref: str, folder: Path, foreground: bool, as_json: bool) -> None:
    """Make a version a read-only folder, without copying it.

    DIR must be empty, or not be there yet. Programs read it like any folder; what they do not read is not fetched. The mount stays when this
    command ends and when the terminal is closed, until it is unmounted. A run that reads from it is tied to the version.
    """
    datasets = workspace().datasets
    if foreground:
        say(f"mounting {visible(ref)} at {visible(os.fspath(folder))}; Ctrl-C takes it away")
        datasets.serve(ref, folder)
        return
    made = datasets.mount(ref, folder)
    if as_json:
        print_document(_document(made))
        return
    say(f"{visible(made.reference)} is at {visible(made.folder)}")
    what_next(f"ls {visible(os.fspath(folder))}", f"lineal data unmount {visible(os.fspath(folder))}")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, readable=False))
@click.option("--force", is_flag=True, help="Take it away although programs use it; they get errors then.")
@json_option
def unmount(*, folder: Path, force: bool, as_json: bool) -> None:
    """Take a mounted version away, also where the process behind it died."""
    ended = workspace().datasets.unmount(folder, force=force)
    if as_json:
        print_document(None if ended is None else _document(ended))
        return
    what = visible(ended.reference) if ended is not None else "the version"
    say(f"{what} is no longer at {visible(os.fspath(folder))}")


@click.command()
@json_option
def mounts(*, as_json: bool) -> None:
    """List what is mounted, and clean up where the process behind a mount died."""
    found = workspace().datasets.mounts()
    if as_json:
        print_document([_document(item) for item in found])
        return
    if not found:
        say("Nothing is mounted.")
        what_next("lineal data mount NAME@VERSION DIR")
        return
    made = table("Version", "Folder", "Since", "Process", "", right=["Process"])
    for item in found:
        state = styled("its process died; cleaned up", "yellow") if item.lost else styled("mounted", "green")
        add_row(made, [visible(item.reference), visible(item.folder), ago(item.started_at, now_us()), item.pid, state])
    show(made)


def _document(item: Mount) -> dict[str, Any]:
    from lineal.records.documents import document

    made: dict[str, Any] = document(item)
    return {**made, "pid": item.pid}
