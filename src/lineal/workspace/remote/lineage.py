"""Where things came from, who did what, and whether what is stored is sound, asked of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lineal.records.dataset import VerifyReport
from lineal.records.deletion import DeletionPlan
from lineal.records.graph import Graph, Node
from lineal.workspace.interface import Progress, silent
from lineal.workspace.remote.client import Client
from lineal.workspace.wire import restore, restore_each


class RemoteLineage:
    """The graph of a project."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def graph(self, reference: str, *, down: bool = False, both: bool = False, depth: int | None = None, limit: int = 5000) -> Graph:
        """The graph around one thing."""
        direction = "both" if both else "down" if down else "up"
        return self._client.record(Graph, "/lineage", ref=reference, direction=direction, depth=depth, limit=limit)

    def project(self, *, limit: int = 2000) -> Graph:
        """The newest part of the whole project's graph."""
        return self._client.record(Graph, "/lineage", limit=limit)

    def trace(self, prediction: str) -> Sequence[Node]:
        """From a prediction back to the source."""
        return self._client.records(Node, "/lineage/trace", "nodes", prediction=prediction)

    def plan_deletion(self, reference: str) -> DeletionPlan:
        """What would fall with something, or why it may not."""
        return self._client.record(DeletionPlan, "/lineage/plan", ref=reference)

    def delete(self, reference: str, plan: str) -> DeletionPlan:
        """Carries a plan out."""
        return restore(DeletionPlan, self._client.post("/lineage/delete", {"ref": reference, "plan": plan}))

    def undelete(self, reference: str) -> Sequence[Node]:
        """Takes a deletion back."""
        return restore_each(Node, self._client.post("/lineage/undelete", {"ref": reference})["nodes"])

    def resolve(self, reference: str, *, kinds: Sequence[str] = ()) -> Node:
        """The one thing that a reference names."""
        return self._client.record(Node, "/resolve", ref=reference, kinds=",".join(kinds))


class RemoteAudit:
    """Who did what, and whether what the server stores is sound."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def events(self, *, subject: str = "", limit: int = 200, before: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Events, newest first."""
        return tuple(self._client.get("/events", subject=subject, limit=limit, before=before)["events"])

    def check(self, *, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Everything `lineal fsck` looks at."""
        return restore_each(VerifyReport, self._client.work("/check", progress=progress)["reports"])

    def rebuild(self, *, progress: Progress = silent) -> Sequence[str]:
        """Adds the rows of dataset versions that are missing; says which."""
        return tuple(self._client.work("/rebuild", method="POST", progress=progress)["added"])

    def repair(self, *, progress: Progress = silent) -> Sequence[str]:
        """Mends what can be mended of the store; says what was done."""
        return tuple(self._client.work("/repair", method="POST", progress=progress)["done"])
