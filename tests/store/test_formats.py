"""A reader of the store written from docs/design/formats.md alone, with nothing of Lineal in it; Lineal only writes what it reads."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from blake3 import blake3

MODES = ("file", "executable", "symlink", "folder")


class IndependentReader:
    """Reads dataset versions out of a store's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checked: dict[Path, bytes] = {}
        assert msgspec.json.decode((folder / "format").read_bytes()) == {"kind": "lineal-store", "format": 1}
        self.head = json.loads(self.unseal((folder / "index" / "head").read_bytes()))
        assert self.head["format"] == 1

    def unseal(self, data: bytes) -> bytes:
        body, checksum = data.removesuffix(b"\n").rsplit(b" ", 1)
        assert blake3(body).digest()[:8].hex().encode() == checksum
        return body

    def version(self, project: str, dataset: str) -> dict[str, Any]:
        identity, name = self.unseal((self.folder / "refs" / project / "datasets" / dataset).read_bytes()).decode().split(" ")
        assert name == f"datasets/{dataset}"
        commit: dict[str, Any] = json.loads(self.content(identity))
        assert commit["format"] == 1
        return commit

    def files(self, root: str) -> Iterator[tuple[bytes, str, bytes]]:
        for path, mode, size, key in self.entries(bytes.fromhex(root.removeprefix("blake3:"))):
            data = self.content("blake3:" + key.hex())
            assert len(data) == size
            yield path, MODES[mode], data

    def entries(self, node: bytes) -> Iterator[tuple[bytes, int, int, bytes]]:
        data = self.content("blake3:" + node.hex())
        assert data[:3] == b"LT\x01"
        level, at, key = data[3], 4, b""
        count, at = self.number(data, at)
        for _ in range(count):
            shared, at = self.number(data, at)
            following, at = self.number(data, at)
            key, at = key[:shared] + data[at : at + following], at + following
            if level:
                _entries, at = self.number(data, at)
            else:
                mode, at = data[at], at + 1
            size, at = self.number(data, at)
            identity, at = data[at : at + 32], at + 32
            if level:
                yield from self.entries(identity)
            else:
                yield key, mode, size, identity
        assert at == len(data)

    def number(self, data: bytes, at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                return value, at

    def content(self, identity: str) -> bytes:
        key = bytes.fromhex(identity.removeprefix("blake3:"))
        kind, data = self.object(key)
        if kind == 1:
            size, depth, top, checksum = struct.unpack("<QB7x32s16s", data)
            assert blake3(data[:48]).digest()[:16] == checksum
            data = b"".join(self.below(top, depth))
            assert len(data) == size
        assert blake3(data).digest() == key
        return data

    def below(self, piece: bytes, depth: int) -> Iterator[bytes]:
        _kind, data = self.object(piece)
        for child, size in struct.iter_unpack("<32sQ", data):
            part = b"".join(self.below(child, depth - 1)) if depth else self.object(child)[1]
            assert len(part) == size
            yield part

    def object(self, key: bytes) -> tuple[int, bytes]:
        for segment in self.head["segments"]:
            fitting = [shard for shard in segment["shards"] if bytes.fromhex(shard["first"]) <= key]
            if fitting and (found := self.in_shard(fitting[-1]["name"], key)):
                return found
        for pack in self.head["packs"]:
            if found := self.in_records(self.footer(pack), key, [pack]):
                return found
        raise AssertionError(f"no object {key.hex()}")

    def in_shard(self, name: str, key: bytes) -> tuple[int, bytes] | None:
        data = self.named(self.folder / "index" / name[:2] / f"{name}.idx")
        magic, version, packs, count = struct.unpack_from("<4sB3xII", data)
        assert (magic, version) == (b"LNLI", 1)
        names = [data[16 + 32 * place : 48 + 32 * place].hex() for place in range(packs)]
        records = data[16 + 32 * packs :]
        assert len(records) == 56 * count
        return self.in_records(records, key, names)

    def footer(self, name: str) -> bytes:
        data = self.pack(name)
        start, count, checksum, magic, version = struct.unpack("<QQ16s4sI", data[-40:])
        assert (magic, version) == (b"LNLP", data[4])
        records = data[start : start + 56 * count]
        assert blake3(records).digest()[:16] == checksum
        return records

    def pack(self, name: str) -> bytes:
        path = self.folder / "packs" / name[:2] / f"{name}.pack"
        if path not in self.checked:
            data = self.checked[path] = path.read_bytes()
            assert data[:8] in {b"LNLP\x01\0\0\0", b"LNLP\x02\0\0\0"}
            assert blake3(data if data[4] == 1 else b"".join(self.named_parts(data))).hexdigest() == name
        return self.checked[path]

    def named_parts(self, data: bytes) -> Iterator[bytes]:
        """A pack of version 2 without the bodies of its raw blocks of chunks, which are compared with their keys."""
        (start,) = struct.unpack("<Q", data[-40:-32])
        blocks: dict[int, list[tuple[int, int, bytes, int]]] = {}
        for key, _pack, block, stored, begin, length, kind in struct.iter_unpack("<32sIIIIII", data[start:-40]):
            blocks.setdefault(block, [(stored, 0, b"", 0)]).append((begin, length, key, kind))
        yield data[:8]
        at = 8
        for block, (whole, *objects) in sorted(blocks.items()):
            assert block == at
            at += whole[0]
            if data[block] or any(kind for _begin, _length, _key, kind in objects):
                yield data[block:at]
                continue
            yield data[block : block + 8]
            for begin, length, key, _kind in objects:
                assert blake3(data[block + 8 + begin : block + 8 + begin + length]).digest() == key
        assert at == start
        yield data[start:]

    def named(self, path: Path) -> bytes:
        if path not in self.checked:
            self.checked[path] = path.read_bytes()
            assert blake3(self.checked[path]).hexdigest() == path.stem
        return self.checked[path]

    def in_records(self, records: bytes, key: bytes, names: list[str]) -> tuple[int, bytes] | None:
        for found, pack, block, stored, start, length, kind in struct.iter_unpack("<32sIIIIII", records):
            if found == key:
                return kind, self.block(names[pack], block, stored)[start : start + length]
        return None

    def block(self, pack: str, offset: int, stored: int) -> bytes:
        data = self.pack(pack)[offset : offset + stored]
        codec, size = struct.unpack_from("<B3xI", data)
        plain = data[8:] if codec == 0 else zstandard.ZstdDecompressor().decompress(data[8:])
        assert len(plain) == size
        return plain


def write(folder: Path, project: str, number: int) -> dict[bytes, tuple[str, bytes]]:
    """Lets Lineal write a version, and says what is in it."""
    from lineal.records.dataset import TreeEntry
    from lineal.store.repository import Repository

    draw = random.Random(number)
    files = {b"small/%03d.txt" % place: ("file", b"%d" % (place * number)) for place in range(300)}
    files[b"script"] = ("executable", b"#!/bin/sh\n")
    files[b"link"] = ("symlink", b"script")
    files[b"empty"] = ("folder", b"")
    files[b"\xff\n odd"] = ("file", draw.randbytes(70_000))
    files[b"random"] = ("file", draw.randbytes(5_000_000))
    files[b"table.csv"] = ("file", b"".join(b"%d,%d\n" % (row, row * number % 991) for row in range(200_000)))
    store = Repository.open(folder, project_id=project)
    with store.batch():
        entries = [TreeEntry(path=path, mode=mode, size=len(data), digest=store.put_bytes(data)) for path, (mode, data) in files.items()]
        root = store.put_tree(entries)
    ref = "datasets/flights"
    before = store.ref(ref)
    commit = store.commit(root, parents=() if before is None else (before,), meta={"kind": "dataset", "name": "flights"})
    store.move_ref(ref, commit, expected=before)
    store.close()
    return files


@pytest.mark.parametrize("versions", [1, 9])
def test_a_dataset_version_is_read_without_lineal(tmp_path: Path, versions: int) -> None:
    project = "c" * 32
    written = [write(tmp_path / "store", project, number) for number in range(1, versions + 1)]
    reader = IndependentReader(tmp_path / "store")
    commit = reader.version(project, "flights")
    assert commit["meta"]["name"] == "flights"
    found = list(reader.files(commit["root"]))
    assert [path for path, _mode, _data in found] == sorted(written[-1])
    assert {path: (mode, data) for path, mode, data in found} == written[-1]
    assert len(commit["parents"]) == (versions > 1)
    assert bool(reader.head["segments"]) == (versions > 8)
