"""The nodes of a tree, as bytes: sorted items with prefix-compressed keys. docs/design/formats.md, "Trees"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blake3 import blake3

from lineal.errors import Integrity
from lineal.records.dataset import TreeEntry
from lineal.records.digest import blake3_digest, raw_hash
from lineal.store.packs import newer_format

MAGIC = b"LT"
VERSION = 2
MODES = ("file", "executable", "symlink", "folder", "tracked")
_SINCE_2 = MODES.index("tracked")
"""Leaves with modes from here on have version 2, all others version 1: a reader that does not know them refuses those alone, by name."""

FEWEST, MOST = 2, 512
_FANOUT_MASK = 63
_MODE_PLACES = {mode: place for place, mode in enumerate(MODES)}
_ONE_BYTE = [bytes((number,)) for number in range(0x80)]


@dataclass(frozen=True, slots=True)
class Link:
    """A reference to a node.

    Attributes:
        key: the last path below it; node: its raw hash; level: 0 for a leaf.
        files: entries below it; size: bytes of their contents together.
    """

    key: bytes
    node: bytes
    level: int
    files: int
    size: int


Item = TreeEntry | Link
"""What a node holds: entries in a leaf, links in the others."""


def item_key(item: Item) -> bytes:
    """What items are sorted by."""
    return item.path if isinstance(item, TreeEntry) else item.key


def ends_node(key: bytes, level: int, count: int) -> bool:
    """Whether a node of ``level`` ends behind an item of that key, as its ``count``-th. Only keys decide, so changed contents move no border."""
    if count >= MOST:
        return True
    return count >= FEWEST and not blake3(key).digest(32)[level % 32] & _FANOUT_MASK


def encode_node(items: Iterable[Item], level: int) -> bytes:
    """The node's bytes."""
    body = bytearray()
    count, version = 0, 1
    last = b""
    for item in items:
        key = item_key(item)
        shared = _shared(last, key)
        body += _number_of(shared) + _number_of(len(key) - shared) + key[shared:]
        if isinstance(item, TreeEntry):
            mode = _MODE_PLACES[item.mode]
            version = VERSION if mode >= _SINCE_2 else version
            body += _number_of(mode) + _number_of(item.size) + raw_hash(item.digest)
        else:
            body += _number_of(item.files) + _number_of(item.size) + item.node
        last = key
        count += 1
    return b"".join((MAGIC, bytes((version, level)), _number_of(count), body))


def decode_node(data: bytes, identity: bytes) -> tuple[Item, ...]:
    """The node's items.

    Raises:
        Integrity: kind ``damaged-tree``, if the bytes are no node.
        InvalidState: kind ``newer-format``, if a newer Lineal wrote them.
    """
    if data[:2] == MAGIC and data[2:3] > bytes((VERSION,)):
        raise newer_format(f"tree node blake3:{identity.hex()}", data[2])
    try:
        return tuple(_decode(data))
    except (IndexError, ValueError) as error:
        raise Integrity(
            f"blake3:{identity.hex()} is not a tree node: {error}", kind="damaged-tree", hint="See what is left with: lineal fsck"
        ) from error


def _decode(data: bytes) -> Iterator[Item]:
    if data[:2] != MAGIC or not 1 <= data[2] <= VERSION:
        raise ValueError("its head is not a node's")
    level = data[3]
    count, at = _number(data, 4)
    key = b""
    for _ in range(count):
        shared, length = data[at], data[at + 1]
        at += 2
        if (shared | length) > 0x7F:  # seldom: most numbers of most nodes are one byte
            shared, at = _number(data, at - 2)
            length, at = _number(data, at)
        key = key[:shared] + data[at : at + length]
        at += length
        first, at = _number(data, at)
        size, at = _number(data, at)
        raw = data[at : at + 32]
        at += 32
        yield TreeEntry(path=key, mode=MODES[first], size=size, digest=blake3_digest(raw)) if level == 0 else Link(key, raw, level - 1, first, size)
    if at != len(data):
        raise ValueError("it is not as long as it says")


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes two keys begin with alike; one big number each, because a loop over bytes costs more than the rest of a node."""
    length = min(len(one), len(other))
    difference = int.from_bytes(one[:length], "big") ^ int.from_bytes(other[:length], "big")
    return length - (difference.bit_length() + 7) // 8


def _number_of(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow (LEB128)."""
    if number <= 0x7F:
        return _ONE_BYTE[number]
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def _number(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    number, shift, at = byte & 0x7F, 7, at + 1
    while byte > 0x7F:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return number, at
