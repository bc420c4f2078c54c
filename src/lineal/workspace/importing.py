"""Bringing a folder or file into the store as a commit: what changed is read, tables are counted while they go by."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineal.errors import InvalidInput, NotFound
from lineal.records.dataset import DatasetVersion
from lineal.records.digest import Digest
from lineal.records.location import Location, locate
from lineal.store.copyindex import CopyIndex
from lineal.store.files import readable
from lineal.store.repository import Repository
from lineal.store.snapshot import look_at
from lineal.store.statindex import StatIndex
from lineal.store.workingcopy import AsFound, Changes, survey
from lineal.workspace.facts import Facts
from lineal.workspace.interface import Progress
from lineal.workspace.site import Site

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_PROGRESS_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was found and stored.

    Attributes:
        files: files and links; empty folders do not count. size: bytes of all contents.
        md5, schema: by path.
        index: for the next look at this working copy; None of a single file.
    """

    root: Digest
    files: int
    size: int
    md5: Mapping[str, str]
    schema: Mapping[str, Any]
    index: CopyIndex | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What a version of it says."""
        return {"digest": self.root, "files": self.files, "size": self.size, "md5": self.md5, "schema": self.schema}


def checked_name(given: str, path: bytes) -> str:
    """A dataset's name: the given one, or one made from the path.

    Raises:
        InvalidInput: kind ``bad-name``.
    """
    if given:
        if not _NAME.match(given):
            raise InvalidInput(
                f"{given!r} cannot be a dataset's name", kind="bad-name", hint="Use letters, digits and . _ - (at most 100, a letter or digit first)."
            )
        return given
    stem = os.path.basename(path).decode("utf-8", "replace")
    stem = stem.partition(".")[0] if os.path.isfile(path) else stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100]
    if not _NAME.match(name):
        raise InvalidInput(f"no name can be made from {stem!r}", kind="bad-name", hint="Give one with --name.")
    return name


def checked_path(site: Site, path: Path) -> bytes:
    """The absolute path of something to add.

    Raises:
        NotFound: kind ``unknown-path``; InvalidInput: kind ``bad-path``, for Lineal's own folder; kind ``link-loop``.
    """
    full = os.path.abspath(os.fsencode(path))
    try:
        os.stat(full)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no {os.fsdecode(path)}", kind="unknown-path", hint="Give a folder or a file that exists.") from error
    except PermissionError:
        pass  # said more exactly where it is read
    except OSError as error:
        raise InvalidInput(f"{os.fsdecode(path)} cannot be followed: {error.strerror}", kind="link-loop", hint="Remove or mend the link.") from error
    state = os.fsencode(site.layout.state.absolute())
    if full == state or full.startswith(state + b"/"):
        raise InvalidInput(f"{os.fsdecode(path)} is Lineal's own folder", kind="bad-path", hint="Add the data itself.")
    return full


def checked_target(site: Site, path: Path, *, single_file: bool) -> bytes:
    """The absolute path that a version may be written to; a single file may replace another, or go into a folder.

    Raises:
        InvalidInput: kind ``bad-path``, in Lineal's own folder; kind ``not-a-folder``.
    """
    full = os.path.abspath(os.fsencode(path))
    state = os.path.realpath(os.fsencode(site.layout.state))
    if (os.path.realpath(full) + b"/").startswith(state + b"/"):
        raise InvalidInput(f"{os.fsdecode(path)} is in Lineal's own folder", kind="bad-path", hint="Name a folder elsewhere.")
    if not single_file and os.path.lexists(full) and not os.path.isdir(full):
        raise InvalidInput(f"{os.fsdecode(path)} is not a folder", kind="not-a-folder", hint="Name a folder, or a path where nothing is yet.")
    return full


def location_of(site: Site, full: bytes) -> Location:
    """Where an absolute path is, relative to the project or home where it lies there."""
    return locate(full, project=os.fsencode(site.layout.root.absolute()), home=os.fsencode(os.path.expanduser("~")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before a folder is looked at.

    Attributes:
        base: the working copy as it was, of a tree whose contents the store certainly has; latest: the version before. None where there is none.
    """

    index: StatIndex
    base: CopyIndex | None = None
    latest: DatasetVersion | None = None


@contextmanager
def stat_index(site: Site) -> Iterator[StatIndex]:
    """The project's stat index, written back at the end."""
    index = StatIndex.open(site.layout.stat_index)
    try:
        yield index
    finally:
        index.close()


def take_snapshot(store: Repository, full: bytes, *, known: Known, md5: bool, progress: Progress) -> Snapshot:
    """Stores a folder or file and its tree; all of it is durable when this returns, or none of it counts.

    What is as it was in ``known.base`` is not looked at again, and what its schema and MD5 say of it is carried over.
    """
    facts = Facts(store=store, index=known.index, md5=md5, step=throttled("reading", progress))
    base = known.base
    index = None
    with store.batch():
        if os.path.isdir(full):
            look = survey(full, base, facts.take, AsFound())
            root = _root(store, base, look.changes)
            index = CopyIndex(root, look.records)
            empty = sum(1 for path, record in look.records.items() if path and not record.flags)
        else:
            entry = facts.take(look_at(full, os.path.basename(full)))
            root, empty = store.put_tree((entry,)), 0
        facts.complete(root, known.latest, all_taken=base is None)
        entries, size = store.totals(root)
    return Snapshot(root=root, files=entries - empty, size=size, md5=facts.md5s, schema=facts.schema, index=index)


def _root(store: Repository, base: CopyIndex | None, changes: Changes) -> Digest:
    if base is None:
        return store.put_tree(entry for entry in changes.values() if entry is not None)
    return store.edit_tree(base.root, changes) if changes else base.root


def md5_of_file(path: bytes) -> str:
    """The MD5 hex of a file as it is now. Raises NotFound kind ``file-vanished`` and PermissionDenied kind ``file-unreadable``."""
    with readable(path), open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def throttled(what: str, progress: Progress) -> Callable[[int, int], None]:
    """Progress at most a few times a second, whatever it costs to show."""
    last = time.monotonic()

    def step(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_SECONDS or (total and done == total):
            last = now
            progress(what, done, total)

    return step
