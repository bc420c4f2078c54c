"""What is known of bytes that lie elsewhere: enough to tell whether they are still what they were, and to ask for exactly them again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lineal.errors import Integrity
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest

FORMAT = 1
RESTORABLE = "restorable"
"""The source keeps versions, and the version of every file is recorded: the same bytes can be had again."""

NOTICE_ONLY = "notice-only"
"""The source keeps no versions: a change is noticed, but what was there before is gone."""

_SECOND = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What a source says of one of its files.

    Attributes:
        size: bytes, or None where it does not say.
        etag: without quotes; ``W/`` before a weak one.
        version: the id under which the source keeps exactly these bytes, or empty.
        md5: hex of the bytes, where they were read for it.
        modified: microseconds UTC, or None.
        path: what the source calls the file, where that was recorded: a merge may have put the entry at another path.
    """

    size: int | None = None
    etag: str = ""
    version: str = ""
    md5: str = ""
    modified: int | None = None
    path: bytes = b""

    @property
    def known(self) -> bool:
        """Whether anything but the size is known."""
        return bool(self.etag or self.version or self.md5 or self.modified is not None)

    @property
    def digest(self) -> Digest | None:
        """The typed digest that stands for the bytes: their MD5, else the source's own mark for them, else one made of time and size.

        >>> SourceFacts(etag="9b2c-41", size=4).digest, SourceFacts(modified=1_700_000_000_000_000, size=65).digest
        ('etag:9b2c-41', 'etag:6553f100-41')
        """
        if self.md5:
            return Digest(f"md5:{self.md5}")
        if self.etag:
            return Digest(f"etag:{self.etag}")
        return None if self.modified is None else Digest(f"etag:{self.modified // _SECOND:x}-{self.size or 0:x}")

    def agrees(self, other: SourceFacts) -> bool | None:
        """Whether two sightings are of the same bytes, by the strongest mark that both have; None where they have none in common.

        Times are compared by the second: the same object's differ below that between a listing and a header.

        >>> SourceFacts(etag="a", size=1).agrees(SourceFacts(etag="a", version="7")), SourceFacts(etag="a").agrees(SourceFacts(md5="0"))
        (True, None)
        """
        for mine, theirs in ((self.version, other.version), (self.md5, other.md5), (self.etag, other.etag)):
            if mine and theirs:
                return mine == theirs
        if self.size is not None and other.size is not None and self.size != other.size:
            return False
        if self.modified is not None and other.modified is not None:
            return self.modified // _SECOND == other.modified // _SECOND
        return None if self.size is None or other.size is None else True

    def document(self) -> dict[str, Any]:
        """What is known, as JSON's types; what is not is left out."""
        found = {"size": self.size, "etag": self.etag, "version": self.version, "md5": self.md5, "modified": self.modified}
        return {key: value for key, value in found.items() if value not in (None, "")}

    def encode(self, path: bytes) -> bytes:
        """The bytes that are kept in place of those of the source's file: JSON with sorted keys, so that equal facts have one digest."""
        parts = [f'"etag":{json.dumps(self.etag)}' if self.etag else "", f'"format":{FORMAT}', f'"md5":"{self.md5}"' if self.md5 else ""]
        parts += ["" if self.modified is None else f'"modified":{self.modified}', f'"path":{json.dumps(os.fsdecode(path))}']
        parts += ["" if self.size is None else f'"size":{self.size}']
        parts += [f'"version":{json.dumps(self.version)}' if self.version else ""]
        return ("{" + ",".join([part for part in parts if part]) + "}").encode()


def decode_facts(data: bytes) -> SourceFacts:
    """The facts that `SourceFacts.encode` wrote. Raises ValueError where they are none."""
    document = json.loads(data)
    if not isinstance(document, dict) or "format" not in document:
        raise ValueError("these are no facts about a source")
    return replace(facts_of(document), path=os.fsencode(str(document.get("path") or "")))


def recorded_facts(entry: TreeEntry, data: bytes) -> SourceFacts:
    """What was recorded of a tracked file: ``data`` is the entry's content. Raises Integrity kind ``damaged-content``."""
    try:
        return replace(decode_facts(data), size=entry.size)
    except ValueError as error:
        shown = entry.path.decode("utf-8", "backslashreplace")
        raise Integrity(
            f"what was recorded of {shown} cannot be read ({entry.digest})", kind="damaged-content", hint="See what is left with: lineal fsck"
        ) from error


def facts_of(document: Mapping[str, Any]) -> SourceFacts:
    """The facts in a mapping, such as a journal's entry; what has another type counts as unknown."""
    size, modified = document.get("size"), document.get("modified")
    return SourceFacts(
        size=size if isinstance(size, int) else None,
        etag=plain_etag(str(document.get("etag") or "")),
        version=str(document.get("version") or ""),
        md5=str(document.get("md5") or ""),
        modified=modified if isinstance(modified, int) else None,
    )


def plain_etag(text: str) -> str:
    """An entity tag without its quotes.

    >>> plain_etag('"5d41"'), plain_etag('W/"5d41"')
    ('5d41', 'W/5d41')
    """
    weak, tag = ("W/", text[2:]) if text.startswith("W/") else ("", text)
    return weak + tag.strip('"')
