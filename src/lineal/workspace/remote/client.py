"""Asks a server: records come back as records, and its errors as the errors that they are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from lineal import errors
from lineal.errors import LinealError, Unavailable
from lineal.records.wire import restore

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

PREFIX = "/api/v1"
_TRIES = 3
_LONGEST_WAIT = 5.0
_CLASSES: Mapping[str, type[LinealError]] = {
    "Invalid input": errors.InvalidInput,
    "Not found": errors.NotFound,
    "Conflict": errors.Conflict,
    "Permission denied": errors.PermissionDenied,
    "Invalid state": errors.InvalidState,
    "Integrity": errors.Integrity,
    "Unavailable": errors.Unavailable,
}


class Client:
    """The API of one project of a server, or of the server itself. Thread safe.

    Args:
        http: whose base is the project's address, such as ``https://host/projects/flights``.
    """

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self._http.base_url).rstrip("/")

    def get(self, path: str, **words: Any) -> Any:
        """The JSON value of a reading call; tried again where the server is busy for a moment."""
        return self._json("GET", path, params=_words(words))

    def record(self, kind: type[T], path: str, **words: Any) -> T:
        """The record of a reading call."""
        return restore(kind, self.get(path, **words))

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, method: str = "POST", seconds: float | None = None, **words: Any) -> Any:
        """The JSON value of a call that changes something; made once."""
        options: dict[str, Any] = {"json": dict(body or {}), "params": _words(words)}
        if seconds is not None:
            options["timeout"] = seconds
        return self._json(method, path, **options)

    def upload(self, path: str, content: bytes, *, media: str, **words: Any) -> Any:
        """The JSON value of a call that takes raw bytes."""
        return self._json("POST", path, content=content, params=_words(words), headers={"content-type": media})

    @contextmanager
    def stream(self, path: str, **words: Any) -> Iterator[Iterator[bytes]]:
        """The bytes of an answer, piece by piece."""
        with _translated(self.address), self._http.stream("GET", PREFIX + path, params=_words(words)) as answer:
            if answer.is_error:
                answer.read()
                raise _error(answer)
            yield answer.iter_bytes()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _json(self, method: str, path: str, **options: Any) -> Any:
        answer = self._ask(method, path, **options)
        return answer.json()

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        last = _TRIES if method == "GET" else 1
        for attempt in range(1, last + 1):
            with _translated(self.address):
                answer = self._http.request(method, PREFIX + path, **options)
            if answer.status_code in {429, 503} and attempt < last:
                time.sleep(_wait(answer, attempt))
                continue
            break
        if answer.is_error:
            raise _error(answer)
        return answer


def _words(words: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in words.items() if value not in (None, "", False)}


def _wait(answer: httpx.Response, attempt: int) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text) if text.isdigit() else 0.2 * 2**attempt, _LONGEST_WAIT)


def _error(answer: httpx.Response) -> LinealError:
    """The error that a problem document tells, so that it is handled as if it had happened here."""
    try:
        body = answer.json()
        kind, message, hint = str(body["kind"]), str(body["detail"]), str(body.get("hint", ""))
    except (ValueError, KeyError, TypeError):
        return Unavailable(
            f"{answer.request.url.host} answered {answer.status_code}, and not as a Lineal server does",
            kind="bad-answer",
            hint="Check the address: is a proxy or another program there?",
        )
    return _CLASSES.get(str(body.get("title")), Unavailable)(message, kind=kind, hint=hint)


@contextmanager
def _translated(address: str) -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TimeoutException as error:
        raise Unavailable(f"{address} did not answer in time", kind="server-unavailable", hint="Try again; is the network there?") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"{address} cannot be reached: {error}", kind="server-unavailable", hint="Check the address and the network.") from error
