"""The file system behind ``lineal://``: versions of datasets, read only, each range fetched when it is read.

Source: the interface of `fsspec.spec.AbstractFileSystem` (https://filesystem-spec.readthedocs.io).
"""

from __future__ import annotations

import datetime as dt
import errno
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

from fsspec.spec import AbstractFileSystem, make_instance
from fsspec.utils import stringify_path

from lineal.interfaces.fsspec.file import VersionFile
from lineal.interfaces.fsspec.views import Views, translated
from lineal.records.address import PREFIX, SCHEME, Address, parse_address

if TYPE_CHECKING:
    from lineal.records.dataset import TreeEntry
    from lineal.workspace.interface import VersionView

_READERS = 8
_MICROSECONDS = 1_000_000


class LinealFileSystem(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """Versions of a project's datasets. What is below ``""`` are the datasets, each as its latest version.

    A name without a version is the latest, at most a second old. Links are followed inside their version. May be used from any thread, in forked
    processes, and pickled for others, which then find the same project.

    Args:
        project: a folder of the project; the current one (or ``LINEAL_WORKSPACE``) unless given.

    Raises:
        FileNotFoundError: where there is no such project, version or path.
        LinealError: where what is stored is damaged, or cannot be reached.
    """

    protocol = SCHEME
    root_marker = ""

    def __init__(self, project: str | os.PathLike[str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._views = Views(None if project is None else os.path.abspath(project))

    def __reduce__(self) -> tuple[Any, ...]:
        """What another process needs to make it: the project by its folder, because that process may be somewhere else."""
        options = {**self.storage_options, "project": str(self._views.project())}
        return make_instance, (type(self), (), options)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        address = parse_address(stringify_path(path))
        return address.text.removeprefix(PREFIX)

    def unstrip_protocol(self, name: str) -> str:
        """The whole address of a path."""
        return PREFIX + str(self._strip_protocol(name))

    @property
    def fsid(self) -> str:
        """Names the project."""
        return f"{SCHEME}-{self._views.project()}"

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """What is known of a path: ``name size type mtime digest version executable``, of a link also ``islink destination``."""
        address = self._address(path)
        if not address.reference:
            return {"name": "", "size": 0, "type": "directory"}
        view = self._views.view(address.reference)
        entry = self._found(view, address)
        return _info(view, address, entry, led=None)

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:  # noqa: FBT001, FBT002 - fsspec's signature
        """What lies directly in a folder, without looking at what lies deeper."""
        address = self._address(path)
        infos = self._datasets() if not address.reference else self._listed(address)
        return infos if detail else [info["name"] for info in infos]

    def walk(self, path: str, *arguments: Any, below: bool = False, **options: Any) -> Iterator[Any]:
        """Like `os.walk`: links to folders are listed, and not gone into."""
        if below and self._is_link(path):
            return iter(())
        walked: Iterator[Any] = super().walk(path, *arguments, below=True, **options)
        return walked

    def find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002 - fsspec's signature
        """Everything below a path, in one go through the version."""
        address = self._address(path)
        if maxdepth is not None or not address.reference:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        view = self._views.view(address.reference)
        top = view.follow(address.path)
        if top is None:
            return {} if detail else []
        infos = list(self._below(view, address, top, withdirs=withdirs))
        infos.sort(key=lambda info: str(info["name"]))
        return {info["name"]: info for info in infos} if detail else [info["name"] for info in infos]

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """A file's bytes, or some of them; negative places count from the end."""
        view, entry = self._file(path)
        first, last, _step = slice(start, end).indices(entry.size)
        return view.read(entry, first, last)

    def cat_ranges(
        self,
        paths: Sequence[str],
        starts: int | Sequence[int | None] | None,
        ends: int | Sequence[int | None] | None,
        max_gap: int | None = None,
        on_error: str = "return",
        **options: Any,
    ) -> list[Any]:
        """Ranges of many files, several at once; in place of a range that could not be read its error, unless ``on_error`` is ``raise``."""
        del max_gap, options
        wanted = list(zip(paths, _each(starts, len(paths)), _each(ends, len(paths)), strict=True))

        def read(job: tuple[str, int | None, int | None]) -> bytes | Exception:
            try:
                return self.cat_file(*job)
            except Exception as error:
                if on_error == "return":
                    return error
                raise

        if len(wanted) < 2:
            return [read(job) for job in wanted]
        with ThreadPoolExecutor(min(_READERS, len(wanted)), thread_name_prefix="lineal-ranges") as readers:
            return list(readers.map(read, wanted))

    def ukey(self, path: str) -> str:
        """The digest of a file: it changes exactly when the bytes do."""
        return str(self.info(path).get("digest", ""))

    def checksum(self, path: str) -> int:
        """A number that changes when the bytes do."""
        return int(self.ukey(path).partition(":")[2][:16] or "0", 16)

    def created(self, path: str) -> dt.datetime:
        """When the version was added."""
        return dt.datetime.fromtimestamp(self.info(path).get("mtime", 0.0), dt.UTC)

    def modified(self, path: str) -> dt.datetime:
        """When the version was added: nothing in it has changed since."""
        return self.created(path)

    def sign(self, path: str, *_arguments: Any, **_options: Any) -> NoReturn:
        """There is no server that an address could be signed for."""
        raise NotImplementedError(path)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forgets what names without a version stood for."""
        del path
        self._views.forget()

    def _open(self, path: str, mode: str = "rb", **_options: Any) -> VersionFile:
        if mode != "rb":
            self._refuse(path)
        view, entry = self._file(path)
        return VersionFile(self, path, view=view, entry=entry)

    def _refuse(self, path: str, *_arguments: Any, **_options: Any) -> NoReturn:
        """Versions never change."""
        raise OSError(errno.EROFS, "versions cannot be written; add a new one with: lineal data add", str(path))

    mkdir = makedirs = rmdir = rm = rm_file = _rm = cp_file = touch = pipe_file = put_file = mv = _refuse

    def _address(self, path: str) -> Address:
        return parse_address(stringify_path(path))

    def _file(self, path: str) -> tuple[VersionView, TreeEntry]:
        """A path that must be a file; that of a dataset which is one file is optional."""
        address = self._address(path)
        view = self._views.view(address.reference)
        entry = view.single if not address.path and view.single is not None else self._found(view, address)
        if entry.mode == "folder":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), address.text)
        view.note(entry)
        return view, entry

    def _found(self, view: VersionView, address: Address) -> TreeEntry:
        with translated():
            entry = view.follow(address.path)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), address.text)
        return entry

    def _is_link(self, path: str) -> bool:
        address = self._address(path)
        entry = self._views.view(address.reference).entry(address.path) if address.path else None
        return entry is not None and entry.mode == "symlink"

    def _datasets(self) -> list[dict[str, Any]]:
        return [{"name": found.name, "size": 0, "type": "directory", "version": found.latest} for found in self._views.datasets()]

    def _listed(self, address: Address) -> list[dict[str, Any]]:
        view = self._views.view(address.reference)
        entry = self._found(view, address)
        if entry.mode != "folder":
            return [_info(view, address, entry, led=None)]
        return [self._child(view, address, entry.path, child) for child in view.children(entry.path)]

    def _below(self, view: VersionView, address: Address, top: TreeEntry, *, withdirs: bool) -> Iterator[dict[str, Any]]:
        if top.mode != "folder" or withdirs:
            yield _info(view, address, top, led=None)
        seen: set[bytes] = set()
        for entry in view.entries(top.path) if top.mode == "folder" else ():
            if withdirs:
                for folder in _new_folders(entry.path, top.path, seen):
                    yield self._child(view, address, top.path, folder)
            if withdirs or entry.mode != "folder":
                info = self._child(view, address, top.path, entry)
                if withdirs or info["type"] != "directory":
                    yield info

    def _child(self, view: VersionView, address: Address, base: bytes, entry: TreeEntry) -> dict[str, Any]:
        """What is known of something below the folder ``base``, which ``address`` led to."""
        inside = entry.path[len(base) + 1 :] if base else entry.path
        place = Address(reference=address.reference, path=b"/".join(part for part in (address.path, inside) if part))
        if entry.mode != "symlink":
            return _info(view, place, entry, led=None)
        return _info(view, place, entry, led=view.follow(entry.path))


def _info(view: VersionView, address: Address, entry: TreeEntry, *, led: TreeEntry | None) -> dict[str, Any]:
    """What fsspec wants to know; ``led`` is what a link leads to."""
    real = entry if entry.mode != "symlink" else led
    kind = "other" if real is None else "directory" if real.mode == "folder" else "file"
    found = {
        "name": address.text.removeprefix(PREFIX),
        "size": real.size if real is not None and kind == "file" else 0,
        "type": kind,
        "mtime": view.version.created_at / _MICROSECONDS,
        "version": view.version.reference,
        "executable": real is not None and real.mode == "executable",
    }
    if real is not None and kind == "file":
        found["digest"] = real.digest
    if entry.mode == "symlink":
        found |= {"islink": True, "destination": os.fsdecode(view.target(entry))}
    return found


def _new_folders(path: bytes, top: bytes, seen: set[bytes]) -> Iterator[TreeEntry]:
    """The folders between ``top`` and a path below it that were not met before."""
    from lineal.records.dataset import TreeEntry
    from lineal.records.digest import EMPTY

    end = path.find(b"/", len(top) + 1)
    while end > 0:
        if path[:end] not in seen:
            seen.add(path[:end])
            yield TreeEntry(path=path[:end], mode="folder", size=0, digest=EMPTY)
        end = path.find(b"/", end + 1)


def _each(value: int | Sequence[int | None] | None, count: int) -> Sequence[int | None]:
    return [value] * count if value is None or isinstance(value, int) else value
