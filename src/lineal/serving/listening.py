"""Runs a service on a listening socket in this process, until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from typing import Any

from lineal.errors import Conflict, Unavailable
from lineal.serving.service import Service, say

BACKLOG = 256
AT_ONCE = 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one.

    Raises:
        Conflict: kind ``port-in-use``.
        Unavailable: kind ``cannot-listen``.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} on {host} is in use by another program",
                kind="port-in-use",
                hint="Give another one with --port, or none for a free one.",
            ) from error
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}", kind="cannot-listen") from error
    return found


def serve(service: Service, sock: socket.socket) -> None:
    """Answers until SIGTERM or SIGINT; then finishes what was begun and writes every captured prediction."""
    asyncio.run(_serve(service, sock))


async def _serve(service: Service, sock: socket.socket) -> None:
    from granian.server.embed import Server

    address, port = sock.getsockname()[:2]
    server = _on_socket(Server, sock)(service, address=address, port=port, websockets=False, log_enabled=False, backpressure=AT_ONCE)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    say(f"answers at http://{address}:{port}")
    try:
        await server.serve()
    finally:
        service.close()
        say("stopped; every captured prediction is written")


def _on_socket(server: type[Any], sock: socket.socket) -> type[Any]:
    """Granian's embedded server on a socket that is bound already: its own would share the port with whoever has it."""
    from granian._granian import SocketHolder

    class OnSocket(server):  # type: ignore[misc]
        def _init_shared_socket(self) -> None:
            self._shd = SocketHolder(sock.detach(), False, BACKLOG)  # type: ignore[call-arg]
            self._ssp = None

    return OnSocket
