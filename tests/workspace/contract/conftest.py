"""The two workspaces that a person can have: a folder's own, and one of a server's project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.lineal_server import RunningServer
from tests.workspace.contract.loop import Loop, play

from lineal.bootstrap.compose import create_workspace, join_workspace


@dataclass(frozen=True)
class Loops:
    """The same loop, played in both."""

    local: Loop
    team: Loop


@pytest.fixture(scope="session")
def loops(open_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loops]:
    url = project(open_server, "loop")
    alone, together = (_folder(tmp_path_factory, name) for name in ("alone", "together"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINEAL_CAPTURE_RESOURCES_SECONDS", "0")  # how often that is noted is a matter of how fast the machine is
        found = Loops(local=play(create_workspace(alone, name="loop"), alone), team=play(join_workspace(url, together), together))
    yield found
    for loop in (found.local, found.team):
        loop.workspace.deployments.undeploy("live")
        loop.workspace.close()


@pytest.fixture(params=["local", "team"])
def loop(request: pytest.FixtureRequest, loops: Loops) -> Loop:
    found: Loop = getattr(loops, request.param)
    return found


def project(server: RunningServer, name: str) -> str:
    """The address of a new project of the server."""
    httpx.post(f"{server.url}/api/v1/server/projects", json={"name": name}).raise_for_status()
    return f"{server.url}/projects/{name}"


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    folder = factory.mktemp(name) / "project"
    folder.mkdir()
    return folder
