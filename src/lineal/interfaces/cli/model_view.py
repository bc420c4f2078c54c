"""Models, deployments and predictions as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lineal.interfaces.cli.output import add_row, facts, heading, now_us, show, styled, table, what_next
from lineal.interfaces.cli.wording import ago, duration, moment, number, short_id, size, value, visible

if TYPE_CHECKING:
    from lineal.records.deployment import Deployment, Prediction
    from lineal.records.model import ModelVersion, Signature
    from lineal.workspace.interface import Workspace

TRACE_FACTS = ("status", "model", "format", "commit", "dirty", "python", "metrics", "path", "files", "size", "digest", "md5", "message", "source")
DEPLOYMENT_STYLES = {"serving": "green", "starting": "cyan", "down": "red", "stopped": "dim"}


def show_model(_space: Workspace, model: ModelVersion) -> None:
    """Prints a model version: where it comes from, what it takes, how good it was."""
    title = styled(visible(model.reference), "bold").append("  model", style="dim")
    for alias in model.aliases:
        title.append(f"  @{visible(alias)}", style="cyan")
    pairs = [
        ("run", short_id(model.run)),
        ("format", f"{model.format}, {size(model.size)}"),
        ("path", visible(model.path)),
        ("digest", model.digest),
        ("registered", f"{moment(model.created_at)} by {visible(model.author)}"),
        ("metrics", numbers(model.metrics)),
        ("in production", "has been deployed" if model.ever_deployed else ""),
        ("profile", "" if model.profile else "none: drift cannot be watched"),
        ("note", visible(model.note)),
        ("deleted", moment(model.deleted_at) if model.deleted_at else ""),
    ]
    show(title, facts(pairs))
    _show_signature(model.signature)
    what_next(f"lineal deploy {visible(model.reference)}", f"lineal lineage model:{visible(model.reference)}")


def numbers(values: Mapping[str, float]) -> str:
    """Names with their numbers."""
    return ", ".join(f"{visible(key)} {number(found)}" for key, found in values.items())


def _show_signature(signature: Signature) -> None:
    made = table("Input", "Type", "", "Values")
    for column in signature.inputs:
        some = ", ".join(map(visible, column.categories[:8])) + (" …" if len(column.categories) > 8 else "")
        add_row(made, [visible(column.name), column.type, "" if column.required else "may be missing", some])
    answer = ", ".join(f"{visible(column.name)} ({column.type})" for column in signature.outputs)
    classes = f" of {', '.join(value(label) for label in signature.classes)}" if signature.classes else ""
    show(heading(f"Takes (known from the {signature.origin})"), made, heading("Gives"), f"{signature.task}{classes}: {answer}")


def show_deployment(_space: Workspace, deployment: Deployment) -> None:
    """Prints a deployment: whether it answers, where, and with what model."""
    status = str(deployment.status)
    title = styled(visible(deployment.name), "bold").append("  deployment  ", style="dim").append(status, style=DEPLOYMENT_STYLES.get(status, ""))
    pairs = [
        ("model", visible(deployment.model)),
        ("address", deployment.url),
        ("target", deployment.target),
        ("for", "a trial: it protects nothing" if deployment.trial else "production"),
        ("since", f"{moment(deployment.started_at)} ({ago(deployment.started_at, now_us())})" if deployment.started_at else ""),
        ("stopped", moment(deployment.stopped_at) if deployment.stopped_at else ""),
        ("predictions", f"{deployment.predictions:,}"),
        ("drift without", ", ".join(map(visible, deployment.skip_drift))),
        ("by", visible(deployment.author)),
        ("id", deployment.id),
        ("note", visible(deployment.detail)),
    ]
    show(title, facts(pairs))
    name = visible(deployment.name)
    what_next(f"lineal monitor {name}", f"lineal truth {name} FILE.csv", f"lineal undeploy {name}")


def show_prediction(space: Workspace, prediction: Prediction) -> None:
    """Prints a prediction, and the way from it back to the data that its model learned from."""
    pairs = [
        ("answer", _answer(prediction)),
        ("truth", _truth(prediction)),
        ("deployment", visible(prediction.deployment)),
        ("model", visible(prediction.model)),
        ("row", visible(prediction.key)),
        ("event", moment(prediction.event_at)),
        ("answered", moment(prediction.recorded_at)),
    ]
    show(styled(prediction.id, "bold").append("  prediction", style="dim"), facts(pairs))
    show(heading("Inputs"), facts([(visible(key), value(item)) for key, item in prediction.inputs.items()]))
    _show_trace(space, prediction)
    what_next(f"lineal lineage prediction:{prediction.id}")


def _answer(prediction: Prediction) -> str:
    return value(prediction.output) + (f" (score {number(prediction.score)})" if prediction.score is not None else "")


def _truth(prediction: Prediction) -> str:
    if prediction.truth is None:
        return "not known"
    late = f", known after {duration(prediction.truth_at - prediction.event_at)}" if prediction.truth_at else ""
    return f"{value(prediction.truth)} ({_judged(prediction)}{late})"


def _judged(prediction: Prediction) -> str:
    """How an answer compares with the truth; a number with a fraction is never simply wrong."""
    if prediction.truth == prediction.output:
        return "right"
    both = (prediction.output, prediction.truth)
    if any(isinstance(item, float) for item in both) and not any(isinstance(item, bool | str) or item is None for item in both):
        return f"off by {number(float(prediction.output) - float(prediction.truth))}"
    return "wrong"


def _show_trace(space: Workspace, prediction: Prediction) -> None:
    made = table("Kind", "What", "Facts")
    for node in space.lineage.trace(prediction.id):
        if node.kind != "prediction":
            add_row(made, [node.kind, visible(node.label), _trace_facts(node.detail)])
    show(heading("Where it comes from"), made)


def _trace_facts(detail: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_short(key, detail[key])}" for key in TRACE_FACTS if detail.get(key) not in (None, "", {}, [], ()))


def _short(key: str, item: Any) -> str:
    if key == "size":
        return size(item)
    if isinstance(item, Mapping):
        return numbers(item)
    text = value(item)
    return short_id(text) if text.startswith(("blake3:", "sha256:")) else text[:12] if key == "commit" else text
