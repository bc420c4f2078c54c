"""Asks a server: records come back as records, and its errors as the errors that they are."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import quote

from lineal import errors
from lineal.errors import LinealError, Unavailable
from lineal.workspace.interface import Progress, silent
from lineal.workspace.wire import restore, restore_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

T = TypeVar("T")

PREFIX = "/api/v1"
LINES = "application/x-ndjson"
_TRIES = 3
_LONGEST_WAIT = 5.0
_IN_MEMORY = 8 << 20
_CLASSES: Mapping[str, type[LinealError]] = {
    "Invalid input": errors.InvalidInput,
    "Not found": errors.NotFound,
    "Conflict": errors.Conflict,
    "Permission denied": errors.PermissionDenied,
    "Invalid state": errors.InvalidState,
    "Integrity": errors.Integrity,
    "Unavailable": errors.Unavailable,
    "Internal error": LinealError,
}


class Client:
    """The API of one project of a server, or of the server itself. Thread safe.

    Args:
        http: whose base is the project's address, such as ``https://host/projects/flights``.
        before: called before every request.
    """

    def __init__(self, http: httpx.Client, *, before: Callable[[], None] | None = None) -> None:
        self._http = http
        self._before = before

    def after(self, before: Callable[[], None]) -> Client:
        """The same, but that ``before`` is called before every request."""
        return Client(self._http, before=before)

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self._http.base_url).rstrip("/")

    def get(self, path: str, /, **words: Any) -> Any:
        """The JSON value of a reading call; tried again where the server is busy for a moment."""
        return self._json("GET", path, params=_words(words))

    def record(self, kind: type[T], path: str, /, **words: Any) -> T:
        """The record of a reading call."""
        return restore(kind, self.get(path, **words))

    def records(self, kind: type[T], path: str, key: str, /, **words: Any) -> Sequence[T]:
        """The records of a reading call that answers with a list of them."""
        return restore_each(kind, self.get(path, **words)[key])

    def post(self, path: str, body: Mapping[str, Any] | None = None, /, *, method: str = "POST", seconds: float | None = None, **words: Any) -> Any:
        """The JSON value of a call that changes something; made once."""
        options: dict[str, Any] = {"json": dict(body or {}), "params": _words(words)}
        if seconds is not None:
            options["timeout"] = seconds
        return self._json(method, path, **options)

    def upload(self, path: str, content: bytes, /, *, media: str, seconds: float | None = None, **words: Any) -> Any:
        """The JSON value of a call that takes raw bytes."""
        options: dict[str, Any] = {"content": content, "params": _words(words), "headers": {"content-type": media}}
        if seconds is not None:
            options["timeout"] = seconds
        return self._json("POST", path, **options)

    def work(self, path: str, body: Mapping[str, Any] | None = None, /, *, method: str = "GET", progress: Progress = silent, **words: Any) -> Any:
        """The JSON value of a call that takes long, and tells how far it is; however long, as long as it gives signs of life."""
        options: dict[str, Any] = {"params": _words(words), "headers": {"accept": LINES}}
        if method != "GET":
            options["json"] = dict(body or {})
        with self._streamed(method, path, **options) as answer:
            for line in filter(None, answer.iter_lines()):
                told = json.loads(line)
                if "progress" in told:
                    progress(*told["progress"])
                elif "problem" in told:
                    raise _of_problem(told["problem"])
                else:
                    return told["result"]
        raise Unavailable(
            f"{self.address} broke off in the middle of its work", kind="server-unavailable", hint="See whether it was done before trying again."
        )

    def read(self, path: str, /, **words: Any) -> bytes:
        """The bytes of an answer."""
        return self._ask("GET", path, params=_words(words)).content

    @contextmanager
    def stream(self, path: str, /, **words: Any) -> Iterator[Iterator[bytes]]:
        """The bytes of an answer, piece by piece."""
        with self._streamed("GET", path, params=_words(words)) as answer:
            yield answer.iter_bytes()

    def pieces(self, path: str, /, **words: Any) -> Iterator[bytes]:
        """The same for whoever reads on to the end; what is refused is refused at once."""
        return _begun(self._all_pieces(path, words))

    def file(self, path: str, /, **words: Any) -> BinaryIO:
        """The bytes of an answer in a file that is gone when it is closed."""
        found = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
        try:
            for piece in self.pieces(path, **words):
                found.write(piece)
            found.seek(0)
        except BaseException:
            found.close()
            raise
        return found  # type: ignore[return-value]  # all that a BinaryIO has

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _all_pieces(self, path: str, words: Mapping[str, Any]) -> Iterator[bytes]:
        with self.stream(path, **words) as pieces:
            yield from pieces

    @contextmanager
    def _streamed(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        if self._before is not None:
            self._before()
        with _translated(self.address), self._http.stream(method, PREFIX + path, **options) as answer:
            if answer.is_error:
                answer.read()
                raise _error(answer)
            yield answer

    def _json(self, method: str, path: str, **options: Any) -> Any:
        answer = self._ask(method, path, **options)
        try:
            return answer.json()
        except ValueError:
            raise _foreign(answer) from None

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        if self._before is not None:
            self._before()
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


def part(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    first = next(pieces, b"")

    def all_of_them(rest: Iterable[bytes] = pieces) -> Iterator[bytes]:
        yield first
        yield from rest

    return all_of_them()


def _words(words: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in words.items() if value is not None and value != "" and value is not False}
    return {key: 1 if value is True else value for key, value in found.items()}


def _wait(answer: httpx.Response, attempt: int) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text) if text.isdigit() else 0.2 * 2**attempt, _LONGEST_WAIT)


def _error(answer: httpx.Response) -> LinealError:
    """The error that a problem document tells, so that it is handled as if it had happened here."""
    try:
        return _of_problem(answer.json())
    except (ValueError, KeyError, TypeError, AttributeError):
        return _foreign(answer)


def _of_problem(body: Mapping[str, Any]) -> LinealError:
    found = _CLASSES.get(str(body.get("title")), Unavailable)
    return found(str(body["detail"]), kind=str(body["kind"]), hint=str(body.get("hint", "")))


def _foreign(answer: httpx.Response) -> Unavailable:
    return Unavailable(
        f"{answer.request.url.host} answered {answer.status_code}, and not as a Lineal server does",
        kind="bad-answer",
        hint="Check the address: is a proxy or another program there?",
    )


@contextmanager
def _translated(address: str) -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TimeoutException as error:
        raise Unavailable(f"{address} did not answer in time", kind="server-unavailable", hint="Try again; is the network there?") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"{address} cannot be reached: {error}", kind="server-unavailable", hint="Check the address and the network.") from error
