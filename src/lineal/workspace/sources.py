"""Which places of tracked data a workspace may ask: on one's own machine all that its user may; on a server, where others name them, those that are allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from lineal.errors import PermissionDenied
from lineal.store.sources import FOLDER, kind_of, open_source

if TYPE_CHECKING:
    from lineal.store.sources.interface import Source
    from lineal.workspace.site import Site


def recorded_source(site: Site, url: str, options: Mapping[str, Any] | None) -> Source:
    """The place that was recorded; nothing is asked of it yet.

    Raises:
        PermissionDenied: kind ``foreign-source``, on a server whose setting ``server.sources`` does not name it. InvalidInput: kind ``bad-source``.
    """
    text = f"{url}?{urlencode(dict(options), safe=':/')}" if options else url
    if site.sources is not None and not is_allowed(text, site.sources):
        raise PermissionDenied(
            f"this server asks nothing of {url}",
            kind="foreign-source",
            hint="Read it on a machine of yours; or let an admin add it to the setting server.sources.",
        )
    return open_source(text, base=site.layout.root)


def is_allowed(text: str, allowed: Sequence[str]) -> bool:
    """Whether an address lies at or below one of those that are allowed, and asks for it in no other way than that: a folder of this machine never does.

    >>> kept = ("s3://data/raw", "https://host.example/files", "s3://lab?endpoint=https://minio.example")
    >>> [is_allowed(text, kept) for text in ("s3://data/raw/a.csv", "s3://data/raw", "s3://data/rawer", "s3://data/raw/../b", "/etc", "http://host.example/files")]
    [True, True, False, False, False, False]
    >>> is_allowed("s3://data/raw?endpoint=http://10.0.0.1", kept), is_allowed("s3://lab/a?endpoint=https://minio.example", kept)
    (False, True)
    """
    if kind_of(text) == FOLDER or "\\" in text or ".." in unquote(unquote(text)).split("?")[0].split("/"):
        return False
    return any(_lies_below(text, place) for place in allowed)


def _lies_below(text: str, place: str) -> bool:
    there, here = urlsplit(text), urlsplit(place)
    same = (there.scheme.lower(), there.netloc) == (here.scheme.lower(), here.netloc)
    inside = there.path.rstrip("/") == here.path.rstrip("/") or there.path.startswith(here.path.rstrip("/") + "/")
    return same and inside and sorted(parse_qsl(there.query)) == sorted(parse_qsl(here.query))
