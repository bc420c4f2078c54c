"""Addresses of files in versions: ``lineal://NAME@VERSION/path``, as in fsspec. Nothing in one is percent-encoded but slashes in a reference."""

from __future__ import annotations

import os
from dataclasses import dataclass

SCHEME = "lineal"
PREFIX = f"{SCHEME}://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A place in a version.

    Attributes:
        reference: ``flights``, ``flights@2``, ``flights@~3f2a…``, or anything else that names a version; empty for all datasets.
        path: bytes, POSIX, without slashes at its ends; empty for the version itself.
    """

    reference: str
    path: bytes

    @property
    def text(self) -> str:
        """The address as it is written; bytes that are not UTF-8 as surrogates.

        >>> Address(reference="flights@3", path=b"2013/a.csv").text
        'lineal://flights@3/2013/a.csv'
        """
        place = self.reference.replace("/", "%2F")
        return PREFIX + (f"{place}/{os.fsdecode(self.path)}" if self.path else place)


def is_address(text: str) -> bool:
    """Whether a text is meant as an address of this kind."""
    return text.startswith(PREFIX)


def parse_address(text: str) -> Address:
    """What an address names; the scheme may be left out.

    Empty and ``.`` parts of the path count for nothing, and ``..`` leads no further up than to the version itself.

    >>> parse_address("lineal://flights@3/2013//./a.csv")
    Address(reference='flights@3', path=b'2013/a.csv')
    >>> parse_address("lineal://data:flights@work%2Fclean/x/../y").reference
    'flights@work/clean'
    """
    reference, _slash, path = text.removeprefix(PREFIX).lstrip("/").partition("/")
    return Address(reference=reference.replace("%2F", "/").removeprefix("data:"), path=clean_path(os.fsencode(path)))


def clean_path(path: bytes) -> bytes:
    """A relative path without empty, ``.`` and ``..`` parts.

    >>> clean_path(b"/a//b/../../../c/")
    b'c'
    """
    parts: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in {b"", b"."}:
            parts.append(part)
    return b"/".join(parts)
