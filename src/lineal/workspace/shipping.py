"""Models in production: deploys, replaces and stops services, and reads what they answered."""

from __future__ import annotations

import builtins
import dataclasses
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from lineal.delivery.health import answers, wait_until_it_answers
from lineal.delivery.targets import target_named
from lineal.delivery.targets.interface import ServiceRequest, StartedService
from lineal.errors import Conflict, InvalidInput, InvalidState, LinealError, NotFound
from lineal.ledger import deployments as rows
from lineal.ledger import models as model_rows
from lineal.ledger.graph import add_activity, add_edge
from lineal.ledger.nodes import load_nodes
from lineal.records.deployment import Deployment, DeploymentStatus, Prediction
from lineal.records.graph import USED, Node
from lineal.serving.predictions import PredictionLog
from lineal.workspace.bundles import Shipped, write_bundle
from lineal.workspace.interface import Progress, silent
from lineal.workspace.references import resolve
from lineal.workspace.registry import LocalModels, check_name, shipped_version
from lineal.workspace.site import Site

START_SECONDS = 60.0
TARGET = "process"
_TAIL_LINES = 5


class LocalDeployments:
    """`Deployments` over the ledger, the store and services on this machine."""

    def __init__(self, site: Site, models: LocalModels) -> None:
        self._site = site
        self._models = models

    def deploy(
        self, model: str, *, name: str = "", port: int = 0, trial: bool = False, skip_drift: Sequence[str] = (), progress: Progress = silent
    ) -> Deployment:
        """Serves a model version, or for a trial a run's model. A running deployment of that name is replaced once the new one answers.

        Without a port the replaced deployment's is kept, else a free one is picked. A failure leaves everything as it was.

        Raises:
            Conflict: kind ``port-in-use``; kind ``in-production``, if a trial would replace a production deployment.
            InvalidInput: kind ``not-registered`` for a run's model without ``trial``; kinds ``bad-name``, ``bad-port``, ``unknown-feature``.
            Unavailable: kinds ``service-failed``, ``service-silent`` and ``cannot-start``.
        """
        shipped = self._shipped(model, trial=trial)
        name = name or _default_name(shipped, trial=trial)
        check_name(name, "deployment")
        _check_features(shipped, skip_drift)
        replaced = self._replaced(name, trial=trial)
        identifier = self._site.entropy(16).hex()
        folder = self._site.layout.deployments / identifier
        progress("writing the bundle", 0, 3)
        target = target_named(TARGET)
        started: StartedService | None = None
        try:
            write_bundle(self._site, shipped, folder / "bundle", deployment=identifier, name=name, trial=trial)
            progress("starting the service", 1, 3)
            started = target.start(_request(folder, port, replaced))
            self._wait(started, identifier, folder)
            progress("recording the deployment", 2, 3)
            made = self._made(shipped, identifier, name=name, started=started, trial=trial, skip_drift=skip_drift)
            self._record(made, replaced)
        except BaseException:  # also Ctrl-C: nothing is left half done
            if started is not None:
                target.stop(started.handle, seconds=2)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if replaced is not None:
            target_named(replaced.target).stop(replaced.handle)
        progress("serving", 3, 3)
        return made

    def list(self, *, stopped: bool = False) -> Sequence[Deployment]:
        """Deployments with their live status, oldest first; services are asked in parallel."""
        with self._site.ledger.read() as connection:
            known = rows.list_deployments(connection, self._site.project_id)
        wanted = [item for item in known if stopped or item.stopped_at is None]
        if not wanted:
            return []
        with ThreadPoolExecutor(max_workers=min(16, len(wanted))) as pool:
            return list(pool.map(self._live, wanted))

    def get(self, reference: str) -> Deployment:
        """By name (the one that serves, else the newest of that name) or id."""
        node = resolve(self._site, reference, kinds=("deployment",))
        with self._site.ledger.read() as connection:
            found = rows.load_deployment(connection, self._site.project_id, node.id)
        if found is None:
            raise NotFound(f"there is no deployment {reference!r}", kind="unknown-reference", hint="See which there are with: lineal deployments")
        return self._live(found)

    def undeploy(self, name: str) -> Deployment:
        """Stops the service; what it answered, and what protects its model, is kept.

        Raises:
            InvalidState: kind ``not-running``, if it was stopped before.
        """
        found = self.get(name)
        if found.stopped_at is not None:
            raise InvalidState(
                f"deployment {found.name} was stopped before", kind="not-running", hint="See stopped ones with: lineal deployments --all"
            )
        target_named(found.target).stop(found.handle)
        with self._site.ledger.write() as connection:
            self._mark_stopped(connection, found, reason="undeployed")
        return self.get(f"deployment:{found.id}")

    def predictions(
        self, name: str, *, limit: int = 50, before: str = "", start: int | None = None, end: int | None = None, wrong: bool = False
    ) -> Sequence[Prediction]:
        """Captured predictions, newest first, of every service of that name.

        Args:
            before: the id to page from.
            start, end: bounds of the event time, microseconds UTC, half open.
            wrong: only those whose truth is known and differs from the answer.
        """
        found: list[Prediction] = []
        for deployment, log in reversed(self.history(name)):
            rows_of_log = (row for row in log.backwards(before) if (start is None or row.event_at >= start) and (end is None or row.event_at < end))
            found += self._with_truth(deployment, rows_of_log, limit=limit - len(found), wrong=wrong)
            if len(found) >= limit:
                break
        return found

    def prediction(self, identifier: str) -> Prediction:
        """The captured prediction of that id, in whichever deployment.

        Raises:
            NotFound: kind ``unknown-reference``.
        """
        wanted = identifier.removeprefix("prediction:").strip().lower()
        with self._site.ledger.read() as connection:
            known = rows.list_deployments(connection, self._site.project_id)
        for deployment in reversed(known):
            row = self.predictions_of(deployment).find(wanted)
            if row is not None:
                return self._with_truth(deployment, iter([row]), limit=1, wrong=False)[0]
        raise NotFound(f"no deployment gave the prediction {wanted}", kind="unknown-reference", hint="Prediction ids are never abbreviated.")

    def log(self, name: str) -> str:
        """The service's log."""
        path = self.folder(self.get(name)) / "service.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def history(self, name: str) -> Sequence[tuple[Deployment, PredictionLog]]:
        """Every deployment of that name with its predictions, oldest first; a trial stands alone and is never mixed with production."""
        current = self.get(name)
        if current.trial:
            return [(current, self.predictions_of(current))]
        with self._site.ledger.read() as connection:
            known = rows.list_deployments(connection, self._site.project_id, current.name)
        return [(item, self.predictions_of(item)) for item in known if not item.trial]

    def folder(self, deployment: Deployment) -> Path:
        """Where a deployment's bundle, log, predictions and truth lie."""
        return self._site.layout.deployments / deployment.id

    def predictions_of(self, deployment: Deployment) -> PredictionLog:
        """What one service answered."""
        return PredictionLog(self.folder(deployment) / "predictions")

    def _shipped(self, model: str, *, trial: bool) -> Shipped:
        node = resolve(self._site, model, kinds=("model", "run")) if trial else self._registered(model)
        if node.kind == "model":
            return shipped_version(self._models.get(node.reference))
        return self._models.shipped_run(f"run:{node.id}")

    def _registered(self, model: str) -> Node:
        """The registered version that ``model`` names; a run is refused by name."""
        try:
            return resolve(self._site, model, kinds=("model",))
        except (NotFound, InvalidInput):
            try:
                run = resolve(self._site, model, kinds=("run",))
            except LinealError:
                run = None
            if run is None:
                raise
        raise InvalidInput(
            f"{model!r} is a run, not a registered model",
            kind="not-registered",
            hint=f"Register its model with: lineal model register {run.id[:8]} --name NAME, or try it with: lineal deploy --trial",
        )

    def _replaced(self, name: str, *, trial: bool) -> Deployment | None:
        with self._site.ledger.read() as connection:
            known = rows.list_deployments(connection, self._site.project_id, name)
        current = next((item for item in reversed(known) if item.stopped_at is None), None)
        if current is not None and trial and not current.trial:
            raise Conflict(f"{name} is in production; a trial does not replace it", kind="in-production", hint="Give the trial a name of its own.")
        return current

    def _wait(self, started: StartedService, identifier: str, folder: Path) -> None:
        target = target_named(TARGET)
        wait_until_it_answers(
            started.url,
            identifier,
            alive=lambda: target.alive(started.handle),
            seconds=float(self._site.settings.get("serving.start_seconds", START_SECONDS)),
            why=lambda: _tail(folder / "service.log"),
        )

    def _made(self, shipped: Shipped, identifier: str, *, name: str, started: StartedService, trial: bool, skip_drift: Sequence[str]) -> Deployment:
        return Deployment(
            id=identifier,
            name=name,
            model=shipped.model,
            model_occurrence=shipped.occurrence,
            target=TARGET,
            url=started.url,
            status=DeploymentStatus.SERVING,
            trial=trial,
            started_at=self._site.clock(),
            skip_drift=tuple(skip_drift),
            handle=started.handle,
            occurrence=identifier,
            author=self._site.actor,
        )

    def _record(self, made: Deployment, replaced: Deployment | None) -> None:
        """Everything a deployment changes in the ledger, at once; refused if the model was deleted meanwhile."""
        project = self._site.project_id
        with self._site.ledger.write() as connection:
            node = load_nodes(connection, project, [made.model_occurrence]).get(made.model_occurrence)
            if node is None or "deleted" in node.marks:
                raise InvalidState(f"the model {made.model} was deleted meanwhile", kind="deleted", hint="Bring it back with: lineal undelete")
            add_activity(connection, id=made.id, project_id=project, kind="deployment", label=made.name, at=made.started_at)
            add_edge(connection, project_id=project, source=made.id, target=made.model_occurrence, relation=USED, role="model")
            rows.add_deployment(connection, project, made)
            if not made.trial:
                model_rows.mark_deployed(connection, project, made.model_occurrence)
            self._event(connection, "deployment.started", made, {"model": made.model, "url": made.url, "trial": made.trial})
            if replaced is not None:
                self._mark_stopped(connection, replaced, reason=f"replaced by {made.model}")

    def _mark_stopped(self, connection: Connection, deployment: Deployment, *, reason: str) -> None:
        if rows.mark_stopped(connection, self._site.project_id, deployment.id, self._site.clock()):
            self._event(connection, "deployment.stopped", deployment, {"model": deployment.model, "reason": reason})

    def _live(self, deployment: Deployment) -> Deployment:
        """The deployment as it is now: a service that does not answer is down, and the end of its log says why."""
        count = self.predictions_of(deployment).count()
        if deployment.stopped_at is not None:
            return dataclasses.replace(deployment, status=DeploymentStatus.STOPPED, predictions=count)
        if answers(deployment.url, deployment.id):
            return dataclasses.replace(deployment, status=DeploymentStatus.SERVING, predictions=count)
        alive = target_named(deployment.target).alive(deployment.handle)
        said = _tail(self.folder(deployment) / "service.log")
        detail = f"the process is there but does not answer; its log ends: {said}" if alive else f"the process is gone; its log ends: {said}"
        return dataclasses.replace(deployment, status=DeploymentStatus.DOWN, predictions=count, detail=detail)

    def _with_truth(self, deployment: Deployment, found: Any, *, limit: int, wrong: bool) -> builtins.list[Prediction]:
        from lineal.workspace.judged import judged

        return judged(deployment, self.folder(deployment) / "truths", found, limit=limit, wrong=wrong)

    def _event(self, connection: Connection, action: str, deployment: Deployment, payload: dict[str, object]) -> None:
        self._site.record_event(connection, action, subject=f"deployment:{deployment.name}", payload={"id": deployment.id, **payload})


def _request(folder: Path, port: int, replaced: Deployment | None) -> ServiceRequest:
    kept = 0 if replaced is None else int(replaced.handle.get("port", 0))
    return ServiceRequest(
        bundle=folder / "bundle",
        predictions=folder / "predictions",
        log=folder / "service.log",
        port=port or kept,
        beside=None if replaced is None else replaced.handle,
    )


def _default_name(shipped: Shipped, *, trial: bool) -> str:
    base = f"run-{shipped.run[:8]}" if shipped.model.startswith("run:") else shipped.model.partition("@")[0]
    return f"{base}-trial" if trial else base


def _check_features(shipped: Shipped, skip_drift: Sequence[str]) -> None:
    known = [column.name for column in shipped.signature.inputs]
    unknown = [name for name in skip_drift if name not in known]
    if unknown:
        raise InvalidInput(f"{shipped.model} has no feature {', '.join(unknown)}", kind="unknown-feature", hint=f"Its features: {', '.join(known)}")


def _tail(log: Path) -> str:
    """The last lines of a log, on one line."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "there is no log"
    return " | ".join(lines[-_TAIL_LINES:]) or "the log is empty"
