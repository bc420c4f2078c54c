"""`lineal data`: data, versioned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineal.errors import Conflict, Integrity, NotFound
from lineal.interfaces.cli.branching import branch, merge, revert
from lineal.interfaces.cli.collection_view import show_collection, span
from lineal.interfaces.cli.dataset_view import show_changes, show_diff, version_facts
from lineal.interfaces.cli.failure import end_with
from lineal.interfaces.cli.mounts import mount, mounts, unmount
from lineal.interfaces.cli.output import add_row, facts, now_us, print_document, say, show, styled, table, what_next
from lineal.interfaces.cli.progress import progress
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.remotes import pull, push
from lineal.interfaces.cli.sample_view import confidence_in, fresh_seed, share
from lineal.interfaces.cli.session import json_option, up_to_date, workspace
from lineal.interfaces.cli.wording import ago, count, size, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineal.records.dataset import Dataset, DatasetStatus, VerifyReport
    from lineal.workspace.interface import Workspace


@click.group()
def data() -> None:
    """Version data: add it, look at it, bring it back."""


for _command in (branch, merge, revert, mount, unmount, mounts, push, pull):
    data.add_command(_command)


@data.command()
@click.argument("path", type=click.Path(path_type=Path, readable=False))
@click.option("--name", default="", help="The dataset's name; made from the path unless given.")
@click.option("--branch", default="", help="The branch that gets it; the working copy's unless given.")
@click.option("-m", "--message", default="", help="What this version is.")
@click.option("--md5", is_flag=True, help="Record MD5 of every file, too.")
@click.option("--source", metavar="URL", default="", help="Where the data comes from.")
@json_option
def add(*, path: Path, name: str, branch: str, message: str, md5: bool, source: str, as_json: bool) -> None:
    """Add a file or a folder as the next version of a dataset; nothing is written twice.

    Where nothing has changed since the latest version, that one is given. A file .linealignore in the folder, or in one below it, says what to
    leave out, in gitignore's grammar.
    """
    began = now_us()
    with progress() as report:
        version = workspace().datasets.add(path, name=name, branch=branch, message=message, md5=md5, source=source, progress=report)
    if as_json:
        from lineal.records.documents import document

        print_document({**document(version), "version": version.number, "reference": version.reference})
        return
    head = styled(visible(version.reference), "bold")
    if version.created_at < began:
        head.append("  nothing has changed since then", style="dim")
    show(head, facts(version_facts(version)))
    what_next(f"lineal data log {visible(version.name)}", "lineal run -- python train.py")


@data.command()
@click.argument("source")
@click.option("--name", default="", help="The dataset's name; made from the source unless given.")
@click.option("--branch", default="", help="The branch it goes on; the one that the dataset is on unless given.")
@click.option("-m", "--message", default="", help="What this version is.")
@click.option("--md5", is_flag=True, help="Read every new or changed file for its MD5, too.")
@json_option
def track(*, source: str, name: str, branch: str, message: str, md5: bool, as_json: bool) -> None:
    """Record what lies at SOURCE as the next version of a dataset, without storing a byte of it.

    SOURCE is a URL such as s3://bucket/prefix, gs://…, az://… or https://…, or a folder. Names, sizes, times and entity tags are recorded, and
    version ids where the bucket keeps versions: such a version is restorable, any other one notices changes only.
    """
    began = now_us()
    with progress() as report:
        version = workspace().datasets.track(source, name=name, branch=branch, message=message, md5=md5, progress=report)
    if as_json:
        print_document({**_document(version), "version": version.number, "reference": version.reference})
        return
    head = styled(visible(version.reference), "bold")
    if version.created_at < began:
        head.append("  nothing has changed since then", style="dim")
    show(head, facts(version_facts(version)))
    what_next(f"lineal data verify {visible(version.name)}", f"lineal data log {visible(version.name)}")


@data.command()
@click.argument("name", required=False, default="")
@json_option
def status(*, name: str, as_json: bool) -> None:
    """Say what changed in the working copies since their latest versions."""
    found = workspace().datasets.status(name)
    if as_json:
        print_document(found)
        return
    if not found:
        say("There is no dataset yet.")
        what_next("lineal data add PATH")
    for item in found:
        show(styled(visible(item.path), "bold").append(f"  {_status_words(item)}", style="green" if item.clean else "yellow"))
        if not item.there:
            continue
        if item.base and not item.clean:
            show(styled(f"  it was {visible(item.base)} when it was added or checked out last", "dim"))
        show_changes(item.changes)


def _status_words(item: DatasetStatus) -> str:
    latest = visible(item.latest)
    if "://" in item.path:
        return f"tracked as {latest}, {item.tracked}; ask the source with: lineal data verify {latest}"
    if not item.there:
        return f"is not here; bring it with: lineal data checkout {visible(item.name)}"
    words = "as it is in" if item.clean else "differs from"
    line = f" on {visible(item.branch)}" if item.branch != "main" else ""
    return f"{words} {latest}{line}" + (f", {item.tracked}" if item.tracked else "")


@data.command()
@click.argument("name", required=False, default="")
@json_option
def log(*, name: str, as_json: bool) -> None:
    """List a dataset's versions, newest first, or every dataset.

    Where versions lie on several branches, their lines are drawn; * marks the branch that the working copy is on.
    """
    space = up_to_date()
    if not name:
        _list(space.datasets.list(), as_json=as_json)
        return
    versions = sorted(space.datasets.versions(name), key=lambda version: (version.number, version.created_at), reverse=True)
    if as_json:
        print_document([{**_document(version), "version": version.number, "reference": version.reference} for version in versions])
        return
    from lineal.interfaces.cli.branch_view import show_log

    show_log(versions, space.branches.list(name))


def _document(value: object) -> dict[str, object]:
    from lineal.records.documents import document

    made: dict[str, object] = document(value)
    return made


def _list(found: Sequence[Dataset], *, as_json: bool) -> None:
    if as_json:
        print_document(found)
        return
    made = table("Dataset", "Latest", "Versions", "Files", "Size", "Updated", "Path", right=["Versions", "Files", "Size"])
    for item in found:
        numbers = [f"{item.versions:,}", f"{item.files:,}", size(item.size)]
        cells = [visible(item.name), visible(item.latest), *numbers, ago(item.updated_at, now_us()), visible(item.path)]
        add_row(made, cells, style="dim strike" if item.deleted_at else "")
    show(made)
    if not found:
        what_next("lineal data add PATH")


@data.command()
@reference_argument("before")
@click.argument("after", required=False, default="")
@json_option
def diff(*, before: str, after: str, as_json: bool) -> None:
    """Show what differs between two versions.

    Without AFTER, BEFORE is compared with the dataset's latest version; a bare name compares its two latest ones.
    """
    space = up_to_date()
    found = space.datasets.diff(*_ends(space, before, after))
    if as_json:
        print_document(found)
        return
    show_diff(found)


def _ends(space: Workspace, before: str, after: str) -> tuple[str, str]:
    if after:
        return before, after
    name, at, _version = before.removeprefix("data:").partition("@")
    latest = space.datasets.get(f"data:{name}")
    if at:
        return before, f"data:{latest.reference}"
    earlier = [version for version in space.datasets.versions(name) if version.commit in latest.parents[:1]]
    if not earlier:
        raise NotFound(
            f"{name} has only one version to compare",
            kind="nothing-to-compare",
            hint=f"Add another with: lineal data add, or see: lineal data status {name}",
        )
    return f"data:{earlier[0].reference}", f"data:{latest.reference}"


@data.command()
@reference_argument("ref")
@click.argument("target", required=False, type=click.Path(path_type=Path, readable=False))
@json_option
def checkout(*, ref: str, target: Path | None, as_json: bool) -> None:
    """Write a version's files to TARGET, or back to where the dataset lies.

    Back where it lies, NAME@BRANCH puts the working copy on that branch, and NAME alone on the main line; add goes on there.
    """
    with progress() as report:
        written = workspace().datasets.checkout(ref, target, progress=report)
    if as_json:
        print_document({"reference": ref, "target": str(target) if target else "", "files": written})
        return
    say(f"{count(written, 'file')} written" + (f" to {visible(str(target))}" if target else ""))


@data.command()
@click.argument("ref", required=False, default="")
@click.option("--sample", metavar="SHARE", callback=share, help="Read only a random share of the contents, such as 5% or 0.05.")
@click.option("--seed", type=int, help="Choose the same contents again; a new number each time unless given.")
@json_option
def verify(*, ref: str, sample: float | None, seed: int | None, as_json: bool) -> None:
    """Read a version (or every one) back and check each byte; exits with 5 if anything is damaged.

    Of a tracked version, the source is asked what has changed there since; if anything has, this exits with 4. With --sample the check of
    something large can be spread: each time other contents are read, and the answer says how sure that makes one.
    """
    datasets = workspace().datasets
    with progress() as report:
        if sample is None:
            found = datasets.verify(ref, progress=report)
        else:
            found = datasets.verify_sample(ref, share=sample, seed=fresh_seed() if seed is None else seed, progress=report)
    tell_verified(found, as_json=as_json)


@data.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go and what stays.")
@click.option("--grace", metavar="SPAN", callback=span, help="How long condemned data waits, such as 14d or 12h; the setting gc.grace unless given.")
@json_option
def gc(*, dry_run: bool, grace: float | None, as_json: bool) -> None:
    """Free the space of what no version, run, model or deployment needs any more.

    What is garbage is condemned first, and deleted for good by a later gc, once the grace has passed and it is still garbage. What was deleted
    with lineal rm counts as needed for as long as the setting gc.keep_deleted says.
    """
    datasets = up_to_date().datasets
    with progress() as report:
        found = datasets.preview_collection(grace=grace, progress=report) if dry_run else datasets.collect(grace=grace, progress=report)
    if as_json:
        print_document(found)
        return
    show_collection(found)


def tell_verified(found: Sequence[VerifyReport], *, as_json: bool) -> None:
    """Prints what reading back found, and ends with the error ``damaged-data`` if anything is damaged."""
    if as_json:
        print_document([{**_document(item), "sound": item.sound} for item in found])
    else:
        for item in found:
            verdict = styled("sound  ", "green") if item.sound else styled("damaged", "red bold")
            show(verdict.append(f"  {visible(item.subject)}  {count(item.objects, 'object')}, {size(item.bytes)}", style="default"))
            for line in item.damaged:
                show(styled(f"         {visible(line)}", "red"))
            if item.label:
                _tell_source(item)
            if item.seed is not None:
                show(styled(f"         {confidence_in(item)}", "dim"))
    bad = [item.subject for item in found if not item.sound]
    if bad:
        end_with(Integrity(f"damaged: {', '.join(bad)}", kind="damaged-data", hint="Bring the damaged files back from a copy and add them again."))
    moved = [item.subject for item in found if item.changed]
    if moved:
        end_with(
            Conflict(
                f"changed at the source: {', '.join(moved)}",
                kind="source-changed",
                hint="Nothing here is damaged. A new fixed point is made by: lineal data track",
            )
        )


def _tell_source(item: VerifyReport) -> None:
    if "not asked" in item.label:
        show(styled(f"         {visible(item.label)}", "yellow"))
        return
    words = "as it was" if not item.changed else f"changed since ({count(len(item.changed), 'path')})"
    show(styled(f"         the source is {words}; {item.label}", "yellow" if item.changed else "green"))
    show_changes(item.changed)
