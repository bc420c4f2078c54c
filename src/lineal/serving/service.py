"""The service of one model: answers over HTTP, checks every request against the signature, and records every answer it gives."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from lineal.errors import LinealError, Unavailable
from lineal.serving.batching import Batches
from lineal.serving.bundle import Manifest, check_model_file, read_manifest
from lineal.serving.capture import PredictionWriter
from lineal.serving.formats import load_model
from lineal.serving.formats.interface import Answers, Predictor
from lineal.serving.measures import Measures
from lineal.serving.requests import PredictRequest, Problem, RequestReader
from lineal.serving.segments import AnsweredRows

LARGEST_BODY = 16 * 1024 * 1024
LARGEST_DRAINED = 4 * LARGEST_BODY
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_JSON = ("content-type", "application/json")
_PROBLEM = ("content-type", "application/problem+json")
_encode = msgspec.json.encode


class Scope(Protocol):
    """What of RSGI's request scope is used."""

    proto: str
    method: str
    path: str
    authority: str | None
    headers: Any


class HttpProtocol(Protocol):
    """What of RSGI's HTTP protocol is used."""

    def __call__(self) -> Awaitable[bytes]:
        """The whole body."""

    def __aiter__(self) -> Any:
        """The body in pieces."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Sends the response."""


class Service:
    """An RSGI application over one loaded model. One event loop runs it."""

    def __init__(self, manifest: Manifest, predictor: Predictor, writer: PredictionWriter, *, hosts: Sequence[str] = ()) -> None:
        self._manifest = manifest
        self._writer = writer
        self._measures = Measures()
        self._batches = Batches(predictor, counted=self._count_batch)
        self._reader = RequestReader(manifest.signature, manifest.model)
        self._hosts = LOOPBACK | frozenset(host.lower() for host in hosts)
        self._delayed = False
        self._started = time.time_ns() // 1000
        self._pages: dict[str, Callable[[], tuple[int, str, bytes]]] = {
            "/": self._about,
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._metrics,
        }

    async def __rsgi__(self, scope: Scope, protocol: HttpProtocol) -> None:
        """Answers one request; every failure becomes a problem document."""
        try:
            self._check_host(scope)
            if scope.path == "/predict" and scope.method == "POST":
                await self._predict(scope, protocol)
                return
            status, kind, body = self._page(scope)
            protocol.response_bytes(status, [("content-type", kind)], body)
        except LinealError as error:
            self._refuse(protocol, error)
        except Exception:  # noqa: BLE001 - a fault of ours: logged in full, told in brief
            traceback.print_exc()
            self._refuse(protocol, LinealError("the service failed; its log says why", kind="service-error"))

    def close(self) -> None:
        """Writes every captured prediction that waits."""
        self._writer.close()

    async def _predict(self, scope: Scope, protocol: HttpProtocol) -> None:
        started = time.perf_counter()
        status = 200
        try:
            request = self._reader.read(await _body(scope, protocol))
            answers = await self._batches.answer(request)
            body = self._record(request, answers)
            protocol.response_bytes(200, [_JSON, ("lineal-capture", "delayed" if self._delayed else "ok")], body)
        except LinealError as error:
            status = _status(error)
            self._writer.reject(error.kind)
            self._refuse(protocol, error)
        except Exception:
            status = 500
            raise
        finally:
            self._measures.observe(status, time.perf_counter() - started)

    def _record(self, request: PredictRequest, answers: Answers) -> bytes:
        """Hands the answers to the writer, and only then makes the response of them."""
        ids = self._writer.new_ids(request.rows)
        now = time.time_ns() // 1000
        event = request.event if request.event is not None else [now] * request.rows
        self._delayed = self._writer.add(
            AnsweredRows(
                model=self._manifest.model,
                ids=ids,
                recorded=[now] * request.rows,
                event=event,
                features=request.columns,
                output=answers.output,
                score=answers.score,
                keys=request.keys,
            )
        )
        self._measures.predictions += request.rows
        return _encode({"predictions": answers.output, "scores": answers.score, "prediction_ids": ids, "model": self._manifest.model})

    def _page(self, scope: Scope) -> tuple[int, str, bytes]:
        if scope.path == "/predict":
            raise Problem("/predict takes POST", kind="wrong-method", status=405)
        page = self._pages.get(scope.path)
        if page is None:
            raise Problem(f"there is nothing at {scope.path}; see /", kind="unknown-path", status=404)
        if scope.method not in {"GET", "HEAD"}:
            raise Problem(f"{scope.path} takes GET", kind="wrong-method", status=405)
        return page()

    def _about(self) -> tuple[int, str, bytes]:
        manifest = self._manifest
        return _json_page(
            {
                "name": manifest.name,
                "model": manifest.model,
                "trial": manifest.trial,
                "signature": manifest.signature,
                "example": {"instances": [{column.name: _sample(column.type, column.categories) for column in manifest.signature.inputs}]},
                "docs": {
                    "POST /predict": 'body {"instances": [{feature: value}], "event_time": ISO 8601 or microseconds, one or a list, "keys": [your own name of each row]}; '
                    "answers predictions, scores, prediction_ids and model",
                    "GET /health": "whether the process answers",
                    "GET /ready": "whether predictions are taken",
                    "GET /metrics": "counters and latency for Prometheus",
                },
            }
        )

    def _health(self) -> tuple[int, str, bytes]:
        manifest = self._manifest
        return _json_page(
            {"status": "ok", "deployment": manifest.deployment, "model": manifest.model, "pid": os.getpid(), "started_at": self._started}
        )

    def _ready(self) -> tuple[int, str, bytes]:
        state = self._writer.state()
        if state.full:
            raise Unavailable(f"predictions cannot be recorded: {state.trouble or 'too many wait to be written'}", kind="capture-full")
        return _json_page({"status": "ready", "capture": "delayed" if state.trouble else "ok"})

    def _metrics(self) -> tuple[int, str, bytes]:
        state = self._writer.state()
        text = self._measures.text(
            model=self._manifest.model,
            rejected=self._writer.rejected(),
            waiting=state.waiting,
            written=state.written,
            healthy=not state.trouble,
        )
        return 200, "text/plain; version=0.0.4; charset=utf-8", text.encode()

    def _check_host(self, scope: Scope) -> None:
        """Refuses names that are not this service's: a web page that rebinds its own name to loopback must not get in."""
        host = scope.headers.get("host") or scope.authority or ""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name.strip("[]").lower() not in self._hosts:
            raise Problem(f"this service does not answer to the name {name!r}", kind="wrong-host", status=421)

    def _refuse(self, protocol: HttpProtocol, error: LinealError) -> None:
        status = _status(error)
        document = {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status, "detail": error.message, "kind": error.kind}
        if error.hint:
            document["hint"] = error.hint
        if isinstance(error, Problem) and error.errors:
            document["errors"] = list(error.errors)
        headers = [_PROBLEM]
        if error.kind == "capture-full":
            headers += [("lineal-capture", "full"), ("retry-after", "1")]
        protocol.response_bytes(status, headers, _encode(document))

    def _count_batch(self) -> None:
        self._measures.batches += 1


def open_service(bundle: Path, predictions: Path, *, hosts: Sequence[str] = ()) -> Service:
    """The service of a bundle, its model checked and loaded; answers are recorded in ``predictions``."""
    manifest = read_manifest(bundle)
    path = check_model_file(bundle, manifest)
    predictor = load_model(path, manifest.model_format, manifest.signature)
    return Service(manifest, predictor, PredictionWriter(predictions), hosts=[*manifest.hosts, *hosts])


async def _body(scope: Scope, protocol: HttpProtocol) -> bytes:
    """The whole body.

    One beyond `LARGEST_BODY` is refused, but read to its end up to `LARGEST_DRAINED` and thrown away: a connection that is closed over unread
    bytes is reset, and its client never sees the refusal.
    """
    kind = scope.headers.get("content-type") or ""
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise Problem("the content type must be application/json", kind="wrong-content-type", status=415)
    length = scope.headers.get("content-length")
    if length is not None and length.isdigit() and int(length) <= LARGEST_BODY:
        return await protocol()
    pieces: list[bytes] = []
    total = 0
    async for piece in protocol:
        total += len(piece)
        if total > LARGEST_DRAINED:
            break
        if total <= LARGEST_BODY:
            pieces.append(bytes(piece))
        else:
            pieces.clear()
    if total > LARGEST_BODY:
        raise _too_large()
    return b"".join(pieces)


def _too_large() -> Problem:
    return Problem(f"the body is larger than {LARGEST_BODY >> 20} MiB", kind="body-too-large", status=413)


def _status(error: LinealError) -> int:
    return error.status if isinstance(error, Problem) else error.http_status


def _json_page(document: object) -> tuple[int, str, bytes]:
    return 200, "application/json", _encode(document)


def _sample(type_name: str, categories: Sequence[str]) -> Any:
    return {"string": categories[0] if categories else "text", "bool": True, "int": 0}.get(type_name, 0.0)


_TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def say(text: str) -> None:
    """One line to the service's log."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
    sys.stderr.flush()
