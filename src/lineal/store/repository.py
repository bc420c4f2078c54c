"""The store as everybody else sees it: contents, trees, commits and refs."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from lineal.errors import Integrity, NotFound
from lineal.records.dataset import TreeEntry, VerifyReport
from lineal.records.digest import Digest, blake3_digest, raw_hash
from lineal.records.garbage import Collection
from lineal.store import content, divergence
from lineal.store.backends import open_backend
from lineal.store.backends.address import FOLDER, Address
from lineal.store.backends.folder import FolderBackend
from lineal.store.backends.interface import Backend
from lineal.store.commits import Commit, decode_commit, encode_commit
from lineal.store.divergence import Need
from lineal.store.files import StoredFile, put_file, write_file
from lineal.store.format import FORMAT_KEY, FORMAT_NOTE, check_format
from lineal.store.objects import Objects
from lineal.store.refs import Refs
from lineal.store.sealing import seal, unseal
from lineal.store.status import Looked
from lineal.store.tree import Trees

if TYPE_CHECKING:
    from lineal.store.backends.pages import PageCache
    from lineal.store.repair import Help
    from lineal.store.survey import Roots, Store
    from lineal.store.transfer import Carried

Progress = Callable[[str, int, int], None]

PROJECTS = "projects/"
"""What people call the projects of a store, by id."""

__all__ = ["Commit", "Repository", "StoredFile"]


class Repository:
    """Write-once contents named by digest, trees of them, commits, and refs that move by compare-and-swap.

    Thread safe, and safe among processes: writers never wait for one another but for the moment in which a name moves.
    Whatever is damaged raises Integrity: kinds ``missing-content missing-file damaged-pack damaged-index damaged-content damaged-tree
    damaged-commit damaged-ref``; a full disk is Unavailable kind ``disk-full``.
    """

    def __init__(self, backend: Backend, project_id: str) -> None:
        self._backend = backend
        self._objects = Objects(backend)
        self._trees = Trees(_Nodes(self._objects))
        self._refs = Refs(backend, project_id)
        self._project = project_id

    @classmethod
    def open(cls, path: Path, *, project_id: str) -> Repository:
        """The store in a folder, created where there is none.

        Raises:
            InvalidState: kind ``newer-format``, if a newer Lineal made it.
        """
        backend = FolderBackend(path)
        check_format(backend)
        return cls(backend, project_id)

    @classmethod
    def at(cls, address: Address, *, project_id: str, pages: PageCache | None = None) -> Repository:
        """The store at an address, created where there is none.

        Args:
            pages: keeps what is read from afar.

        Raises:
            InvalidState: kind ``newer-format``; kind ``no-preconditions``, when it is first written to.
        """
        backend = open_backend(address, pages=pages)
        if not backend.trusted(FORMAT_NOTE):
            check_format(backend)
            backend.trust(FORMAT_NOTE)
        return cls(backend, project_id)

    @classmethod
    def existing(cls, address: Address, *, project_id: str, pages: PageCache | None = None) -> Repository:
        """The store at an address that must be there.

        Raises:
            NotFound: kind ``no-store``.
            InvalidState: kind ``newer-format``.
        """
        if address.scheme != FOLDER or (Path(address.path) / FORMAT_KEY).is_file():
            backend = open_backend(address, pages=pages)
            if backend.trusted(FORMAT_NOTE) or backend.fetch(FORMAT_KEY) is not None:
                return cls.at(address, project_id=project_id, pages=pages)
        raise NotFound(f"there is no store at {address.place}", kind="no-store", hint="Correct the address, or push something there first.")

    @staticmethod
    def mend_index(address: Address) -> int:
        """Makes the index of a store anew from its packs, also where it cannot be opened; returns how many packs it has then."""
        from lineal.store.verification import rebuild_index

        return rebuild_index(open_backend(address))

    def close(self) -> None:
        """Gives back what is held open."""
        self._objects.close()

    @property
    def far(self) -> bool:
        """Whether what is read comes over a network, where several requests at once are answered sooner than one after the other."""
        return not self._backend.mapped

    @property
    def written_bytes(self) -> int:
        """By how many bytes this process has grown the store's packs since it was opened."""
        return self._objects.written

    def session(self) -> AbstractContextManager[None]:
        """Around storing something and naming it by a ref or a fact: until that is done, no collection of garbage takes it away."""
        return self._objects.session()

    def reading(self, what: str, roots: Iterable[Digest]) -> AbstractContextManager[None]:
        """Around reading trees or contents that may be deleted meanwhile, such as a mount: they stay. ``what`` tells people who reads.

        In a store that may only be read, nothing is held.
        """
        from lineal.store.leases import reading

        return reading(self._backend, what, roots)

    def batch(self) -> AbstractContextManager[None]:
        """Groups what this thread puts inside; all of it is durable when the outermost batch ends.

        If a batch ends with an exception, what it put may be gone.
        """
        return self._objects.batch()

    def put_bytes(self, data: bytes) -> Digest:
        """Stores bytes; idempotent."""
        return blake3_digest(content.put_bytes(self._objects, data)[0])

    def put_file(self, path: bytes | Path, *, observe: Callable[[memoryview], object] | None = None, status: Looked | None = None) -> StoredFile:
        """Stores a file's bytes; follows symbolic links.

        Args:
            observe: sees every byte once, in order, so that nothing need be read twice.
            status: what the file was when it was found, if it was looked at before.

        Raises:
            Conflict: kind ``file-changed``, if it changed while it was read.
            NotFound: kind ``file-vanished``, if it is not there.
            PermissionDenied: kind ``file-unreadable``.
            InvalidInput: kind ``not-a-file``.
        """
        return put_file(self._objects, os.fsencode(path), observe=observe, status=status)

    def contains(self, digest: Digest) -> bool:
        """Whether the content is here; what has another mark than a content id, such as a foreign source's, never is."""
        if not digest.startswith("blake3:"):
            return False
        key = raw_hash(digest)
        if self._objects.kind(key) is not None:
            return True
        self._objects.refresh()
        return self._objects.kind(key) is not None

    def size(self, digest: Digest) -> int:
        """The content's size in bytes."""
        return content.extent(self._objects, raw_hash(digest)).size

    def read(self, digest: Digest) -> bytes:
        """The whole content, compared with its digest."""
        return content.read(self._objects, raw_hash(digest))

    def read_range(self, digest: Digest, start: int, stop: int) -> bytes:
        """The content's bytes from ``start`` up to ``stop`` or its end; only the chunks they lie in are read."""
        return content.read_range(self._objects, raw_hash(digest), start, stop)

    def open_content(self, digest: Digest) -> BinaryIO:
        """The content as a seekable file that reads only what it needs."""
        return cast("BinaryIO", io.BufferedReader(self.content_reader(digest), 1 << 17))

    def content_reader(self, digest: Digest) -> content.ContentReader:
        """The same for whoever reads ranges and needs no buffer."""
        return content.ContentReader(self._objects, raw_hash(digest))

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        """The content in pieces, for passing on without holding all of it."""
        return content.pieces(self._objects, raw_hash(digest))

    def write_to(self, digest: Digest, path: bytes | Path, *, executable: bool = False) -> None:
        """Writes the content to a file, replacing it in one step."""
        write_file(self.chunks(digest), os.fsencode(path), executable=executable)

    def put_tree(self, entries: Iterable[TreeEntry]) -> Digest:
        """Stores a tree; returns its root. Raises InvalidInput kind ``bad-tree-entry``."""
        with self._objects.batch():
            return blake3_digest(self._trees.build(entries))

    def edit_tree(self, root: Digest, changes: Mapping[bytes, TreeEntry | None]) -> Digest:
        """The root of the tree with some entries put or, where None, taken out; writes only the few nodes that differ."""
        with self._objects.batch():
            return blake3_digest(self._trees.edit(raw_hash(root), changes))

    def entry(self, root: Digest, path: bytes) -> TreeEntry | None:
        """The entry at a path, if there is one."""
        return self._trees.entry(raw_hash(root), path)

    def entries(self, root: Digest, *, prefix: bytes = b"", after: bytes = b"", limit: int | None = None) -> Iterator[TreeEntry]:
        """Entries in the order of their paths' bytes, of those that begin with ``prefix`` and come after ``after``."""
        start = max(prefix, after + b"\0" if after else b"")
        found = self._trees.entries(raw_hash(root), start=start)
        return islice(_while_prefixed(found, prefix), limit)

    def lookup(self, root: Digest, path: bytes) -> TreeEntry | None:
        """What lies at a path of a tree, be it an entry or a folder that holds some. See `Trees.lookup`."""
        return self._trees.lookup(raw_hash(root), path)

    def children(self, root: Digest, folder: bytes = b"", *, after: bytes = b"") -> Iterator[TreeEntry]:
        """What lies directly in a folder of a tree; what its subfolders hold is not read. See `Trees.children`."""
        return self._trees.children(raw_hash(root), folder, after=after)

    def totals(self, root: Digest) -> tuple[int, int]:
        """How many entries a tree has and how many bytes their contents, from its root alone."""
        return self._trees.totals(raw_hash(root))

    def diff(self, a: Digest, b: Digest) -> Iterator[tuple[TreeEntry | None, TreeEntry | None]]:
        """Pairs of entries that differ, in the order of their paths; None where a side has none."""
        return self._trees.diff(raw_hash(a), raw_hash(b))

    def commit(self, root: Digest, *, parents: Iterable[Digest] = (), meta: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> Digest:
        """Stores a commit; returns its id."""
        data = encode_commit(Commit(root=root, parents=tuple(parents), meta=meta, schema=schema or {}))
        return blake3_digest(content.put_bytes(self._objects, data, meta=True)[0])

    def read_commit(self, digest: Digest) -> Commit:
        """The commit of that id."""
        return decode_commit(self.read(digest), digest)

    def ref(self, name: str) -> Digest | None:
        """What the project's ref points at, if it exists."""
        return self._refs.get(name)

    def refs(self, prefix: str = "") -> dict[str, Digest]:
        """The project's refs whose names begin with ``prefix``."""
        return self._refs.beginning(prefix)

    def move_ref(self, name: str, new: Digest | None, *, expected: Digest | None) -> None:
        """Points the ref at ``new`` if it points at ``expected`` now; None means that there is none.

        Raises:
            Conflict: kind ``ref-moved``, if it points elsewhere.
        """
        self._refs.move(name, new, expected=expected)

    def commits_since(self, tips: Sequence[Digest], known: Callable[[Digest], bool]) -> list[tuple[Digest, Commit]]:
        """The commits that tips lead to and that are not known, parents before children."""
        return divergence.commits_since(self._objects, tips, known)

    def ancestors(self, tips: Sequence[Digest]) -> set[Digest]:
        """Every commit that tips lead to, themselves included, as far as this store has them."""
        return divergence.ancestors(self._objects, tips)

    def send(
        self,
        commits: Sequence[tuple[Digest, Commit]],
        target: Repository,
        *,
        wanted: Callable[[bytes], bool] = lambda _path: True,
        step: Callable[[int, int], object] = lambda _done, _total: None,
    ) -> Carried:
        """Brings commits to another store, of which it has every parent that is not among them; refs stay as they are.

        Args:
            commits: parents before children, as `commits_since` gives them.
            wanted: whether the content at a path travels, too; trees and commits always do.
            step: is told how many bytes have travelled, and how many are known to.
        """
        from lineal.store import keeping
        from lineal.store.transfer import carry

        roots = {identity: commit.root for identity, commit in commits}
        gone = self.given_up()
        treeless = gone | target.given_up()  # of these one of both has no tree any more, so none can be compared with
        if gone:
            keeping.give_up(target._objects, target._project, frozenset(map(raw_hash, gone)))

        def needs() -> Iterator[Need]:
            for identity, commit in commits:
                if identity in gone:
                    yield from divergence.structure(self._objects, raw_hash(identity))
                    continue
                before = (parent for parent in commit.parents if parent not in treeless)
                bases = [raw_hash(roots[parent] if parent in roots else self.read_commit(parent).root) for parent in before]
                yield from divergence.needs_of(self._objects, (identity, commit), bases, wanted)

        return carry(self._objects, target._objects, needs(), step=step)

    def send_contents(
        self,
        root: Digest,
        target: Repository,
        *,
        wanted: Callable[[bytes], bool],
        step: Callable[[int, int], object] = lambda _done, _total: None,
    ) -> Carried:
        """Brings contents of a tree that another store has to it, as far as it lacks them."""
        from lineal.store.transfer import carry

        entries = (entry for entry in target.entries(root) if wanted(entry.path) and entry.digest.startswith("blake3:"))
        needs = (divergence.Content(raw_hash(entry.digest), entry.size, None) for entry in entries)
        return carry(self._objects, target._objects, needs, step=step)

    def send_each(
        self, contents: Iterable[Digest], target: Repository, *, step: Callable[[int, int], object] = lambda _done, _total: None
    ) -> Carried:
        """Brings single contents to another store, as far as it lacks them; those that are not here are left out."""
        from lineal.store.transfer import carry

        here = (digest for digest in dict.fromkeys(contents) if self.contains(digest))
        needs = (divergence.Content(raw_hash(digest), self.size(digest), None) for digest in here)
        return carry(self._objects, target._objects, needs, step=step)

    def introduce(self, name: str) -> None:
        """Says what people call the project, for whoever finds its refs in the store."""
        key = PROJECTS + self._project
        if self._backend.fetch(key) is None:
            self._backend.swap(key, seal(name.encode()), expected=None)

    def projects(self) -> dict[str, str]:
        """The projects that have refs in the store, and what they are called, as far as they said."""
        found = dict.fromkeys(key.split("/")[1] for key in self._backend.list("refs/"))
        return {project: self._name_of(project) for project in found}

    @property
    def requests(self) -> int:
        """How many requests were made of an object store; 0 for a folder."""
        return self._backend.request_count()

    def borrow(self, lender: Callable[[], Repository | None]) -> None:
        """Reads what is missing here from another store, which is opened when that first happens."""

        def objects() -> Objects | None:
            found = lender()
            return None if found is None else found.objects

        self._objects.lender = objects

    @property
    def objects(self) -> Objects:
        """The objects behind it, for another store that borrows from this one."""
        return self._objects

    def _name_of(self, project: str) -> str:
        sealed = self._backend.fetch(PROJECTS + project)
        return "" if sealed is None else unseal(sealed, name=f"the name of project {project}", kind="damaged-ref").decode()

    def verify(self, progress: Progress | None = None, *, names: Mapping[Digest, str] | None = None) -> VerifyReport:
        """Reads every pack, the index and everything that refs lead to, and says what is damaged or missing.

        Args:
            names: what people call a commit, such as ``flights@3``.
        """
        from lineal.store.verification import Expected, verify_store

        expected = Expected(names=names or {}, given_up=frozenset(map(raw_hash, self.given_up())))
        return verify_store(self._objects, self._trees, self._refs, expected=expected, progress=progress)

    def repair(self, help_from: Help, *, names: Mapping[Digest, str], progress: Progress) -> tuple[str, ...]:
        """Mends what can be mended, with help from elsewhere; says what was done. Still damaged is what `verify` says afterwards."""
        from lineal.store.repair import repair_store
        from lineal.store.verification import Expected

        given_up = frozenset[bytes]()
        with suppress(Integrity):
            given_up = frozenset(map(raw_hash, self.given_up()))
        expected = Expected(names=names, given_up=given_up)
        return repair_store(self._objects, self._trees, self._refs, project=self._project, expected=expected, help_from=help_from, progress=progress)

    def verify_tree(self, root: Digest, progress: Progress | None = None) -> VerifyReport:
        """Reads every content of one tree back and compares it with its digest."""
        from lineal.store.verification import verify_tree

        return verify_tree(self._objects, self._trees, root, progress=progress)

    def verify_sample(self, root: Digest, *, share: float, seed: int, progress: Progress | None = None) -> VerifyReport:
        """Reads a random share of a tree's contents back, at least one; the same seed chooses the same ones."""
        from lineal.store.verification import verify_sample

        return verify_sample(self._objects, self._trees, root, share=share, seed=seed, progress=progress)

    def preview_garbage(self, roots: Callable[[], Roots], *, grace: float, scratch: Path, progress: Progress) -> Collection:
        """What `collect_garbage` would do; changes nothing."""
        from lineal.store.garbage import preview

        return preview(self._surveyed(roots, scratch, progress), grace=grace)

    def collect_garbage(self, roots: Callable[[], Roots], *, name: str, grace: float, scratch: Path, progress: Progress) -> Collection:
        """Deletes what was condemned ``grace`` seconds ago and nobody needs, and condemns what is garbage now; see `lineal.store.garbage.collect`.

        Args:
            roots: what the project stands on beside its refs.
            name: the project's.
            scratch: where there is room for 8 bytes for each object that is needed, or twice that.
        """
        from lineal.store.garbage import collect

        return collect(self._surveyed(roots, scratch, progress), name=name, grace=grace)

    def register_before_writing(self, register: Callable[[], None]) -> None:
        """Calls ``register`` before the first that this process stores; who only reads need not be known."""
        self._objects.before_writing = register

    def register(self, name: str) -> None:
        """Says that the project keeps its bytes here, so that no other project's collection takes what it has not been told of."""
        from lineal.store import keeping

        keeping.register(self._backend, self._project, name)

    def given_up(self) -> frozenset[Digest]:
        """Commits of the project whose trees were given up: their deletion cannot be undone."""
        from lineal.store import keeping

        kept = keeping.said(self._backend, self._project)
        return frozenset(map(blake3_digest, keeping.given_up(self._objects, kept)))

    def _surveyed(self, roots: Callable[[], Roots], scratch: Path, progress: Progress) -> Store:
        from lineal.store.survey import Store

        scratch.mkdir(parents=True, exist_ok=True)
        return Store(objects=self._objects, trees=self._trees, project=self._project, roots=roots, scratch=scratch, progress=progress)

    def rebuild_index(self) -> int:
        """Makes the index anew from the packs themselves; returns how many packs it has now."""
        from lineal.store.verification import rebuild_index

        count = rebuild_index(self._backend)
        self._objects.refresh()
        return count


class _Nodes:
    """Tree nodes as contents."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def put(self, data: bytes) -> bytes:
        return content.put_bytes(self._objects, data, meta=True)[0]

    def get(self, identity: bytes) -> bytes:
        return content.read(self._objects, identity)


def _while_prefixed(entries: Iterable[TreeEntry], prefix: bytes) -> Iterator[TreeEntry]:
    for entry in entries:
        if not entry.path.startswith(prefix):
            return
        yield entry
