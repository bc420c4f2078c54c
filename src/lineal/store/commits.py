"""Commits: small immutable objects that name a tree, what came before it, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lineal.errors import Integrity
from lineal.records.digest import Digest
from lineal.records.values import plain
from lineal.store.packs import newer_format


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One state of a line of versions.

    Attributes:
        root: digest of the tree's root.
        parents: digests of the commits before it, usually one or none.
        meta: who, when, why and from where: JSON's types.
        schema: per table file, its columns and row count: JSON's types.
    """

    root: Digest
    parents: tuple[Digest, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] = field(default_factory=dict)


FORMAT = 1


def encode_commit(commit: Commit) -> bytes:
    """The commit's bytes: JSON with sorted keys, so that equal commits have one id."""
    document = {
        "format": FORMAT,
        "root": commit.root,
        "parents": list(commit.parents),
        "meta": plain(commit.meta),
        "schema": plain(commit.schema),
    }
    return msgspec.json.encode(document, order="sorted")


def decode_commit(data: bytes, identity: Digest) -> Commit:
    """The commit in bytes.

    Raises:
        Integrity: kind ``damaged-commit``, if they are none.
        InvalidState: kind ``newer-format``, if a newer Lineal wrote them.
    """
    try:
        document = msgspec.json.decode(data, type=dict[str, Any])
        if document["format"] > FORMAT:
            raise newer_format(f"commit {identity}", document["format"])
        return Commit(
            root=Digest(document["root"]),
            parents=tuple(Digest(parent) for parent in document["parents"]),
            meta=document["meta"],
            schema=document["schema"],
        )
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise Integrity(f"{identity} is not a commit: {error}", kind="damaged-commit", hint="See what is left with: lineal fsck") from error
