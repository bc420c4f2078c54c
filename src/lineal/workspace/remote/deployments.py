"""Deployments and their monitors on a server: services run where it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lineal.errors import NotFound
from lineal.records.deployment import Deployment, Prediction, TruthReceipt
from lineal.records.monitor import MonitorReport
from lineal.workspace.interface import Progress, silent
from lineal.workspace.remote.client import Client, part
from lineal.workspace.wire import restore

PAGE = 1000
"""As many predictions are asked for at once."""


class RemoteDeployments:
    """Models in production at the server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def deploy(
        self,
        model: str,
        *,
        name: str = "",
        port: int = 0,
        trial: bool = False,
        skip_drift: Sequence[str] = (),
        progress: Progress = silent,
    ) -> Deployment:
        """Serves a model version on the server's machine."""
        wanted = {"model": model, "name": name, "port": port, "trial": trial, "skip_drift": list(skip_drift)}
        body = {key: value for key, value in wanted.items() if value}
        return restore(Deployment, self._client.work("/deployments", body, method="POST", progress=progress))

    def list(self, *, stopped: bool = False) -> Sequence[Deployment]:
        """Every deployment."""
        return self._client.records(Deployment, "/deployments", "deployments", stopped=stopped)

    def get(self, reference: str) -> Deployment:
        """The deployment that a reference names."""
        return self._client.record(Deployment, f"/deployments/{part(reference)}")

    def undeploy(self, name: str) -> Deployment:
        """Stops a deployment."""
        return restore(Deployment, self._client.post(f"/deployments/{part(name)}/undeploy"))

    def predictions(
        self, name: str, *, limit: int = 50, before: str = "", start: int | None = None, end: int | None = None, wrong: bool = False
    ) -> Sequence[Prediction]:
        """Captured predictions, newest first, asked for in pages."""
        found: list[Prediction] = []
        while len(found) < limit:
            wanted = min(PAGE, limit - len(found))
            words = {"limit": wanted, "before": before, "start": start, "end": end, "wrong": wrong}
            page = self._client.records(Prediction, f"/deployments/{part(name)}/predictions", "predictions", **words)
            found += page
            if len(page) < wanted:
                break
            before = page[-1].id
        return tuple(found)

    def prediction(self, identifier: str) -> Prediction:
        """One captured prediction."""
        return self._client.record(Prediction, f"/predictions/{part(identifier)}")

    def log(self, name: str) -> str:
        """What the service printed."""
        return self._client.read(f"/deployments/{part(name)}/log").decode("utf-8", "replace")


class RemoteMonitors:
    """Watching what the server has deployed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def report(self, name: str, *, every: str = "month", start: int | None = None, end: int | None = None) -> MonitorReport:
        """What the monitor says."""
        return self._client.record(MonitorReport, f"/monitors/{part(name)}", every=every, start=start, end=end)

    def add_truth(self, name: str, table: Path) -> TruthReceipt:
        """Takes true outcomes from a CSV file. Raises NotFound kind ``unknown-path``."""
        try:
            content = table.read_bytes()
        except OSError as error:
            raise NotFound(f"{table} cannot be read: {error.strerror}", kind="unknown-path", hint="Name a CSV file.") from error
        return restore(TruthReceipt, self._client.upload(f"/monitors/{part(name)}/truth", content, media="text/csv"))
