"""Garbage collection over ten million chunks: how much memory it takes.

The store is synthetic, in the real formats: its chunks have 8 bytes each, so that 640 GB of files fit in a few; lists, packs, index, trees and commits are
what they are in any other. Four fifths of the chunks belong to the newest version; what nobody needs is a fifth of the packs, and is deleted at once
(`--grace 0`). Memory is the most that the process had resident, pages of mapped files included.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from blake3 import blake3

from benchmarks.table import Goal, Row
from benchmarks.tools import LINEAL, OURS, CommandFailed, Tool, compared, lineal_in, run_command, started, workplace
from benchmarks.workloads import MB, scaled
from lineal.records.dataset import TreeEntry
from lineal.records.digest import blake3_digest
from lineal.store import content
from lineal.store.backends.folder import FolderBackend
from lineal.store.index import Index
from lineal.store.packs import CHUNK, PackBuilder, pack_key
from lineal.store.repository import Repository
from lineal.workspace.project import find_project

CHUNKS = scaled(10_000_000, least=1000)
A_FILE = 10
"""Chunks of one file, which would have 640 KB if they were as large as usual: a million files of a list each."""
A_PACK = 500_000
NEEDED = 0.8


def measure() -> list[Row]:
    with workplace() as folder:
        tool = started(lineal_in(folder))
        tool.data.mkdir()
        (tool.data / "small.txt").write_text("a version by hand, so that the ledger knows the dataset\n")
        tool.run("add")
        _fill(tool)
        return _rows(tool)


def _rows(tool: Tool) -> list[Row]:
    try:
        before = tool.stored()
        cost = run_command((*LINEAL, "data", "gc", "--grace", "0"), tool.folder, tool.environment)
        costs = {OURS: cost}
        note = f"{(before - tool.stored()) / MB:,.0f} of {before / MB:,.0f} MB freed"
    except CommandFailed as error:
        print(f"   {error}", flush=True)
        costs, note = {}, ""
    words = f"data gc over {CHUNKS:,} chunks"
    return [
        compared(f"{words}: memory", "MB", costs, lambda cost: cost.peak / MB, goal=Goal(words="< 500", limit=500)),
        compared(words, "CPU s", costs, lambda cost: cost.cpu, note=note),
        compared(words, "s", costs, lambda cost: cost.wall),
    ]


def _fill(tool: Tool) -> None:
    """Puts the chunks into packs, the packs into the index, and most of the files into the dataset's newest version."""
    path = tool.folder / tool.store
    project = find_project(tool.folder).id
    backend = FolderBackend(path)
    with ThreadPoolExecutor(2) as workers:
        packing = _Packing(backend, workers)
        entries = [_write_file(packing, number) for number in range(CHUNKS // A_FILE)]
        packing.finish()
    Index.rebuild(backend, lambda: [key.rpartition("/")[2].removesuffix(".pack") for key in backend.list("packs/")])
    needed = entries[: round(len(entries) * NEEDED)]
    store = Repository.open(path, project_id=project)
    before = store.ref("datasets/data")
    assert before is not None
    old = store.read_commit(before)
    root = store.put_tree([*store.entries(old.root), *needed])
    files, size = store.totals(root)
    commit = store.commit(root, parents=(before,), meta={**old.meta, "files": files, "size": size}, schema=old.schema)
    store.move_ref("datasets/data", commit, expected=before)
    store.close()


class _Packing:
    """Takes objects as the store's own does, but looks none of them up: all are new."""

    def __init__(self, backend: FolderBackend, workers: ThreadPoolExecutor) -> None:
        self._backend = backend
        self._workers = workers
        self._builder = PackBuilder(lambda: workers)
        self._count = 0

    def put(self, key: bytes, data: bytes, kind: int = CHUNK, **_shelf: bool) -> bool:
        self._builder.add(key, data, kind)
        self._count += 1
        return True

    def finish(self) -> None:
        """Writes the pack; called between files, so that a file's chunks are in one."""
        pack = self._builder.finish()
        if pack is not None:
            self._backend.create(pack_key(pack.name), pack.pieces)
        self._builder, self._count = PackBuilder(lambda: self._workers), 0

    @property
    def full(self) -> bool:
        return self._count >= A_PACK


def _write_file(packing: _Packing, number: int) -> TreeEntry:
    """A file whose chunks have 8 bytes each."""
    hasher, parts = blake3(), []
    for data in _chunks(number):
        key = blake3(data).digest()
        packing.put(key, data)
        hasher.update(data)
        parts.append((key, len(data)))
    identity = hasher.digest()
    content._put_list(packing, identity, parts)  # type: ignore[arg-type] # noqa: SLF001 - cutting is the only thing that is not as it always is
    if packing.full:
        packing.finish()
    return TreeEntry(path=b"%04d/%04d.bin" % divmod(number, 1000), mode="file", size=8 * A_FILE, digest=blake3_digest(identity))


def _chunks(number: int) -> Iterator[bytes]:
    return (place.to_bytes(8, "little") for place in range(number * A_FILE, (number + 1) * A_FILE))
