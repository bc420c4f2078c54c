"""`lineal rm` and `undelete`: what falls, what may not fall, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lineal.errors import InvalidState, LinealError, PermissionDenied
from lineal.interfaces.cli.failure import end_with
from lineal.interfaces.cli.lineage import describe
from lineal.interfaces.cli.output import heading, print_document, say, show, styled, what_next
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.session import json_option, up_to_date
from lineal.interfaces.cli.wording import count, visible

if TYPE_CHECKING:
    from lineal.records.deletion import DeletionPlan
    from lineal.workspace.interface import Workspace

MOST_NODES = 50


@click.command()
@reference_argument("ref")
@click.option("--plan", metavar="HASH", default="", help="Carry out the plan of this hash, if nothing has changed since.")
@json_option
def rm(*, ref: str, plan: str, as_json: bool) -> None:
    """Delete a thing and everything that came of it.

    Without --plan nothing is deleted: it shows what would fall, and the hash to carry exactly that out. What a deployed model stands on is
    refused, with the path to the deployment as the reason, and exit code 4.
    """
    space = up_to_date()
    found = _carry_out(space, ref, plan, as_json=as_json) if plan else space.lineage.plan_deletion(ref)
    if as_json:
        print_document({**_document(found), "carried_out": bool(plan)})
    else:
        show_plan(found, ref, plan)
    refused = None if plan else refusal(found)
    if refused:
        end_with(refused)


def _document(value: object) -> dict[str, object]:
    from lineal.records.documents import document

    made: dict[str, object] = document(value)
    return made


def _carry_out(space: Workspace, ref: str, plan: str, *, as_json: bool) -> DeletionPlan:
    try:
        return space.lineage.delete(ref, plan)
    except PermissionDenied:
        if not as_json:
            _show_refusal(space.lineage.plan_deletion(ref))
        raise


def show_plan(found: DeletionPlan, ref: str, plan: str) -> None:
    """Prints what falls, or what fell if ``plan`` names the hash it was carried out by."""
    falls = styled("Deleted" if plan else "Would fall", "bold").append(f"  {count(len(found.falls), 'thing')}", style="dim")
    show(falls, *(styled("  ", "").append(describe(node)) for node in found.falls[:MOST_NODES]))
    if len(found.falls) > MOST_NODES:
        show(styled(f"  and {len(found.falls) - MOST_NODES:,} more", "dim"))
    if found.refused:
        _show_refusal(found)
    elif plan:
        what_next(f"lineal undelete {visible(ref)}")
    else:
        say()
        say(f"plan {found.hash}")
        what_next(f"lineal rm {visible(ref)} --plan {found.hash}")


def _show_refusal(found: DeletionPlan) -> None:
    if not found.path:
        return
    show(heading("What stands on it"))
    for depth, node in enumerate(found.path):
        link = "" if depth == 0 else "   " * (depth - 1) + "└─ "
        show(styled(f"  {link}", "dim").append(describe(node)))


def refusal(found: DeletionPlan) -> LinealError | None:
    """Why a plan must not be carried out: a production model stands on what would fall, or something of it still runs."""
    if found.path:
        return PermissionDenied(f"refused: {found.reason}", kind="protected", hint="What a deployed model stands on is kept, also after undeploy.")
    if found.refused:
        return InvalidState(f"refused: {found.reason}", kind="still-running", hint="Stop it first with: lineal stop RUN")
    return None


@click.command()
@reference_argument("ref")
@json_option
def undelete(*, ref: str, as_json: bool) -> None:
    """Bring back what a deletion took, all of it."""
    nodes = up_to_date().lineage.undelete(ref)
    if as_json:
        print_document(nodes)
        return
    show(
        styled("Back", "bold").append(f"  {count(len(nodes), 'thing')}", style="dim"),
        *(styled("  ", "").append(describe(node)) for node in nodes[:MOST_NODES]),
    )
