"""`lineal data branch`, `merge` and `revert`: lines of versions, brought together and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.output import print_document, say, what_next
from lineal.interfaces.cli.progress import progress
from lineal.interfaces.cli.references import complete_branch, reference_argument
from lineal.interfaces.cli.session import json_option, up_to_date, workspace
from lineal.interfaces.cli.wording import count, visible

if TYPE_CHECKING:
    from lineal.records.branching import MergeReport

KEEP = click.Choice(["both", "ours", "theirs"])


@click.command()
@reference_argument("name")
@click.argument("branch", required=False, default="")
@click.option("--at", metavar="VERSION", default="", help="Begin the branch at this version instead of where the working copy is.")
@click.option("--delete", metavar="BRANCH", default="", help="Take this branch away; its versions stay in the log.")
@click.option("--force", is_flag=True, help="With --delete, also if it has versions that are on no other branch.")
@json_option
def branch(*, name: str, branch: str, at: str, delete: str, force: bool, as_json: bool) -> None:
    """List a dataset's branches, make BRANCH, or delete one.

    The main line is called main. A version of a branch is NAME@BRANCH; go there with: lineal data checkout NAME@BRANCH
    """
    if delete and (branch or at):
        raise click.UsageError("--delete names the branch that goes: give no other, and no --at")
    if (force and not delete) or (at and not branch):
        raise click.UsageError("--force belongs to --delete, and --at to a new BRANCH")
    if delete:
        _delete(name, delete, force=force, as_json=as_json)
    elif branch:
        _create(name, branch, at=at, as_json=as_json)
    else:
        found = up_to_date().branches.list(name)
        if as_json:
            print_document(found)
        else:
            from lineal.interfaces.cli.branch_view import show_branches

            show_branches(found)


def _create(name: str, branch: str, *, at: str, as_json: bool) -> None:
    made = workspace().branches.create(name, branch, at=at)
    if as_json:
        print_document(made)
        return
    reference = f"{visible(made.dataset)}@{visible(made.name)}"
    say(f"{reference} begins at {visible(made.version)}")
    what_next(f"lineal data checkout {reference}")


def _delete(name: str, branch: str, *, force: bool, as_json: bool) -> None:
    left = workspace().branches.delete(name, branch, unmerged=force)
    if as_json:
        print_document({"dataset": name, "deleted": branch, "versions": [version.reference for version in left]})
        return
    say(
        f"{visible(branch)} is deleted"
        + (f"; {count(len(left), 'version')} of it alone {'stays' if len(left) == 1 else 'stay'} in the log" if left else "")
    )
    if left:
        what_next(f"lineal data branch {visible(name)} NEW --at {left[0].number}   # to have it again")


@click.command()
@reference_argument("name")
@click.argument("source", shell_complete=complete_branch)
@click.option("--into", metavar="BRANCH", default="", help="The branch that gets it; the working copy's unless given.")
@click.option("-m", "--message", default="", help="What the merged version is.")
@click.option("--keep", type=KEEP, default="both", show_default=True, help="What becomes of a path that both sides changed.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@json_option
def merge(*, name: str, source: str, into: str, message: str, keep: str, dry_run: bool, as_json: bool) -> None:
    """Bring SOURCE, a branch or version, into a branch: path by path, by what both stand on.

    What one side changed is taken. Where both changed a path, ours stays and theirs is put beside it as PATH.theirs-COMMIT. The working
    copy follows where it is on that branch.
    """
    branches = workspace().branches
    if dry_run:
        _tell(branches.plan_merge(name, source, into=into, keep=keep), as_json=as_json)
        return
    with progress() as report:
        done = branches.merge(name, source, into=into, keep=keep, message=message, progress=report)
    _tell(done, as_json=as_json)


@click.command()
@reference_argument("ref")
@click.option("--only", is_flag=True, help="Take back what this one version changed, and keep what came after it.")
@click.option("--branch", default="", help="The branch that gets it; the working copy's unless given.")
@click.option("-m", "--message", default="", help="What the new version is.")
@click.option("--keep", type=KEEP, default="both", show_default=True, help="With --only: what becomes of a path that was changed again since.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@json_option
def revert(*, ref: str, only: bool, branch: str, message: str, keep: str, dry_run: bool, as_json: bool) -> None:
    """Go back to what version REF was, as a new version: every later version stays.

    With --only, take back what that version alone changed.
    """
    branches = workspace().branches
    if keep != "both" and not only:
        raise click.UsageError("--keep belongs to --only: going back to a version has no conflicts")
    if dry_run:
        _tell(branches.plan_undo(ref, branch=branch, keep=keep) if only else branches.plan_revert(ref, branch=branch), as_json=as_json)
        return
    with progress() as report:
        if only:
            done = branches.undo(ref, branch=branch, keep=keep, message=message, progress=report)
        else:
            done = branches.revert(ref, branch=branch, message=message, progress=report)
    _tell(done, as_json=as_json)


def _tell(report: MergeReport, *, as_json: bool) -> None:
    if as_json:
        print_document(report)
    else:
        from lineal.interfaces.cli.branch_view import show_merge

        show_merge(report)
