"""`lineal remote`, `push`, `pull` and `clone`: datasets go to stores elsewhere and come from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.output import add_row, print_document, say, show, styled, table, what_next
from lineal.interfaces.cli.progress import bytes_progress
from lineal.interfaces.cli.session import json_option, workspace
from lineal.interfaces.cli.wording import count, size, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineal.records.remote import LineMove, Transfer

_WORDS = {
    "push": {"new": "sent", "moved": "sent", "current": "nothing to send", "ahead": "the remote has newer versions", "partly": "sent in part"},
    "pull": {"new": "new here", "moved": "brought up to date", "current": "up to date", "ahead": "newer here", "diverged": "moved on both sides"},
}


@click.group()
def remote() -> None:
    """Name stores elsewhere: in a bucket, or in another folder."""


@remote.command()
@click.argument("name")
@click.argument("url")
@json_option
def add(*, name: str, url: str, as_json: bool) -> None:
    """Give the store at URL a name.

    URL is s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or a folder; behind s3:// may stand ?endpoint=https://…&region=….
    Keys are read from the environment (AWS_ACCESS_KEY_ID and so on), and are kept nowhere.
    """
    made = workspace().remotes.add(name, url)
    if as_json:
        print_document(made)
        return
    say(f"{visible(made.name)} is {visible(made.url)}")
    what_next(f"lineal push --remote {visible(made.name)}", f"lineal pull --remote {visible(made.name)}")


@remote.command("list")
@json_option
def list_remotes(*, as_json: bool) -> None:
    """List the remotes."""
    found = workspace().remotes.list()
    if as_json:
        print_document(found)
        return
    if not found:
        say("There is no remote yet.")
        what_next("lineal remote add NAME s3://bucket/prefix")
        return
    made = table("Remote", "Address", "")
    for item in found:
        add_row(made, [visible(item.name), visible(item.url), "contents are read from there when they are wanted" if item.lends else ""])
    show(made)


@remote.command()
@click.argument("name")
@json_option
def remove(*, name: str, as_json: bool) -> None:
    """Forget a remote; nothing in it changes."""
    gone = workspace().remotes.remove(name)
    if as_json:
        print_document(gone)
        return
    say(f"{visible(gone.name)} is forgotten; {visible(gone.url)} is as it was")


def _prefix_option(command: Callable[..., None]) -> Callable[..., None]:
    text = "Only contents below this path; can be repeated."
    return click.option("--prefix", "prefixes", metavar="PATH", multiple=True, help=text)(command)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--remote", "to", metavar="NAME", default="", help="Which remote; not needed where there is one, or one called origin.")
@_prefix_option
@json_option
def push(*, names: tuple[str, ...], to: str, prefixes: tuple[str, ...], as_json: bool) -> None:
    """Send datasets to a remote: all of them, or those named, as NAME or NAME@BRANCH.

    Only what the remote lacks travels. A push that was interrupted is gone on with by the same command. With --prefix contents are sent ahead,
    and the remote's versions stay as they are until everything is there.
    """
    with bytes_progress() as report:
        done = workspace().remotes.push(names, remote=to, only=prefixes or None, progress=report)
    _tell(done, as_json=as_json)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--remote", "source", metavar="NAME", default="", help="Which remote; not needed where there is one, or one called origin.")
@_prefix_option
@click.option("--lazy", is_flag=True, help="Fetch no contents; they are read from the remote when they are wanted.")
@json_option
def pull(*, names: tuple[str, ...], source: str, prefixes: tuple[str, ...], lazy: bool, as_json: bool) -> None:
    """Fetch datasets from a remote: all of them, or those named, as NAME, NAME@BRANCH or NAME@VERSION.

    Only what is missing here travels. Where both sides have new versions, the remote's come in as a branch to merge. With --prefix or --lazy
    contents are left at the remote, and read from there when they are wanted; NAME@VERSION fetches for good what was left of that version.
    """
    only = prefixes or (() if lazy else None)
    with bytes_progress() as report:
        done = workspace().remotes.pull(names, remote=source, only=only, progress=report)
    _tell(done, as_json=as_json)


@click.command()
@click.argument("url")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, readable=False))
@click.option("--project", default="", help="Name or id of the project, where the store has several.")
@_prefix_option
@click.option("--lazy", is_flag=True, help="Fetch no contents; they are read from the store when they are wanted.")
@json_option
def clone(*, url: str, folder: Path | None, project: str, prefixes: tuple[str, ...], lazy: bool, as_json: bool) -> None:
    """Make a copy of a project whose datasets are in a store elsewhere.

    The store becomes the copy's remote origin. Every dataset comes with all its versions; nothing is checked out. A clone that was interrupted
    is gone on with by the same command.
    """
    from lineal.bootstrap.compose import clone_workspace

    made = clone_workspace(url, folder, project=project)
    context = click.get_current_context().find_root()
    context.obj = made
    context.call_on_close(made.close)
    with bytes_progress() as report:
        done = made.remotes.pull(remote="origin", only=prefixes or (() if lazy else None), progress=report)
    if not as_json:
        say(f"{visible(str(made.root))} is a copy of {visible(made.project)}")
    _tell(done, as_json=as_json)
    if done.lines and not as_json:
        what_next(f"cd {visible(str(made.root))}", f"lineal data checkout {visible(done.lines[0].name)}")


def _tell(done: Transfer, *, as_json: bool) -> None:
    if as_json:
        print_document(done)
        return
    made = table("Dataset", "", "Commit")
    for line in done.lines:
        add_row(made, [visible(_shown(line)), _words(done.direction, line), line.after.removeprefix("blake3:")[:12]])
    show(made)
    asked = f" in {count(done.requests, 'request')}" if done.requests else ""
    verb = "sent to" if done.direction == "push" else "fetched from"
    show(styled(f"{count(done.objects, 'object')}, {size(done.bytes)} {verb} {visible(done.remote)}{asked}", "dim"))
    aside = [line for line in done.lines if line.kept_as]
    what_next(*(f"lineal data merge {visible(line.name)} {visible(line.kept_as)}" for line in aside))


def _words(direction: str, line: LineMove) -> str:
    words = _WORDS[direction][line.outcome]
    return f"{words}; the remote's side is {visible(line.name)}@{visible(line.kept_as)}" if line.kept_as else words


def _shown(line: LineMove) -> str:
    return line.name if line.branch == "main" else f"{line.name}@{line.branch}"
