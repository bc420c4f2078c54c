"""`lineal server`: many projects for a team, in one process."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lineal.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from lineal.interfaces.http.operations import Requests
    from lineal.workspace.hosting import Hosting

HOST, PORT = "127.0.0.1", 8500
THREADS = 16
"""Requests that are worked on at once; the others wait. More would only wait for the ledger."""
STOP_SECONDS = 10.0
MOST_CONNECTIONS = 8192
BACKLOG = 1024
HEADER_MILLISECONDS = 15_000
LONGEST_HEADER = 128 << 10
MLFLOW = ("/api/2.0/", "/api/3.0/", "/ajax-api/")
"""How paths begin that MLflow's client asks for."""
_log = logging.getLogger("lineal.server")


def application(
    hosting: Hosting,
    *,
    hosts: tuple[str, ...] = (),
    local: str | None = None,
    proxies: tuple[str, ...] = (),
    requests: Requests | None = None,
) -> ASGIApp:
    """The ASGI application of a server.

    Args:
        hosts: names to answer to besides loopback's.
        local: who everybody is where nobody must prove anything; None where they must.
        proxies: addresses, besides this machine's, whose word on who asks is taken.
        requests: where they are counted.
    """
    from starlette.applications import Starlette

    from lineal.interfaces.exact import Exact
    from lineal.interfaces.http.entrance import Entrance
    from lineal.interfaces.http.guard import Guard
    from lineal.interfaces.http.operations import Requests, Watch
    from lineal.interfaces.http.patience import Patience
    from lineal.interfaces.mlflow.answers import error_body

    requests = requests or Requests()
    every = project_routes()
    inner, outer = Starlette(routes=[Exact(every), *every]), Starlette(routes=server_routes(requests))
    bodies = dict.fromkeys(MLFLOW, error_body)
    entrance = Entrance(server=hosting, project_app=inner, server_app=outer, local=local, proxies=frozenset(proxies), bodies=bodies)
    return Watch(Guard(Patience(entrance), hosts=frozenset(name.lower() for name in hosts)), requests=requests)


def project_routes() -> list[BaseRoute]:
    """What there is in every project."""
    from lineal.interfaces.http.routes import routes as api_routes
    from lineal.interfaces.mlflow.routes import mlflow_routes
    from lineal.interfaces.web.routes import routes as page_routes

    return [*api_routes(), *mlflow_routes(), *page_routes()]


def server_routes(requests: Requests) -> list[BaseRoute]:
    """What is the server's own."""
    from lineal.interfaces.http.operations import operation_routes
    from lineal.interfaces.http.people import SERVER_ENDPOINTS
    from lineal.interfaces.http.routes import routes as api_routes
    from lineal.interfaces.http.signing_in import signing_in_routes
    from lineal.interfaces.web.entrance import outer_routes

    return [*operation_routes(requests), *signing_in_routes(), *api_routes(SERVER_ENDPOINTS), *outer_routes()]


@click.command()
@click.option("--host", default=None, help="Address to listen on; 127.0.0.1 unless given, which only this machine reaches.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port; 8500 unless given, any free one for 0.")
@click.option("--data", "folder", type=click.Path(path_type=Path), default=None, help="Folder of the server's own files.")
@click.option("--database", default=None, help="Where the ledger is, such as postgresql://user@host/name; SQLite in the data folder unless given.")
@click.option("--store", default=None, help="Where the bytes are, such as s3://bucket/prefix; in the data folder unless given.")
@click.option("--no-auth", is_flag=True, help="Ask nobody who they are; only on an address that nobody else reaches.")
@click.option("--log-requests", is_flag=True, help="Print a line of JSON for every request to standard error.")
def server(
    *, host: str | None, port: int | None, folder: Path | None, database: str | None, store: str | None, no_auth: bool, log_requests: bool
) -> None:
    """Serve projects to a team: pages, API, and what `lineal` on other machines works with.

    A fresh one has the project `default` and prints a link that signs the first admin in, once. People are added with
    `lineal user add`, or on the page People. It stops with Ctrl-C or SIGTERM, when the requests at work are done.
    """
    from lineal.bootstrap.hosting import open_hosting
    from lineal.interfaces.http.operations import Requests

    hosting, settings = open_hosting(folder, database=database, store=store)
    address, chosen = host or settings["server.host"], settings["server.port"] if port is None else port
    try:
        _refuse_open_doors(address, no_auth=no_auth)
        _listen_to_requests(wanted=log_requests)
        local, requests = hosting.actor if no_auth else None, Requests()
        app = application(hosting, hosts=settings["server.hosts"], local=local, proxies=settings["server.proxies"], requests=requests)
        _run(hosting, app, address, _free(address, chosen), requests=requests, seconds=settings["ui.ingest_seconds"], no_auth=no_auth)
    finally:
        hosting.close()
    click.echo("stopped", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # granian's threads outlive its loop, and abort the process if the interpreter is taken down under them


def _run(hosting: Hosting, app: ASGIApp, address: str, port: int, *, requests: Requests, seconds: float, no_auth: bool) -> None:
    stopping = threading.Event()
    news = threading.Thread(
        target=_bring_news, args=(lambda: hosting.ingest(busy=lambda: requests.recent), seconds, stopping), name="lineal-news", daemon=True
    )
    news.start()
    try:
        asyncio.run(_serve(app, address, port, lambda: _greet(hosting, address, port, no_auth=no_auth)))
    finally:
        stopping.set()
        news.join(timeout=STOP_SECONDS)


async def _serve(app: ASGIApp, address: str, port: int, greet: Callable[[], None]) -> None:
    from anyio.to_thread import current_default_thread_limiter
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    from lineal.interfaces.web.live import end_streams

    current_default_thread_limiter().total_tokens = THREADS
    serving_app: Any = app
    made = Server(
        serving_app,
        address=address,
        port=port,
        interface=Interfaces.ASGINL,
        log_enabled=False,
        websockets=False,
        backlog=BACKLOG,
        backpressure=_room(),
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS, max_buffer_size=LONGEST_HEADER),
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        end_streams()
        made.stop()  # type: ignore[no-untyped-call]

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    serving = asyncio.create_task(made.serve())
    while not serving.done():
        try:
            _reader, writer = await asyncio.open_connection(_reachable(address), port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            break
    greet()
    await serving


def _room() -> int:
    """How many connections may be open: each takes a file, and the ledger, stores and journals need some, too.

    A client that is silent holds one of them until its header is due; where there are few, a few such clients keep everybody else out.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(64, min(MOST_CONNECTIONS, soft // 2))


def _greet(hosting: Hosting, address: str, port: int, *, no_auth: bool) -> None:
    """Says where the server is; the first time also how the first admin gets in."""
    shown = f"[{address}]" if ":" in address else address
    place = f"http://{shown}:{port}"
    click.echo(f"Lineal: {place}")
    if no_auth:
        click.echo("Nobody is asked who they are: --no-auth", err=True)
    elif not any(user.admin and user.removed_at is None for user in hosting.people.users()):
        invitation = hosting.people.add_user(ADMIN, admin=True)
        click.echo(f"Sign in as the first admin, once, within a day: {place}/sign-in?code={invitation.code}")
    click.echo("Ctrl-C stops it", err=True)


ADMIN = "admin"


def _refuse_open_doors(address: str, *, no_auth: bool) -> None:
    if no_auth and not _is_loopback(address):
        raise InvalidInput(
            f"--no-auth would let everybody in who reaches {address}",
            kind="open-door",
            hint="Leave --no-auth out, or listen on 127.0.0.1 only.",
        )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _reachable(address: str) -> str:
    """An address by which this machine reaches itself."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - where it listens was the user's choice


def _free(address: str, port: int) -> int:
    """The port, if nobody listens there. Raises Unavailable kind ``port-in-use`` or ``bad-host``."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except socket.gaierror as error:
            raise Unavailable(f"{address} is no address of this machine", kind="bad-host", hint="Name one, such as 127.0.0.1 or 0.0.0.0.") from error
        except OSError as error:
            raise Unavailable(
                f"port {port} on {address} cannot be had: {error.strerror}", kind="port-in-use", hint="Name another with: lineal server --port PORT"
            ) from error
        return int(probe.getsockname()[1])


def _listen_to_requests(*, wanted: bool) -> None:
    if wanted:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger = logging.getLogger("lineal.requests")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def _bring_news(ingest: Callable[[], int], seconds: float, stopping: threading.Event) -> None:
    """Brings what runs write into the ledger, so that a page that is looked at is never old."""
    said = ""
    while not stopping.wait(max(seconds, 0.1)):
        try:
            ingest()
            said = ""
        except Exception as error:  # noqa: BLE001 - the server goes on without news; the reason is told once
            if str(error) != said:
                said = str(error)
                _log.warning("what runs wrote could not be read in: %s", error)
