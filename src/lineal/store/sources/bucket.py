"""Objects in a bucket of S3, Google Cloud Storage or Azure, as their listing tells them; their bytes stay there.

Credentials come from the variables that each store's own tools read, and are kept nowhere. A listing says entity tags, sizes and times; the id of
an object's version is asked for object by object, and only of those that changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.errors import LinealError, NotFound, PermissionDenied, Unavailable
from lineal.records.tracked import SourceFacts, plain_etag
from lineal.store.backends.address import Address, parse_address
from lineal.store.sources.interface import SourceFile, changed
from lineal.store.sources.reasons import reason_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_NO_VERSION = frozenset({"", "null"})
_STATUS = re.compile(r"status code: (\d+)")
_PIECE = 1 << 20


class BucketSource:
    """A prefix in a bucket, or one object."""

    kind = "bucket"

    def __init__(self, address: Address) -> None:
        self._address = address

    @classmethod
    def open(cls, text: str, *, base: Path) -> BucketSource:
        """The place of an address such as ``s3://bucket/prefix``. Raises InvalidInput kinds ``bad-address`` and ``secret-in-address``."""
        return cls(parse_address(text, base=base))

    @property
    def place(self) -> str:
        """The address without options."""
        return self._address.place

    @property
    def options(self) -> dict[str, str]:
        """Endpoint and region, where the address says them."""
        return dict(self._address.options)

    @cached_property
    def single(self) -> bool:
        """Whether there is one object of exactly that name."""
        return bool(self._address.path) and self._head(self._address.path, "") is not None

    def files(self) -> Iterator[SourceFile]:
        """The objects below the prefix, page by page, without what consoles make to show folders."""
        if self.single:
            name, facts = self._name(), self._head(self._address.path, "")
            if facts is not None:
                yield SourceFile(path=name, facts=facts)
            return
        pages = iter(self._listing())
        found = False
        while True:
            with self._translated():
                page = next(pages, None)
            if page is None:
                break
            for item in page:
                found = True
                inner = item["path"][len(self._address.path) + 1 if self._address.path else 0 :]
                if inner and not (inner.endswith("/") and not item["size"]):
                    yield SourceFile(path=inner.encode("utf-8", "surrogateescape"), facts=_facts(item))
        if not found:
            raise NotFound(f"there is nothing at {self.place}", kind="unknown-source", hint="Check the bucket, the prefix and the key's rights.")

    def files_with_versions(self) -> Iterator[SourceFile] | None:
        """A listing of S3's with versions, through botocore where that is installed: one request for a thousand objects instead of one for each."""
        if self._address.scheme != "s3" or self.single:
            return None
        from lineal.store.sources.object_versions import list_versions

        return list_versions(self._address)

    def look(self, path: bytes, version: str = "") -> SourceFacts | None:
        """What the store says of an object, or of one of its versions."""
        return self._head(self._key(path), version)

    def keeps_versions(self, path: bytes) -> bool:
        """Whether an object has a version id: so it has in a bucket of S3 with versioning. Google and Azure do not tell by an object."""
        facts = self._head(self._key(path), "") if self._address.scheme == "s3" else None
        return facts is not None and bool(facts.version)

    def read(self, path: bytes, facts: SourceFacts) -> Iterator[bytes]:
        """The bytes: of the recorded version where there is one, else on the condition that the entity tag is still the recorded one."""
        from obstore.exceptions import BaseError

        pieces = iter(self._get(path, facts, {}).stream(min_chunk_size=_PIECE))
        while True:
            try:
                piece = next(pieces, None)
            except (BaseError, OSError) as error:
                raise self._error(error) from error
            if piece is None:
                return
            yield bytes(piece)

    def part(self, path: bytes, facts: SourceFacts, start: int, stop: int) -> bytes:
        """A part of those bytes, on the same condition."""
        with self._translated():
            return bytes(self._get(path, facts, {"range": (start, stop)}).bytes())

    def _get(self, path: bytes, facts: SourceFacts, more: dict[str, Any]) -> Any:
        from obstore.exceptions import NotFoundError, PreconditionError

        options: Any = {"version": facts.version} if facts.version else {"if_match": f'"{facts.etag}"'} if facts.etag else {}
        try:
            with self._translated():
                return self._store.get(self._key(path), options=options | more)
        except (FileNotFoundError, NotFoundError) as error:
            raise changed(self.place, path, "is gone: the version that was recorded is not kept any more" if facts.version else "is gone") from error
        except PreconditionError as error:
            raise changed(self.place, path, "is no longer what was recorded") from error

    def _listing(self) -> Any:
        with self._translated():
            return self._store.list(self._address.path or None, chunk_size=1000)

    def _head(self, key: str, version: str) -> SourceFacts | None:
        from obstore.exceptions import NotFoundError

        try:
            with self._translated():
                if version:
                    return _facts(self._store.get(key, options={"version": version, "head": True}).meta)
                return _facts(self._store.head(key))
        except (FileNotFoundError, NotFoundError):
            return None

    def _name(self) -> bytes:
        return self._address.path.rpartition("/")[2].encode("utf-8", "surrogateescape")

    def _key(self, path: bytes) -> str:
        if self.single:
            return self._address.path
        inner = path.decode("utf-8", "surrogateescape")
        return f"{self._address.path}/{inner}" if self._address.path else inner

    @cached_property
    def _store(self) -> ObjectStore:
        from obstore.store import from_url

        client: dict[str, Any] = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(minutes=10), "allow_http": True}
        with self._translated():
            return from_url(f"{self._address.scheme}://{self._address.bucket}", config=self.options, client_options=client)  # type: ignore[call-overload,no-any-return]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from obstore.exceptions import BaseError, PreconditionError

        try:
            yield
        except (FileNotFoundError, PreconditionError):
            raise
        except (BaseError, OSError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> LinealError:
        """What the library's error means. Its text is not passed on: it may hold a signed URL."""
        text = str(error)
        found = _STATUS.search(text)
        status = found[1] if found else ""
        if "NoSuchBucket" in text or "ContainerNotFound" in text:
            return NotFound(f"there is no bucket {self._address.bucket}", kind="unknown-source", hint="Correct the address.")
        if status in {"401", "403"} or type(error).__name__ in {"PermissionDeniedError", "UnauthenticatedError"}:
            return PermissionDenied(
                f"{self.place} refuses these credentials",
                kind="source-denied",
                hint="Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or Google's, or Azure's variables), and the key's rights.",
            )
        reason = f"it says {status}" if status else reason_of(error)
        return Unavailable(f"{self.place} does not answer: {reason}", kind="source-unavailable", hint="Check the network and the endpoint.")


def _facts(found: Any) -> SourceFacts:
    version, modified = found["version"] or "", found["last_modified"]
    return SourceFacts(
        size=found["size"],
        etag=plain_etag(found["e_tag"] or ""),
        version="" if version in _NO_VERSION else version,
        modified=int(modified.timestamp() * 1_000_000) if isinstance(modified, datetime) else None,
    )
