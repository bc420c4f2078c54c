"""`lineal ui`: the pages and the JSON API over one workspace, in one process on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import click

from lineal.errors import Unavailable

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from lineal.workspace.interface import Workspace
    from lineal.workspace.remote.team import TeamWorkspace

ADDRESS = "127.0.0.1"
PORTS_TRIED = 50

_log = logging.getLogger("lineal.pages")


def application(workspace: Workspace, *, hosts: tuple[str, ...] = ()) -> Starlette:
    """The ASGI application: the API first, then the pages.

    Args:
        hosts: names to answer to besides loopback's.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware

    from lineal.interfaces.http.guard import middleware
    from lineal.interfaces.http.routes import routes as api_routes
    from lineal.interfaces.scope import OneProject
    from lineal.interfaces.web.routes import routes as page_routes

    about = Middleware(OneProject, workspace=workspace)
    return Starlette(routes=[*api_routes(), *page_routes()], middleware=[*middleware(hosts=hosts), about])


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port on 127.0.0.1; 8400 or the next free one unless given.")
def ui(port: int | None) -> None:
    """Serve the web pages on this machine.

    They are at http://127.0.0.1:8400 (or the next free port) until Ctrl-C. Runs that go on meanwhile appear by themselves. In a folder that works
    in a server's project the pages are there: the address is printed, and opened where there is a browser.
    """
    from lineal.bootstrap.compose import open_workspace
    from lineal.workspace.remote.team import TeamWorkspace

    workspace = open_workspace()
    if isinstance(workspace, TeamWorkspace):
        _point_to(workspace)
        return
    settings = workspace.site.settings
    chosen = free_port(settings["ui.port"], tries=PORTS_TRIED) if port is None else free_port(port, tries=1)
    stopping = threading.Event()
    news = threading.Thread(target=_bring_news, args=(workspace, settings["ui.ingest_seconds"], stopping), daemon=True)
    news.start()
    asyncio.run(_serve(application(workspace, hosts=settings["ui.hosts"]), chosen, workspace.project))
    stopping.set()
    news.join(timeout=5)
    workspace.close()
    click.echo("stopped", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # granian's threads outlive its loop, and abort the process if the interpreter is taken down under them


def _point_to(workspace: TeamWorkspace) -> None:
    """Says where the pages of a server's project are, and opens them for somebody who sits at a terminal with a browser."""
    workspace.runs.ingest()
    workspace.close()
    click.echo(f"{workspace.project}: {workspace.address}/runs")
    if sys.stdout.isatty():
        click.launch(f"{workspace.address}/runs")


def free_port(first: int, *, tries: int) -> int:
    """The first port from ``first`` on that nobody listens on.

    Raises:
        Unavailable: kind ``port-in-use``.
    """
    for port in range(first, min(first + tries, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable(f"port {first} on {ADDRESS} is in use", kind="port-in-use", hint="Name another with: lineal ui --port PORT")


async def _serve(app: Starlette, port: int, project: str) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    from lineal.interfaces.web.live import end_streams

    server = Server(app, address=ADDRESS, port=port, interface=Interfaces.ASGINL, log_enabled=False, websockets=False)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        end_streams()
        server.stop()  # type: ignore[no-untyped-call]

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    serving = asyncio.create_task(server.serve())
    await _listening(port, serving)
    address = f"http://{ADDRESS}:{port}"
    click.echo(f"{project}: {address}")
    click.echo("Ctrl-C stops it", err=True)
    await serving


async def _listening(port: int, serving: asyncio.Task[None]) -> None:
    while not serving.done():
        try:
            _reader, writer = await asyncio.open_connection(ADDRESS, port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


def _bring_news(workspace: Workspace, seconds: float, stopping: threading.Event) -> None:
    """Brings what runs write into the ledger, so that a page that is looked at is never old."""
    said = ""
    while not stopping.wait(max(seconds, 0.1)):
        try:
            workspace.runs.ingest()
            said = ""
        except Exception as error:  # noqa: BLE001 - the pages go on without news; the reason is told once
            if str(error) != said:
                said = str(error)
                _log.warning("what runs wrote could not be read in: %s", error)
