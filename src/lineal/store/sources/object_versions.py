"""Listings of S3 with the ids of versions, which obstore does not give; botocore does, and nothing else needs it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from lineal.errors import Unavailable
from lineal.records.tracked import SourceFacts, plain_etag
from lineal.store.backends.address import Address
from lineal.store.sources.interface import SourceFile
from lineal.store.sources.reasons import reason_of


def list_versions(address: Address) -> Iterator[SourceFile] | None:
    """The newest version of every object below a prefix; None without botocore, without versions, and where the store does not list them."""
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError:
        return None
    options = address.options
    try:
        client = botocore.session.get_session().create_client("s3", endpoint_url=options.get("endpoint"), region_name=options.get("region"))
        prefix = f"{address.path}/" if address.path else ""
        pages = client.get_paginator("list_object_versions").paginate(Bucket=address.bucket, Prefix=prefix)
        found = _newest(_answers(pages, address), prefix)
        first = next(found, None)
    except (Unavailable, botocore.exceptions.BotoCoreError):
        return None  # the plain listing says what is wrong, if it is not this kind of listing alone
    if first is None or not first.facts.version:
        return None
    return chain([first], found)


def _answers(pages: Any, address: Address) -> Iterator[Any]:
    """The pages, with the library's errors as ours; their texts are not passed on, for they may hold a signed URL."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield from pages
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(
            f"{address.place} does not answer: {reason_of(error)}", kind="source-unavailable", hint="Check the network and the endpoint."
        ) from error


def _newest(pages: Any, prefix: str) -> Iterator[SourceFile]:
    for page in pages:
        for item in page.get("Versions", ()):
            inner = item["Key"][len(prefix) :]
            if item["IsLatest"] and inner and not (inner.endswith("/") and not item["Size"]):
                yield SourceFile(path=inner.encode("utf-8", "surrogateescape"), facts=_facts(item))


def _facts(item: Any) -> SourceFacts:
    version = item.get("VersionId") or ""
    return SourceFacts(
        size=item["Size"],
        etag=plain_etag(item.get("ETag") or ""),
        version="" if version == "null" else version,
        modified=int(item["LastModified"].timestamp() * 1_000_000),
    )
