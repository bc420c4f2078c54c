"""Commits: small immutable objects that name a tree, what came before it, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lineal.records.digest import Digest


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
