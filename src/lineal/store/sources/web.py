"""One file behind an http(s) URL: what its server says of it, from the headers alone.

Only the URL that the user gave is asked. A redirect is followed while it stays with the same scheme, host and port; one that leads elsewhere is
refused by name, because nobody chose that place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from lineal.errors import InvalidInput, LinealError, NotFound, PermissionDenied, Unavailable
from lineal.records.redaction import public_url
from lineal.records.tracked import SourceFacts, plain_etag
from lineal.store.sources.interface import SourceFile, changed
from lineal.store.sources.reasons import reason_of

if TYPE_CHECKING:
    import httpx

REDIRECTS = 5
SECONDS = 30.0
_PIECE = 1 << 18


class WebSource:
    """A URL.

    Args:
        url: with whatever secrets the user gave; they are used, and never shown or kept.
    """

    kind = "web"
    single = True
    options: dict[str, str] = {}  # noqa: RUF012 - a URL has none, ever

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise InvalidInput(f"{public_url(url)!r} is no URL", kind="bad-source", hint="URLs look like https://host/path/file.csv")
        self._url = url

    @property
    def place(self) -> str:
        """The URL without secrets."""
        return public_url(self._url)

    @property
    def name(self) -> bytes:
        """What the file is called."""
        parts = urlsplit(self._url)
        return unquote(parts.path.rstrip("/").rpartition("/")[2] or str(parts.hostname)).encode("utf-8", "surrogateescape")

    def files(self) -> Iterator[SourceFile]:
        """The one file."""
        facts = self.look(self.name)
        if facts is None:
            raise NotFound(f"there is nothing at {self.place}", kind="unknown-source", hint="Check the URL in a browser.")
        yield SourceFile(path=self.name, facts=facts)

    def files_with_versions(self) -> Iterator[SourceFile] | None:
        """It keeps none."""
        return None

    def look(self, path: bytes, version: str = "") -> SourceFacts | None:
        """What the headers say: by HEAD, or by a GET whose body is not read where the server knows no HEAD."""
        del path, version
        with self._answer("HEAD") as answer:
            if answer.status_code not in {405, 501}:
                return None if answer.status_code in {404, 410} else _facts(answer)
        with self._answer("GET") as answer:
            return None if answer.status_code in {404, 410} else _facts(answer)

    def keeps_versions(self, path: bytes) -> bool:
        """It does not."""
        del path
        return False

    def read(self, path: bytes, facts: SourceFacts) -> Iterator[bytes]:
        """The bytes, if the server still says of them what was recorded."""
        with self._answer("GET") as answer:
            self._check(path, facts, _facts(answer), answer.status_code)
            yield from answer.iter_bytes(_PIECE)

    def part(self, path: bytes, facts: SourceFacts, start: int, stop: int) -> bytes:
        """A part, if the server still says of the whole what was recorded; a server that knows no ranges sends all of it."""
        with self._answer("GET", {"Range": f"bytes={start}-{stop - 1}"}) as answer:
            partial = answer.status_code == 206
            whole = replace(_facts(answer), size=None) if partial else _facts(answer)
            self._check(path, facts, whole, answer.status_code)
            data = answer.read()
            return data if partial else data[start:stop]

    def _check(self, path: bytes, facts: SourceFacts, now: SourceFacts, status: int) -> None:
        if status in {404, 410}:
            raise changed(self.place, path, "is not there any more")
        if facts.known and now.agrees(facts) is False:
            raise changed(self.place, path, "is no longer what was recorded")

    @contextmanager
    def _answer(self, method: str, headers: dict[str, str] | None = None) -> Iterator[httpx.Response]:
        """The server's answer, its body unread; errors are ours."""
        import httpx

        try:
            with httpx.Client(timeout=SECONDS, headers={"Accept-Encoding": "identity", **(headers or {})}) as client:
                url = self._url
                for _hop in range(REDIRECTS + 1):
                    with client.stream(method, url) as answer:
                        if not answer.is_redirect:
                            self._refuse(answer)
                            yield answer
                            return
                        url = self._next(url, answer.headers.get("location", ""))
        except httpx.HTTPError as error:
            raise self._unavailable(reason_of(error)) from error
        raise self._unavailable(f"it redirects more than {REDIRECTS} times")

    def _refuse(self, answer: httpx.Response) -> None:
        if answer.status_code in {401, 403}:
            raise PermissionDenied(
                f"{self.place} refuses access ({answer.status_code})", kind="source-denied", hint="Give a URL that may be read without a login."
            )
        if answer.status_code >= 400 and answer.status_code not in {404, 405, 410, 501}:
            raise self._unavailable(f"it says {answer.status_code}")

    def _next(self, url: str, location: str) -> str:
        following = urljoin(url, location)
        here, there = urlsplit(url), urlsplit(following)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise InvalidInput(
                f"{self.place} leads to another place: {public_url(following)}",
                kind="foreign-redirect",
                hint="If you trust that place, track its URL itself.",
            )
        return following

    def _unavailable(self, reason: str) -> LinealError:
        return Unavailable(
            f"{self.place} does not answer: {reason}", kind="source-unavailable", hint="Check the URL and the network, then try again."
        )


def _facts(answer: httpx.Response) -> SourceFacts:
    headers = answer.headers
    length = headers.get("content-length", "")
    encoded = headers.get("content-encoding", "identity") != "identity"
    return SourceFacts(
        size=int(length) if length.isdigit() and not encoded else None,
        etag=plain_etag(headers.get("etag", "")),
        modified=_time(headers.get("last-modified", "")),
    )


def _time(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 1_000_000
    except (ValueError, TypeError):
        return None
