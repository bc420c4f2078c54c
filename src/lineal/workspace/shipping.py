"""Models in production: deploys, replaces and stops services, and reads what they answered."""

from __future__ import annotations

from collections.abc import Sequence

from lineal.records.deployment import Deployment, Prediction
from lineal.serving.predictions import PredictionLog
from lineal.workspace.interface import Progress, silent
from lineal.workspace.registry import LocalModels
from lineal.workspace.site import Site


class LocalDeployments:
    """`Deployments` over the ledger, the store and services on this machine."""

    def __init__(self, site: Site, models: LocalModels) -> None:
        self._site = site
        self._models = models

    def deploy(
        self, model: str, *, name: str = "", port: int = 0, trial: bool = False, skip_drift: Sequence[str] = (), progress: Progress = silent
    ) -> Deployment:
        """Serves a model version, or for a trial a run's model."""
        raise NotImplementedError

    def list(self, *, stopped: bool = False) -> Sequence[Deployment]:
        """Deployments with their live status."""
        raise NotImplementedError

    def get(self, reference: str) -> Deployment:
        """By name (the newest of that name) or id."""
        raise NotImplementedError

    def undeploy(self, name: str) -> Deployment:
        """Stops the service; what it answered is kept."""
        raise NotImplementedError

    def predictions(
        self, name: str, *, limit: int = 50, before: str = "", start: int | None = None, end: int | None = None, wrong: bool = False
    ) -> Sequence[Prediction]:
        """Captured predictions, newest first."""
        raise NotImplementedError

    def prediction(self, identifier: str) -> Prediction:
        """The captured prediction of that id, in whichever deployment."""
        raise NotImplementedError

    def log(self, name: str) -> str:
        """The service's log."""
        raise NotImplementedError

    def history(self, name: str) -> Sequence[tuple[Deployment, PredictionLog]]:
        """Every deployment of that name with its predictions, oldest first; trials only where the newest is one."""
        raise NotImplementedError
