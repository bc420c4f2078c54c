"""What was recorded in a folder and has not travelled, and the sending of it when a person asks for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lineal.errors import LinealError
from lineal.records.sending import Sent
from lineal.workspace.interface import Progress, silent

if TYPE_CHECKING:
    from lineal.records.sending import Unsent
    from lineal.workspace.health import Finding
    from lineal.workspace.remote.lines import TeamLines
    from lineal.workspace.remote.link import Link
    from lineal.workspace.remote.sending import Sender
    from lineal.workspace.site import Site


class Outbox:
    """`lineal.workspace.interface.Outbox` of a folder that works in a server's project."""

    def __init__(self, site: Site, link: Link, lines: TeamLines, sender: Callable[[], Sender]) -> None:
        self._site = site
        self._link = link
        self._lines = lines
        self._sender = sender

    def send(self, *, progress: Progress = silent) -> Sent:
        """Sends everything; what keeps something here is told in the answer, and no error."""
        from lineal.workspace.collection import collect_pending

        collect_pending(self._site)
        try:
            self._link.client.get("/project")
            self._lines.send()
            sent = self._sender().send(progress=progress)
            if sent.runs:
                self._link.client.post("/ingest")
        except LinealError as error:
            sent = Sent(left=self.unsent(), reason=error.message)
        datasets = tuple(self._lines.unsent())
        reason = sent.reason or (
            "the server has versions that are not here (lineal pull, then merge), or your role does not suffice" if datasets else ""
        )
        return replace(sent, datasets=datasets, reason=reason)

    def unsent(self) -> tuple[Unsent, ...]:
        """Runs with something that has not travelled, the longest waiting first. Asks nobody."""
        return self._sender().unsent()

    def examine(self) -> tuple[Finding, ...]:
        """What `lineal doctor` says of the server: whether it answers, and what waits here until it does. Raises nothing."""
        from lineal.workspace.health import LIMITED, MISSING, WORKS, Finding

        try:
            self._link.reach(lambda client: client.get("/project"))
        except LinealError as error:
            answers = Finding(group="server", name="server", state=MISSING, detail=error.message)
        else:
            answers = Finding(group="server", name="server", state=WORKS, detail=f"{self._link.address} answers")
        runs, datasets = len(self.unsent()), len(tuple(self._lines.unsent()))
        if not runs and not datasets:
            return answers, Finding(group="server", name="sent", state=WORKS, detail="everything recorded here is at the server")
        detail = f"{runs} runs and {datasets} datasets wait here; send them with: lineal sync"
        return answers, Finding(group="server", name="sent", state=LIMITED, detail=detail)
