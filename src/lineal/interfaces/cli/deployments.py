"""`lineal deploy`, `deployments`, `undeploy` and `truth`: models in production."""

from __future__ import annotations

from pathlib import Path

import click

from lineal.interfaces.cli.model_view import DEPLOYMENT_STYLES, show_deployment
from lineal.interfaces.cli.output import add_row, now_us, print_document, say, show, styled, table, what_next
from lineal.interfaces.cli.progress import progress
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.session import json_option, up_to_date
from lineal.interfaces.cli.wording import ago, count, visible


@click.command()
@reference_argument("model")
@click.option("--name", default="", help="The deployment's name; the model's unless given.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; a free one unless given.")
@click.option("--trial", is_flag=True, help="Only try it: it never counts as production. MODEL may then be a run.")
@click.option("--skip-drift", metavar="FEATURE", multiple=True, help="Leave a feature out of drift, where it moves by its nature.")
@json_option
def deploy(*, model: str, name: str, port: int, trial: bool, skip_drift: tuple[str, ...], as_json: bool) -> None:
    """Serve a model over HTTP.

    A running deployment of that name is replaced once the new one answers.
    """
    space = up_to_date()
    with progress() as report:
        made = space.deployments.deploy(model, name=name, port=port, trial=trial, skip_drift=skip_drift, progress=report)
    if as_json:
        print_document(made)
        return
    show_deployment(space, made)


@click.command()
@click.option("--all", "stopped", is_flag=True, help="Also those that were stopped.")
@json_option
def deployments(*, stopped: bool, as_json: bool) -> None:
    """List what is deployed, and whether it answers."""
    found = up_to_date().deployments.list(stopped=stopped)
    if as_json:
        print_document(found)
        return
    made = table("Deployment", "Status", "Model", "Address", "Predictions", "Since", "", right=["Predictions"])
    for item in found:
        status = styled(str(item.status), DEPLOYMENT_STYLES.get(str(item.status), ""))
        since = ago(item.started_at, now_us())
        add_row(made, [visible(item.name), status, visible(item.model), item.url, f"{item.predictions:,}", since, "trial" if item.trial else ""])
    show(made)
    if not found:
        what_next("lineal deploy MODEL")


@click.command()
@click.argument("name")
@json_option
def undeploy(*, name: str, as_json: bool) -> None:
    """Stop serving a deployment; its records and predictions stay, and so does what it protects."""
    stopped = up_to_date().deployments.undeploy(name)
    if as_json:
        print_document(stopped)
        return
    say(f"{visible(stopped.name)} ({visible(stopped.model)}) is {stopped.status}")


@click.command()
@click.argument("name")
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path, readable=False))
@json_option
def truth(*, name: str, file: Path, as_json: bool) -> None:
    """Add true outcomes: a CSV with the columns prediction_id and label."""
    receipt = up_to_date().monitors.add_truth(name, file)
    if as_json:
        print_document(receipt)
        return
    known = [(receipt.replaced, "in place of earlier ones"), (receipt.unchanged, "known before")]
    say(", ".join([f"{count(receipt.accepted, 'outcome')} accepted", *(f"{number:,} of them {how}" for number, how in known if number)]))
    if receipt.unknown:
        some = ", ".join(map(visible, receipt.unknown_examples))
        show(styled(f"left out, because no prediction has them: {count(receipt.unknown, 'id')}, such as {some}", "yellow"))
    what_next(f"lineal monitor {visible(name)}")
