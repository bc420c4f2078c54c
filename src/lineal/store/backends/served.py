"""Bytes in the store of a server's project: files and values asked for over HTTP, which the server guards and checks."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from lineal.errors import Integrity, LinealError, PermissionDenied, Unavailable
from lineal.store.backends.address import Address
from lineal.store.backends.door import Door
from lineal.store.backends.pages import PAGE, PageCache

if TYPE_CHECKING:
    import httpx

IMMUTABLE = ("packs/", "index/")
_TRIES = 4
_PUBLISHED = 4096
_PASSED_ON = 1 << 20  # whoever reads so much at once keeps it elsewhere
_BYTES = "application/octet-stream"


class ServedBackend:
    """A place for bytes behind a server. Thread safe; the server keeps swaps and files apart for all its users.

    Args:
        pages: keeps what was read of files that never change.
        client: whose base is the project's address.
    """

    mapped = False

    def __init__(self, address: Address, *, pages: PageCache | None = None, client: httpx.Client | None = None) -> None:
        self._address = address
        self._pages = pages
        self._given = client
        self._lock = threading.Lock()
        self._requests = 0

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Sends a file once; see `Backend.create`."""
        body = b"".join(pieces)
        answer = self._ask("POST", "file", key, params={"path": key}, content=body, headers={"content-type": _BYTES})
        return int(answer.json()["size"])

    def read(self, key: str, offset: int, length: int) -> bytes:
        """A part of a file; of one that never changes whole pages are read and kept."""
        if length <= 0:
            return b""
        if self._pages is None or not key.startswith(IMMUTABLE) or length >= _PASSED_ON:
            return self._range(key, offset, length)
        first, last = offset // PAGE, (offset + length - 1) // PAGE
        return b"".join(self._paged(key, first, last))[offset - first * PAGE :][:length]

    def view(self, key: str) -> memoryview:
        """A whole file in memory."""
        return memoryview(self._ask("GET", "file", key, params={"path": key}).content)

    def exists(self, key: str) -> bool:
        """Whether a file or value is there."""
        return bool(self._facts(key)["exists"])

    def list(self, prefix: str) -> Iterator[str]:
        """Keys in order."""
        yield from self._ask("GET", "list", prefix, params={"prefix": prefix}).json()["keys"]

    def delete(self, *keys: str) -> None:
        """Takes files away."""
        self._ask("POST", "delete", keys[0], json={"paths": list(keys)})

    def size(self, key: str) -> int | None:
        """A file's bytes, or None where there is none."""
        found: int | None = self._facts(key)["size"]
        return found

    def move(self, key: str, _target: str) -> None:
        """Only the server itself moves files: it alone collects garbage."""
        raise PermissionDenied(f"{key} is moved by the server only", kind="store-denied", hint="Collect garbage there: lineal data gc")

    def age(self, key: str) -> float | None:
        """How many seconds ago a file was written, by the server's clock."""
        found: float | None = self._facts(key)["age"]
        return found

    def hold(self, _note: Callable[[], bytes]) -> AbstractContextManager[None]:
        """Nothing: who lives cannot be told from afar."""
        return nullcontext()

    def held(self) -> tuple[bytes, ...] | None:
        """None: who lives cannot be told from afar."""
        return None

    def fetch(self, key: str) -> bytes | None:
        """A small value, or None where there is none."""
        return _decoded(self._ask("GET", "value", key, params={"path": key}).json()["value"])

    def swap(self, key: str, new: bytes | None, *, expected: bytes | None) -> bool:
        """Replaces a value on the server if it is the expected one. One whose answer was lost is looked for."""
        body = {"path": key, "new": _encoded(new), "expected": _encoded(expected)}
        lost = False
        for attempt in range(_TRIES):
            try:
                done = bool(self._once("POST", "value", json=body).json()["swapped"])
            except Unavailable:
                if attempt == _TRIES - 1:
                    raise
                lost = True
                time.sleep(0.2 * 2**attempt)
                continue
            return done or (lost and self.fetch(key) == new)
        return False

    def publish(self, packs: Mapping[str, bool]) -> bytes:
        """Has the server put packs into its index; once or several times is the same."""
        names, head = list(packs), b""
        for start in range(0, len(names), _PUBLISHED):
            some = {name: packs[name] for name in names[start : start + _PUBLISHED]}
            head = base64.b64decode(self._ask("POST", "publish", "", json={"packs": some}).json()["head"])
        return head

    def trusted(self, note: str) -> bool:
        """Whether something was noted of this place."""
        return self._pages is not None and self._pages.noted(f"{note} {self._address.url}")

    def trust(self, note: str) -> None:
        """Notes something of this place, beside the pages that are kept of it."""
        if self._pages is not None:
            self._pages.note(f"{note} {self._address.url}")

    def request_count(self) -> int:
        """How many requests were made."""
        return self._requests

    def _facts(self, key: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._ask("GET", "facts", key, params={"path": key}).json()
        return found

    def _paged(self, key: str, first: int, last: int) -> Iterator[bytes]:
        page = first
        while page <= last:
            kept = self._pages.get(key, page) if self._pages is not None else None
            if kept is not None:
                yield kept
                page += 1
                continue
            data = self._range(key, page * PAGE, (last - page + 1) * PAGE)
            pages = [data[start : start + PAGE] for start in range(0, len(data), PAGE)]
            for number, piece in enumerate(pages, page):
                if self._pages is not None:
                    self._pages.put(key, number, piece)
            yield from pages
            return

    def _range(self, key: str, offset: int, length: int) -> bytes:
        return self._ask("GET", "file", key, params={"path": key, "offset": offset, "length": length}).content

    def _ask(self, method: str, what: str, _key: str, **options: Any) -> httpx.Response:
        """A call that may be made again: all but swaps say the same the second time."""
        for attempt in range(_TRIES):
            try:
                return self._once(method, what, **options)
            except Unavailable:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(0.2 * 2**attempt)
        raise AssertionError

    def _once(self, method: str, what: str, **options: Any) -> httpx.Response:
        import httpx

        with self._lock:
            self._requests += 1
        try:
            answer = self._client.request(method, f"/api/v1/store/{what}", **options)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"the server of {self._address.place} cannot be reached: {error}", kind="store-unavailable", hint="Try again; is the network there?"
            ) from error
        if answer.is_error:
            raise _error(answer, self._address.place)
        return answer

    @property
    def _client(self) -> httpx.Client:
        with self._lock:
            if self._given is None:
                if Door.connect is None:
                    raise Unavailable("this program has no way to servers", kind="store-unavailable", hint="Use lineal, or open a workspace first.")
                self._given = Door.connect(self._address.place)
            return self._given


def _error(answer: httpx.Response, place: str) -> LinealError:
    try:
        body = answer.json()
        kind, message, hint = str(body["kind"]), str(body["detail"]), str(body.get("hint", ""))
    except (ValueError, KeyError, TypeError):
        return Unavailable(
            f"{place} answered {answer.status_code}, and not as a Lineal server does", kind="store-unavailable", hint="Check the address."
        )
    if kind == "missing-file":
        return Integrity(message, kind="missing-file", hint=hint)
    if answer.status_code in {401, 403, 404}:
        return PermissionDenied(message, kind="store-denied", hint=hint or "Sign in with: lineal login URL")
    if answer.status_code >= 500 or answer.status_code == 429:
        return Unavailable(message, kind="store-unavailable", hint=hint)
    return Integrity(f"{place} refused what was sent: {message}", kind="refused-file", hint=hint)


def _encoded(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _decoded(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
