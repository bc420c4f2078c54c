"""What a working copy looked like when it was last compared with a tree: one file for each folder that is a working copy.

A cache: losing it costs time and nothing else. docs/design/working-copy.md says what may be concluded from it, docs/design/formats.md its bytes.
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from lineal.records.digest import Digest, blake3_digest, raw_hash
from lineal.store.listing import WIDTH, Listing
from lineal.store.nodes import MODES
from lineal.store.status import Status

MAGIC = b"LNLW"
VERSION = 1
HEAD = struct.Struct("<4sB3x32sIQQ")
FOLDER_HEAD = struct.Struct("<III")
OUTSIDE, SUBFOLDER = 0, 255
"""Flags of what is not in the tree, and of a folder that is looked into; others are a mode's place in `MODES`, counted from 1."""

_FEW = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """One name in a record.

    Attributes:
        status: with which the content is certainly the tree's; `UNKNOWN` where that is not certain.
        flag: as above; raw: the content's hash in the tree, zeros where the name is not a path of the tree.
    """

    status: Status
    flag: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A folder as it was: its listing, with what the tree has of each name.

    Attributes:
        flags: one byte a name; raws: 32 bytes a name.
    """

    listing: Listing
    flags: bytes
    raws: bytes

    def kept(self) -> dict[bytes, Kept]:
        """By name."""
        return {
            name: Kept(status, self.flags[place], self.raws[32 * place : 32 * place + 32])
            for place, (name, status) in enumerate(self.listing.items())
        }

    def subfolders(self) -> list[bytes]:
        """Names of the folders in it that are looked into, in order."""
        if SUBFOLDER not in self.flags:
            return []
        names = self.listing.names.split(b"\0")
        return sorted(name for name, flag in zip(names, self.flags, strict=True) if flag == SUBFOLDER)


@dataclass(frozen=True, slots=True)
class CopyIndex:
    """A working copy as it was.

    Attributes:
        root: the tree that the records are about; records: by the folder's path in it, which is empty for the working copy's own.
    """

    root: Digest
    records: Mapping[bytes, Record] = field(default_factory=dict)


def index_path(indexes: Path, folder: bytes) -> Path:
    """Where the index of the working copy in an absolute folder lies."""
    return indexes / f"{blake3(folder).hexdigest(16)}.copy"


def load_index(indexes: Path, folder: bytes) -> CopyIndex | None:
    """The index of a working copy, or None where there is none that can be trusted."""
    try:
        data = index_path(indexes, folder).read_bytes()
        return _decode(data, folder)
    except (OSError, struct.error, ValueError):
        return None


def save_index(indexes: Path, folder: bytes, index: CopyIndex) -> None:
    """Replaces the index of a working copy in one step; where it cannot be written, the old one stays."""
    target = index_path(indexes, folder)
    temporary = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    with suppress(OSError):
        indexes.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.writelines(_encode(folder, index))
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        _sweep(indexes)


def forget_indexes(indexes: Path) -> None:
    """Lets every file be read again at the next look: for when the store has lost what they stand for."""
    with suppress(OSError):
        for path in indexes.iterdir():
            path.unlink(missing_ok=True)


def _encode(folder: bytes, index: CopyIndex) -> Iterator[bytes]:
    listings: list[bytes] = [folder]
    raws: list[bytes] = []
    for path, record in index.records.items():
        listing = record.listing
        listings += (FOLDER_HEAD.pack(len(path), len(listing.names), listing.count), path, listing.names, listing.statuses, record.flags)
        raws.append(record.raws)
    parts = (b"".join(listings), b"".join(raws))
    head = HEAD.pack(MAGIC, VERSION, raw_hash(index.root), len(folder), len(parts[0]), len(parts[1]))
    yield from (head, blake3(head).update(parts[0]).digest(), blake3(parts[1]).digest(), *parts)


def _decode(data: bytes, folder: bytes) -> CopyIndex:
    magic, version, root, length, listings, raws = HEAD.unpack_from(data)
    begin = HEAD.size + 2 * 32
    at, end = begin + length, begin + listings
    view = memoryview(data)
    if (magic, version) != (MAGIC, VERSION) or len(data) != end + raws or data[begin:at] != folder:
        raise ValueError("it is not this working copy's")
    sums = (blake3(view[: HEAD.size]).update(view[begin:end]).digest(), blake3(view[end:]).digest())
    if b"".join(sums) != data[HEAD.size : begin]:
        raise ValueError("it does not match its checksums")
    return CopyIndex(blake3_digest(root), dict(_records(data, at, end)))


def _records(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, Record]]:
    raw = end
    while at < end:
        path, names, count = FOLDER_HEAD.unpack_from(data, at)
        at += FOLDER_HEAD.size
        cuts = (at, at + path, at + path + names, at + path + names + count * WIDTH, at + path + names + count * (WIDTH + 1))
        parts = [data[cuts[place] : cuts[place + 1]] for place in range(4)]
        yield parts[0], Record(Listing(parts[1], parts[2]), parts[3], data[raw : raw + 32 * count])
        at = cuts[4]
        raw += 32 * count


def _sweep(indexes: Path) -> None:
    """Takes away the indexes of working copies that are gone, once there are more than a few."""
    found = sorted(indexes.glob("*.copy"))
    for path in found if len(found) > _FEW else ():
        with suppress(OSError, struct.error), path.open("rb") as file:
            length = HEAD.unpack(file.read(HEAD.size))[3]
            file.seek(2 * 32, os.SEEK_CUR)
            if not os.path.isdir(file.read(length)):
                path.unlink(missing_ok=True)


def flag_of(mode: str) -> int:
    """The flag of a path of the tree."""
    return MODES.index(mode) + 1
