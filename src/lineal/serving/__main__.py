"""``python -m lineal.serving --bundle DIR``: the service of one bundle, without a workspace."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from lineal.errors import LinealError
from lineal.serving.service import open_service, say


def main() -> int:
    """Serves until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lineal.serving", description="Serve the model of a bundle over HTTP.")
    parser.add_argument("--bundle", type=Path, required=True, help="folder with bundle.json, as `lineal model export` writes it")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--fd", type=int, help="descriptor of a socket that listens already, instead of --host and --port")
    parser.add_argument("--predictions", type=Path, help="folder for captured predictions (default: predictions in the bundle)")
    parser.add_argument("--allow-host", action="append", default=[], help="another name that requests may ask for; may be given again")
    given = parser.parse_args()
    from lineal.serving.listening import listen, serve

    try:
        sock = socket.socket(fileno=given.fd) if given.fd is not None else listen(given.host, given.port)
        service = open_service(given.bundle, given.predictions or given.bundle / "predictions", hosts=[given.host, *given.allow_host])
        serve(service, sock)
    except LinealError as error:
        say(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
