"""The store as everybody else sees it: contents, trees, commits and refs."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from lineal.errors import Conflict, Integrity, NotFound
from lineal.records.dataset import TreeEntry, VerifyReport
from lineal.records.digest import Digest, blake3_digest, parse_digest
from lineal.store.commits import Commit

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that is now in the store.

    Attributes:
        digest: content id of its bytes.
        size: how many bytes it has.
        stored_bytes: by how much the store grew, before packing is finished about.
    """

    digest: Digest
    size: int
    stored_bytes: int


class Repository:
    """Write-once contents named by digest, trees of them, commits, and refs that move by compare-and-swap."""

    def __init__(self, path: Path, project_id: str) -> None:
        self._path = path
        self._project_id = project_id

    @classmethod
    def open(cls, path: Path, *, project_id: str) -> Repository:
        """The store in a folder, created where there is none."""
        (path / "objects").mkdir(parents=True, exist_ok=True)
        (path / "refs" / project_id).mkdir(parents=True, exist_ok=True)
        return cls(path, project_id)

    def close(self) -> None:
        """Gives back what is held open."""

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Groups what is put inside; all of it is durable when the block ends."""
        yield

    def put_bytes(self, data: bytes) -> Digest:
        """Stores bytes; idempotent."""
        digest = blake3_digest(blake3(data).digest())
        path = self._object(digest)
        if not path.exists():
            path.write_bytes(data)
        return digest

    def put_file(self, path: bytes | Path) -> StoredFile:
        """Stores a file's bytes."""
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError as error:
            raise NotFound(f"{os.fsdecode(path)} is gone", kind="file-vanished") from error
        return StoredFile(digest=self.put_bytes(data), size=len(data), stored_bytes=len(data))

    def contains(self, digest: Digest) -> bool:
        """Whether the content is here."""
        return self._object(digest).exists()

    def size(self, digest: Digest) -> int:
        """The content's size in bytes."""
        return len(self.read(digest))

    def read(self, digest: Digest) -> bytes:
        """The whole content."""
        try:
            return self._object(digest).read_bytes()
        except FileNotFoundError as error:
            raise Integrity(f"{digest} is not in the store", kind="missing-content") from error

    def open_content(self, digest: Digest) -> BinaryIO:
        """The content as a seekable file that reads lazily."""
        return io.BytesIO(self.read(digest))

    def write_to(self, digest: Digest, path: bytes | Path, *, executable: bool = False) -> None:
        """Writes the content to a file, replacing it in one step."""
        target = Path(os.fsdecode(path))
        temporary = target.with_name(f".{target.name}.lineal-{os.getpid()}")
        temporary.write_bytes(self.read(digest))
        temporary.chmod(0o755 if executable else 0o644)
        temporary.replace(target)

    def put_tree(self, entries: Iterable[TreeEntry]) -> Digest:
        """Stores a tree; returns its root."""
        rows = [[entry.path.hex(), entry.mode, entry.size, entry.digest] for entry in sorted(entries, key=lambda entry: entry.path)]
        return self.put_bytes(json.dumps(rows).encode())

    def edit_tree(self, root: Digest, changes: Mapping[bytes, TreeEntry | None]) -> Digest:
        """The root of the tree with some entries put or, where None, taken out."""
        found = {entry.path: entry for entry in self.entries(root)}
        for path, entry in changes.items():
            if entry is None:
                found.pop(path, None)
            else:
                found[path] = entry
        return self.put_tree(found.values())

    def entry(self, root: Digest, path: bytes) -> TreeEntry | None:
        """The entry at a path, if there is one."""
        return next((entry for entry in self.entries(root) if entry.path == path), None)

    def entries(self, root: Digest, *, prefix: bytes = b"", after: bytes = b"", limit: int | None = None) -> Iterator[TreeEntry]:
        """Entries in the order of their paths' bytes, of those that begin with ``prefix`` and come after ``after``."""
        given = 0
        for path, mode, size, digest in json.loads(self.read(root)):
            entry = TreeEntry(path=bytes.fromhex(path), mode=mode, size=size, digest=Digest(digest))
            if entry.path.startswith(prefix) and entry.path > after and (limit is None or given < limit):
                given += 1
                yield entry

    def diff(self, a: Digest, b: Digest) -> Iterator[tuple[TreeEntry | None, TreeEntry | None]]:
        """Pairs of entries that differ, in the order of their paths; None where a side has none."""
        before = {entry.path: entry for entry in self.entries(a)}
        after = {entry.path: entry for entry in self.entries(b)}
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path):
                yield before.get(path), after.get(path)

    def commit(self, root: Digest, *, parents: Iterable[Digest] = (), meta: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> Digest:
        """Stores a commit; returns its id."""
        document = {"root": root, "parents": list(parents), "meta": dict(meta), "schema": dict(schema or {})}
        return self.put_bytes(json.dumps(document, sort_keys=True).encode())

    def read_commit(self, digest: Digest) -> Commit:
        """The commit of that id."""
        document = json.loads(self.read(digest))
        return Commit(
            root=Digest(document["root"]),
            parents=tuple(Digest(parent) for parent in document["parents"]),
            meta=document["meta"],
            schema=document["schema"],
        )

    def ref(self, name: str) -> Digest | None:
        """What the project's ref points at, if it exists."""
        path = self._path / "refs" / self._project_id / name
        return parse_digest(path.read_text().strip()) if path.is_file() else None

    def refs(self, prefix: str = "") -> dict[str, Digest]:
        """The project's refs whose names begin with ``prefix``."""
        folder = self._path / "refs" / self._project_id
        names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
        return {name: digest for name in names if name.startswith(prefix) and (digest := self.ref(name)) is not None}

    def move_ref(self, name: str, new: Digest | None, *, expected: Digest | None) -> None:
        """Points the ref at ``new`` if it points at ``expected`` now; None means that there is none.

        Raises:
            Conflict: kind ``ref-moved``, if it points elsewhere.
        """
        if self.ref(name) != expected:
            raise Conflict(f"{name} has moved meanwhile", kind="ref-moved", hint="Look again and retry.")
        path = self._path / "refs" / self._project_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if new is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(new)

    def verify(self, progress: Progress | None = None) -> VerifyReport:
        """Reads everything back and compares it with its digest."""
        paths = list((self._path / "objects").iterdir())
        damaged = [path.name for path in paths if blake3(path.read_bytes()).hexdigest() != path.name]
        if progress is not None:
            progress("store", len(paths), len(paths))
        return VerifyReport(subject="store", objects=len(paths), bytes=sum(path.stat().st_size for path in paths), damaged=tuple(damaged))

    def _object(self, digest: Digest) -> Path:
        return self._path / "objects" / digest.removeprefix("blake3:")
