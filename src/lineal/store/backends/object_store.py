"""Bytes in a bucket of S3, Google Cloud Storage or Azure: files put once, values swapped by conditional put, parts read by range."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lineal.errors import Integrity, InvalidState, Unavailable
from lineal.store.backends.address import Address
from lineal.store.backends.object_errors import BeyondEndError, meaning, unavailable
from lineal.store.backends.pages import PAGE, PageCache

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion

    Seen = tuple[bytes | None, UpdateVersion | None]

T = TypeVar("T")

IMMUTABLE = ("packs/", "index/")
"""Where files lie that never change, so that pages of them may be kept; the values among them are fetched, not read."""

_DELETED = b"lineal: gone.\n"  # a value that is taken away: no store of objects deletes on a condition
_LONGEST_AHEAD = 32
_PASSED_ON = 1 << 20  # whoever reads so much at once keeps it elsewhere
_SWAPS = 8
_KEEPS_CONDITIONS = "preconditions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a store may be silent or failing before it counts as unavailable, in seconds.

    Attributes:
        connect, answer: for a connection, and for the next bytes of an answer.
        upload: for one file on its way there.
        retries, total: how often and how long a request is tried again, with growing, random pauses.
    """

    connect: float = 5.0
    answer: float = 20.0
    upload: float = 600.0
    retries: int = 6
    total: float = 60.0


PROMPT = Patience(connect=2.0, answer=8.0, upload=60.0, retries=2, total=5.0)
"""Where people wait, and threads that others need: they come again by themselves."""


class ObjectStoreBackend:
    """A place for bytes in a bucket. Thread safe; any number of processes and machines may use one place.

    Credentials come from the variables that each store's own tools read (``AWS_ACCESS_KEY_ID`` and so on) and are kept nowhere.

    Args:
        pages: keeps what was read; without it, everything is asked for each time.
    """

    mapped = False

    def __init__(self, address: Address, *, pages: PageCache | None = None, patience: Patience | None = None) -> None:
        self._address = address
        self._pages = pages
        self._patience = patience or (PROMPT if address.prompt else Patience())
        self._lock = threading.Lock()
        self._stores: dict[str, Any] = {}
        self._seen: dict[str, Seen] = {}
        self._ahead: dict[str, tuple[int, int]] = {}
        self._sound = False
        self.requests: Counter[str] = Counter()
        """Requests since this was made, by ``get put list head delete``; those that a library repeats inside count once."""

    @property
    def place(self) -> str:
        """What is in messages."""
        return self._address.place

    def create(self, key: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Puts a file once; see `Backend.create`."""
        from obstore.exceptions import AlreadyExistsError

        given = list(pieces)
        body = given[0] if len(given) == 1 else b"".join(given)
        self._require_preconditions()
        try:
            self._ask("put", key, lambda: self._store("write").put(key, body, mode="create", use_multipart=False))
        except AlreadyExistsError:
            return int(self._ask("head", key, lambda: self._store("read").head(key))["size"])
        if self._pages is not None and key.startswith("index/"):
            for page, start in enumerate(range(0, len(body), PAGE)):
                self._pages.put(key, page, bytes(body[start : start + PAGE]))
        return len(body)

    def read(self, key: str, offset: int, length: int) -> bytes:
        """A part of a file; see `Backend.read`. Of a file that never changes whole pages are read, more of them where it is read on."""
        if length <= 0:
            return b""
        if self._pages is None or not key.startswith(IMMUTABLE) or (length >= _PASSED_ON and key.startswith("packs/")):
            return self._range(key, offset, length)
        first, last = offset // PAGE, (offset + length - 1) // PAGE
        joined = b"".join(self._paged(key, first, last))
        return joined[offset - first * PAGE :][:length]

    def view(self, key: str) -> memoryview:
        """A whole file in memory; see `Backend.view`."""
        return memoryview(self._ask("get", key, lambda: self._store("read").get(key).bytes()))

    def exists(self, key: str) -> bool:
        """Whether a file or value is there."""
        try:
            found = self._ask("head", key, lambda: self._store("read").head(key))
        except Integrity:
            return False
        return found["size"] != len(_DELETED) or self.fetch(key) is not None

    def list(self, prefix: str) -> Iterator[str]:
        """Keys in order; see `Backend.list`."""
        folder = prefix.rpartition("/")[0]
        with self._translated(folder):
            pages = self._store("read").list(folder or None)
        while True:
            with self._translated(folder):
                page = next(pages, None)
            if page is None:
                return
            self._count("list")
            for item in page:
                if item["path"].startswith(prefix) and (item["size"] != len(_DELETED) or self.fetch(item["path"]) is not None):
                    yield item["path"]

    def delete(self, *keys: str) -> None:
        """Takes files away, all by one request."""
        try:
            self._ask("delete", keys[0], lambda: self._store("read").delete(list(keys)))
        except Integrity:
            return  # some stores say that it was not there

    def move(self, key: str, target: str) -> None:
        """Gives a file another key: there is a copy first, and then the old one goes."""
        self._ask("put", key, lambda: self._store("write").copy(key, target))
        self.delete(key)

    def age(self, key: str) -> float | None:
        """How many seconds ago a file was written, by the store's clock: it is asked by writing something, and looking when that was."""
        try:
            written = self._ask("head", key, lambda: self._store("read").head(key))["last_modified"]
        except Integrity:
            return None
        probe = f"probe/{secrets.token_hex(8)}"
        self._ask("put", probe, lambda: self._store("write").put(probe, b"1"))
        now = self._ask("head", probe, lambda: self._store("read").head(probe))["last_modified"]
        self.delete(probe)
        return float((now - written).total_seconds())

    def size(self, key: str) -> int | None:
        """A file's bytes, or None where there is none."""
        try:
            return int(self._ask("head", key, lambda: self._store("read").head(key))["size"])
        except Integrity:
            return None

    def hold(self, _note: Callable[[], bytes]) -> AbstractContextManager[None]:
        """Nothing: who lives cannot be told from afar."""
        return nullcontext()

    def held(self) -> tuple[bytes, ...] | None:
        """None: who lives cannot be told from afar."""
        return None

    def fetch(self, key: str) -> bytes | None:
        """A small value; see `Backend.fetch`."""
        return self._look(key)[0]

    def swap(self, key: str, new: bytes | None, *, expected: bytes | None) -> bool:
        """Puts a value on the condition that the one of before is there; see `Backend.swap`.

        A put whose answer was lost is looked for: if what it wanted is there now, it has happened.
        """
        self._require_preconditions()
        lost = False
        for attempt in range(_SWAPS):
            now, tag = self._seen.get(key, (None, None))
            if attempt or now != expected:
                now, tag = self._look(key)
            if lost and now == new:
                return True
            if now != expected:
                return False
            outcome = self._put_if(key, new, tag)
            if outcome:
                return True
            lost = lost or outcome is None
            time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - only spreads writers
        raise unavailable(self._address, "it answers neither yes nor no to a change")

    def trusted(self, note: str) -> bool:
        """Whether something was noted of this place; see `Backend.trusted`."""
        return self._pages is not None and self._pages.noted(f"{note} {self._address.url}")

    def trust(self, note: str) -> None:
        """Notes something of this place, beside the pages that are kept of it."""
        if self._pages is not None:
            self._pages.note(f"{note} {self._address.url}")

    def request_count(self) -> int:
        """How many requests were made."""
        return sum(self.requests.values())

    def probe(self) -> None:
        """Makes sure that the store keeps to preconditions, by a handful of requests; without them two writers would undo each other.

        Raises:
            InvalidState: kind ``no-preconditions``.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        key = f"probe/{secrets.token_hex(8)}"
        store = self._store("write")
        first = _mark(self._ask("put", key, lambda: store.put(key, b"1")))
        try:
            kept = [self._refused(key, AlreadyExistsError, lambda: store.put(key, b"2", mode="create"))]
            self._ask("put", key, lambda: store.put(key, b"3"))
            kept.append(self._refused(key, PreconditionError, lambda: store.put(key, b"4", mode=first)))
        finally:
            self.delete(key)
        if not all(kept):
            raise InvalidState(
                f"{self.place} ignores the conditions of a put (If-None-Match, If-Match), so two writers would undo each other's work",
                kind="no-preconditions",
                hint="Use a store that keeps them: Amazon S3, Google Cloud Storage, Azure, MinIO, Ceph or SeaweedFS in a recent version.",
            )

    def _head(self, key: str) -> Any:
        try:
            return self._ask("head", key, lambda: self._store("read").head(key))
        except Integrity:
            return None

    def _require_preconditions(self) -> None:
        """Probes before the first change, and notes what came out: reading needs no rights to write, and nobody pays twice."""
        if self._sound:
            return
        if not self.trusted(_KEEPS_CONDITIONS):
            self.probe()
            self.trust(_KEEPS_CONDITIONS)
        self._sound = True

    def _refused(self, key: str, error: type[Exception], put: Callable[[], object]) -> bool:
        try:
            self._ask("put", key, put)
        except error:
            return True
        return False

    def _look(self, key: str) -> Seen:
        """A value, and the tag by which its next writer says what it has seen; empty where nothing is there at all."""

        def get() -> tuple[bytes, UpdateVersion]:
            found = self._store("read").get(key)
            return bytes(found.bytes()), _mark(found.meta)

        try:
            raw, tag = self._ask("get", key, get)
            found: Seen = (None if raw == _DELETED else raw, tag)
        except Integrity:
            found = (None, None)
        self._seen[key] = found
        return found

    def _put_if(self, key: str, value: bytes | None, tag: UpdateVersion | None) -> bool | None:
        """Whether a put was taken, on the condition that what ``tag`` marks is still there; None where nobody knows."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        mode: PutMode = tag or "create"
        self._count("put")
        try:
            done = self._store("swap").put(key, _DELETED if value is None else value, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        except (BaseError, OSError) as error:
            meant = meaning(error, self._address, key)
            if not isinstance(meant, Unavailable):
                raise meant from error
            return None
        self._seen[key] = (value, _mark(done))
        return True

    def _paged(self, key: str, first: int, last: int) -> Iterator[bytes]:
        page = first
        while page <= last:
            kept = self._pages.get(key, page) if self._pages is not None else None
            if kept is None:
                fetched = self._fetch_pages(key, page, last)
                yield from fetched[: last - page + 1]
                page += len(fetched) or last + 1
            else:
                yield kept
                page += 1

    def _fetch_pages(self, key: str, page: int, last: int) -> Sequence[bytes]:
        """Pages from one that is not kept on, in one request: those that are wanted, and ever more behind them where reading goes on."""
        expected, width = self._ahead.get(key, (0, 1))
        width = min(2 * width, _LONGEST_AHEAD) if page == expected and page else 1
        count = max(width, last - page + 1)
        data = self._range(key, page * PAGE, count * PAGE)
        self._ahead[key] = (page + count, count)
        pages = [data[start : start + PAGE] for start in range(0, len(data), PAGE)]
        for number, piece in enumerate(pages, page):
            if self._pages is not None:
                self._pages.put(key, number, piece)
        return pages

    def _range(self, key: str, offset: int, length: int) -> bytes:
        try:
            return self._ask("get", key, lambda: bytes(self._store("read").get_range(key, start=offset, length=length)))
        except BeyondEndError:
            return b""

    def _ask(self, verb: str, key: str, request: Callable[[], T]) -> T:
        self._count(verb)
        with self._translated(key):
            return request()

    def _count(self, verb: str) -> None:
        with self._lock:
            self.requests[verb] += 1

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except (BaseError, OSError) as error:
            raise meaning(error, self._address, key) from error

    def _store(self, use: str) -> Any:
        """The library's store: ``read`` and ``write`` repeat what failed, ``swap`` leaves that to `swap`, which looks first."""
        with self._lock:
            if use not in self._stores:
                self._stores[use] = self._opened(use)
            return self._stores[use]

    def _opened(self, use: str) -> Any:
        from obstore.store import from_url

        patience = self._patience
        client: dict[str, Any] = {"connect_timeout": timedelta(seconds=patience.connect), "timeout": timedelta(seconds=patience.upload)}
        client["allow_http"] = True  # only where the user wrote http:// as the endpoint
        if use == "read":
            client["read_timeout"] = timedelta(seconds=patience.answer)
        retry: dict[str, Any] = {"max_retries": patience.retries if use != "swap" else 0, "retry_timeout": timedelta(seconds=patience.total)}
        retry["backoff"] = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2}
        with self._translated(""):
            return from_url(self._address.place, config=dict(self._address.options), client_options=client, retry_config=retry)  # type: ignore[call-overload]


def _mark(answer: Mapping[str, Any]) -> UpdateVersion:
    """By what a writer says which state of an object it has seen: S3 and Azure go by the tag, Google by the generation."""
    return cast("UpdateVersion", {name: answer[name] for name in ("e_tag", "version") if answer.get(name) is not None})
