"""A proxy before a real S3 server that fails on purpose: the server's answers are real, only the faults are made."""

from __future__ import annotations

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

PASS, BUSY, BROKEN, LOST, CUT, SLOW, DEAD = "pass", "503", "500", "lost", "cut", "slow", "dead"
"""Pass on; answer 503 or 500 without asking; ask, and drop the answer; cut it in the middle; answer late; drop the connection unheard."""

_ERRORS = {BUSY: (503, "SlowDown"), BROKEN: (500, "InternalError")}


class FaultyProxy:
    """Passes requests on to a server, and fails as it is told.

    Attributes:
        faults: what happens to the next requests, one by one; afterwards `choose` is asked.
        choose: what happens to a request, by its method and path.
        slowness: seconds that a late answer takes.
        asked: method and path of every request that came.
    """

    def __init__(self, endpoint: str) -> None:
        self.upstream = urlsplit(endpoint).netloc
        self.faults: deque[str] = deque()
        self.choose: Callable[[str, str], str] = lambda _method, _path: PASS
        self.slowness = 3.0
        self.asked: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fault_of(self, method: str, path: str) -> str:
        """What happens to this request."""
        with self._lock:
            self.asked.append((method, path))
            return self.faults.popleft() if self.faults else self.choose(method, path)


class _Handler(BaseHTTPRequestHandler):
    owner: FaultyProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - its names in the standard library
        return

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):
            super().handle_one_request()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.owner.fault_of(self.command, self.path)
        if fault == DEAD:
            self.close_connection = True
            return
        if fault in _ERRORS:
            status, code = _ERRORS[fault]
            self._answer(status, {"Content-Type": "application/xml"}, f"<Error><Code>{code}</Code><Message>made</Message></Error>".encode())
            return
        status, headers, answer = self._ask(body)
        if fault == SLOW:
            time.sleep(self.owner.slowness)
        if fault == LOST:
            self.close_connection = True
            return
        self._answer(status, headers, answer, cut=fault == CUT)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - their names in the standard library

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(self.owner.upstream, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body or None)
        response = upstream.getresponse()
        answer = response.read()
        upstream.close()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in {"transfer-encoding", "connection", "keep-alive"}}
        return response.status, kept, answer

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True


@pytest.fixture
def faulty(seaweed_server: Any) -> Iterator[FaultyProxy]:
    """A proxy before SeaweedFS."""
    made = FaultyProxy(seaweed_server.endpoint)
    yield made
    made.close()
