"""Where tracked data lies: one file per kind of place, and nothing else knows the kinds."""

from __future__ import annotations

from pathlib import Path

from lineal.errors import InvalidInput
from lineal.records.location import is_url, local_path
from lineal.store.sources.interface import Source

BUCKET, WEB, FOLDER = "bucket", "web", "folder"
"""The kinds of places."""


def kind_of(text: str) -> str:
    """The kind of place that a text names.

    Raises:
        InvalidInput: kind ``bad-source``, for a scheme that cannot be tracked.
    """
    if not is_url(text):
        return FOLDER
    scheme = text.partition("://")[0].lower()
    if scheme in {"s3", "s3a", "gs", "az"}:
        return BUCKET
    if scheme in {"http", "https"}:
        return WEB
    raise InvalidInput(f"{scheme}:// cannot be tracked", kind="bad-source", hint="These can: s3://, gs://, az://, https:// and folders.")


def open_source(text: str, *, base: Path) -> Source:
    """The place that a text names; nothing is asked of it yet.

    Args:
        base: what a relative path is relative to.

    Raises:
        InvalidInput: kind ``bad-source``, and what reading an address raises.
    """
    kind = kind_of(text)
    if kind == BUCKET:
        from lineal.store.sources.bucket import BucketSource

        return BucketSource.open(text, base=base)
    if kind == WEB:
        from lineal.store.sources.web import WebSource

        return WebSource(text)
    from lineal.store.sources.folder import FolderSource

    return FolderSource(base / Path(local_path(text)).expanduser())
