"""`lineal sync`, and the line that says what has not travelled to the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.output import add_row, now_us, print_document, say, show, styled, table
from lineal.interfaces.cli.progress import progress
from lineal.interfaces.cli.session import json_option, workspace
from lineal.interfaces.cli.wording import ago, count, short_id, size, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineal.records.sending import Unsent
    from lineal.workspace.interface import Outbox, Workspace

_FRESH_SECONDS = 10
_NOT_SENT = 6


@click.command()
@json_option
def sync(*, as_json: bool) -> None:
    """Send what was recorded here to the server, and say what is left.

    It travels by itself, too: while runs go on, when they end, and before anything is asked of the server. Only what is missing there travels, and
    nothing twice. The exit status is 6 where something is left.
    """
    with progress() as report:
        sent = _outbox(workspace()).send(progress=report)
    if as_json:
        print_document(sent)
    else:
        say(f"{count(sent.runs, 'run')} sent: {size(sent.bytes + sent.content_bytes)}" if sent.runs else "No run had anything to send.")
        _show_left(sent.left)
        for name in sent.datasets:
            say(f"{visible(name)} has versions that have not travelled")
        if sent.reason:
            say(f"What is left stays here: {visible(sent.reason)}")
    if sent.left or sent.datasets:
        click.get_current_context().exit(_NOT_SENT)


def tell_unsent(space: Workspace) -> None:
    """Says how much has not travelled for some time; nothing in a folder that works for itself."""
    outbox = getattr(space, "outbox", None)
    if outbox is None:
        return
    now = now_us()
    late = [run for run in outbox.unsent() if now - run.since > _FRESH_SECONDS * 1_000_000]
    if late:
        waiting = f"{count(len(late), 'run')} of this folder not wholly at the server, since {ago(late[0].since, now)}: {size(sum(run.bytes for run in late))}"
        show(styled(f"\n{waiting}; send it with: lineal sync", "yellow"))


def _outbox(space: Workspace) -> Outbox:
    from lineal.errors import NotFound

    found: Outbox | None = getattr(space, "outbox", None)
    if found is None:
        raise NotFound("this folder works in no server's project", kind="no-server", hint="Join one with: lineal init --server URL")
    return found


def _show_left(left: Sequence[Unsent]) -> None:
    if not left:
        return
    made, now = table("Not sent", "", "Since", "Why", right=[""]), now_us()
    for run in left:
        add_row(made, [short_id(run.run), size(run.bytes), ago(run.since, now), visible(run.problem)])
    show(made)
