"""`lineal reproduce` and `fsck`: whether it comes out again, and whether what is stored is sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.data import tell_verified
from lineal.interfaces.cli.output import add_row, facts, heading, print_document, say, show, styled, table, what_next
from lineal.interfaces.cli.progress import progress
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.session import json_option, pairs, up_to_date, workspace
from lineal.interfaces.cli.wording import number, short_id, visible

if TYPE_CHECKING:
    from lineal.records.verdict import Evidence, Reproduction

VERDICT_STYLES = {"identical": "green", "identical up to order": "green", "different": "red", "inconclusive": "yellow"}
STATE_STYLES = {"identical": "green", "same-content": "green", "reordered": "green"}


@click.command()
@reference_argument("run")
@click.option(
    "--data", "data", metavar="NAME=REF", multiple=True, callback=pairs, help="Use another version of a dataset, such as flights=flights@2."
)
@json_option
def reproduce(*, run: str, data: dict[str, str], as_json: bool) -> None:
    """Run a run again in a fresh checkout, and say whether the same comes out.

    Code, data and environment are those that were recorded; the originals cannot be read. Whatever the verdict, the exit code is 0: it is
    in the output.
    """
    space = up_to_date()
    with progress() as report:
        found = space.runs.reproduce(run, data=data, progress=report)
    if as_json:
        print_document(found)
        return
    _show(found)


def _show(found: Reproduction) -> None:
    verdict = str(found.verdict)
    show(styled(f"{verdict}", f"bold {VERDICT_STYLES.get(verdict, '')}").append(f"  run {short_id(found.run)}", style="dim"))
    for reason in found.reasons:
        show(f"  {visible(reason)}")
    show(facts(_facts(found.evidence)))
    _show_evidence(found.evidence)
    if found.rerun:
        what_next(f"lineal compare {short_id(found.run)} {short_id(found.rerun)}")


def _facts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    yield "exit status", "" if evidence.exit_code is None else f"{evidence.exit_code} (recorded: {evidence.exit_code_before})"
    yield "originals kept away by", {"namespace": "a mount namespace", "audit-hook": "an audit hook in Python"}.get(evidence.isolated, "nothing")
    yield "inputs replaced", "\n".join(map(visible, evidence.replaced_inputs))
    yield "inputs missing", "\n".join(map(visible, evidence.missing_inputs))
    yield "environment", "\n".join(map(visible, evidence.environment))


def _show_evidence(evidence: Evidence) -> None:
    if evidence.metrics:
        made = table("Metric", "Recorded", "Now", right=["Recorded", "Now"])
        for key, (before, after) in evidence.metrics.items():
            add_row(made, [visible(key), number(before, 6), number(after, 6)], style="" if before == after else "yellow")
        show(heading("Metrics"), made)
    if evidence.outputs:
        made = table("Output", "", "Recorded", "Now", "")
        for item in evidence.outputs:
            state = styled(item.state, STATE_STYLES.get(item.state, "red"))
            add_row(made, [visible(item.path), state, short_id(item.before), short_id(item.after), visible(item.detail)])
        show(heading("Outputs"), made)


@click.command()
@click.option("--rebuild", is_flag=True, help="First make the ledger's rows about data anew from the store.")
@click.option("--repair", is_flag=True, help="First mend what can be mended: from remotes, working copies and the ledger.")
@json_option
def fsck(*, rebuild: bool, repair: bool, as_json: bool) -> None:
    """Check everything that is stored; exits with 5 if anything is damaged.

    Reads back every byte of the store, and checks the ledger, the journals and the captured predictions.
    """
    audit = workspace().audit
    with progress() as report:
        mended = audit.repair(progress=report) if repair else ()
        added = audit.rebuild(progress=report) if rebuild else ()
        found = audit.check(progress=report)
    if not as_json:
        for line in mended:
            say(f"mended   {visible(line)}")
        for line in added:
            say(f"rebuilt  {visible(line)}")
    tell_verified(found, as_json=as_json)
