from __future__ import annotations

import pytest

from lineal.errors import Integrity, InvalidState
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.store.nodes import decode_node, encode_node

DIGEST = Digest("blake3:" + "ab" * 32)
PLAIN = TreeEntry(path=b"a.csv", mode="file", size=7, digest=DIGEST)
TRACKED = TreeEntry(path=b"b.csv", mode="tracked", size=300, digest=DIGEST)


def test_only_a_leaf_that_holds_tracked_files_has_the_newer_version() -> None:
    assert encode_node([PLAIN], 0)[:5] == b"LT\x01\x00\x01"
    data = encode_node([PLAIN, TRACKED], 0)
    assert data[:5] == b"LT\x02\x00\x02"
    assert data.endswith(b"\x00\x05b.csv\x04\xac\x02" + bytes.fromhex("ab" * 32))
    assert decode_node(data, bytes(32)) == (PLAIN, TRACKED)


def test_a_node_of_a_newer_lineal_is_refused_by_name_and_a_damaged_one_too() -> None:
    with pytest.raises(InvalidState, match="has format 3, made by a newer Lineal"):
        decode_node(b"LT\x03\x00\x00", bytes(32))
    with pytest.raises(Integrity, match="is not a tree node"):
        decode_node(b"LT\x00\x00\x00", bytes(32))
