"""Runs as MLflow's API has them: begun, ended, deleted and found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lineal.interfaces.mlflow.answers import MISSING, Refusal
from lineal.interfaces.mlflow.calls import Call, unchecked_tags
from lineal.interfaces.mlflow.filters import read_filter, read_order
from lineal.interfaces.mlflow.known import NAME_TAG, active, experiment_number, experiment_of, info_of, known, loaded, pairs, run_of, writable
from lineal.interfaces.mlflow.searching import offset_of, token_of
from lineal.records.run import RunStatus

MOST_FOUND = 50_000
USER_TAG, PARENT_TAG = "mlflow.user", "mlflow.parentRunId"
_READ = {
    "RUNNING": RunStatus.RUNNING,
    "SCHEDULED": RunStatus.RUNNING,
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.STOPPED,
}
_NUMBERED = ("", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")


def create_run(call: Call) -> Any:
    """Begins a run."""
    experiment = experiment_of(call, call.text("experiment_id", "0"))
    active(experiment)
    tags = unchecked_tags(call.objects("tags"))
    name = call.text("run_name", "") or tags.get(NAME_TAG, "")
    if tags.get(NAME_TAG, name) != name:
        raise Refusal(f"Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values: '{name}' and '{tags[NAME_TAG]}'.")
    author = call.text("user_id", "") or tags.get(USER_TAG, "") or call.principal.name
    started = call.whole("start_time", 0) * 1000 or call.workspace.requested.now()
    if name:
        tags[NAME_TAG] = name
    run = call.workspace.requested.begin(
        name=name, experiment=experiment.label, author=author, started_at=started, tags=tags, parent=tags.get(PARENT_TAG, "")
    )
    return {"run": {"info": info_of(run, experiment.id), "data": {"tags": pairs({**tags, NAME_TAG: run.name})}, "inputs": {}}}


def update_run(call: Call) -> Any:
    """Ends a run, lets it go on, or gives it another name."""
    requested, identifier = call.workspace.requested, call.run
    run = writable(call)
    name = call.text("run_name", "")
    if name and name != run.name:
        requested.log(identifier, tags={NAME_TAG: name})
        run = requested.rename(identifier, name)
    status = call.words.get("status")
    if status not in {None, ""}:
        wanted = _READ.get(_NUMBERED[status] if isinstance(status, int) and 0 < status < len(_NUMBERED) else str(status))
        if wanted is None:
            raise Refusal(f"Invalid value {status!r:.50} for parameter 'status' supplied")
        ended = call.whole("end_time", 0) * 1000 or call.workspace.requested.now()
        run = requested.go_on(identifier) if wanted is RunStatus.RUNNING else requested.end(identifier, status=wanted, ended_at=ended)
    return {"run_info": info_of(run, experiment_number(call, run.experiment))}


def get_run(call: Call) -> Any:
    """A run with its figures."""
    return {"run": run_of(call, loaded(call, call.run))}


def delete_run(call: Call) -> Any:
    """Deletes a run, unless something stands on it that must not fall."""
    identifier = call.run
    if known(call, identifier).deleted:
        return {}
    lineage = call.workspace.lineage
    plan = lineage.plan_deletion(f"run:{identifier}")
    others = [node.label for node in plan.falls if node.id != identifier and (node.kind == "run" or node.reference.startswith("model:"))]
    if others:
        raise Refusal(
            f"Run {identifier} cannot be deleted by itself: {', '.join(others[:5])} would fall with it. Delete those first.", "PERMISSION_DENIED"
        )
    call.workspace.requested.stop(identifier)
    lineage.delete(f"run:{identifier}", lineage.plan_deletion(f"run:{identifier}").hash if plan.running else plan.hash)
    return {}


def restore_run(call: Call) -> Any:
    """Brings a deleted run back."""
    if known(call, call.run).deleted:
        call.workspace.lineage.undelete(f"run:{call.run}")
    return {}


def search_runs(call: Call) -> Any:
    """A page of runs."""
    most = call.bounded("max_results", 1000, MOST_FOUND)
    offset = offset_of(call.text("page_token", ""))
    view = str(call.words.get("run_view_type") or "ACTIVE_ONLY")
    wanted = {"1": "active", "2": "deleted", "3": "all", "ACTIVE_ONLY": "active", "DELETED_ONLY": "deleted", "ALL": "all"}.get(view, "active")
    where, order = read_filter(call.text("filter", "")), read_order(call.texts("order_by"))
    labels = _labels(call, call.texts("experiment_ids"))
    if not labels:
        return {}
    page = call.workspace.requested.search(
        where=where,
        order=order,
        limit=most,
        offset=offset,
        life=wanted,
        experiments=labels,
    )
    found: dict[str, Any] = {"runs": [run_of(call, run) for run in page.runs]} if page.runs else {}
    if offset + len(page.runs) < page.total:
        found["next_page_token"] = token_of(offset + len(page.runs))
    return found


def _labels(call: Call, identifiers: Sequence[str]) -> list[str]:
    """What the runs of some experiments say; an experiment that is not there has none."""
    found = []
    for identifier in identifiers:
        try:
            found.append(experiment_of(call, identifier).label)
        except Refusal as error:
            if error.code != MISSING:
                raise
    return found
