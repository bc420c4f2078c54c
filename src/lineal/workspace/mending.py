"""Mending what is stored: from the project's remotes, from the working copies of its datasets, and with what its ledger knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from lineal.errors import Integrity, LinealError
from lineal.ledger.datasets import versions_of
from lineal.ledger.foundations import dataset_places, version_names
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.store.copyindex import forget_indexes
from lineal.store.files import digest_file
from lineal.store.repository import Repository
from lineal.workspace.interface import Progress
from lineal.workspace.lines import MAIN_LINES, line_ref
from lineal.workspace.remotes import address_of, remote_book
from lineal.workspace.site import Site
from lineal.workspace.workingcopies import place_of

if TYPE_CHECKING:
    from lineal.store.objects import Objects


def names_of_commits(site: Site) -> Mapping[Digest, str]:
    """What people call each commit, such as ``flights@3``; none where the ledger cannot be read."""
    with suppress(LinealError), site.ledger.read() as connection:
        return version_names(connection, site.project_id)
    return {}


def repair(site: Site, progress: Progress) -> Sequence[str]:
    """Mends what can be mended of the store; says what was done, one sentence each."""
    from lineal.store.repair import Help

    done = _opened(site)
    with ExitStack() as stack:
        help_from = Help(stores=_stores(site, stack), copies=_Copies(site), heads=_heads(site), certain=MAIN_LINES, name=site.project)
        done += site.store.repair(help_from, names=names_of_commits(site), progress=progress)
    if done:
        forget_indexes(site.layout.copies)  # they believe that what they name is here
    return done


def _opened(site: Site) -> list[str]:
    """Opens the store, whose index may be too damaged for that."""
    try:
        site.store.refs()
    except Integrity as error:
        if error.kind == "damaged-index":
            return [f"the index was made anew from {Repository.mend_index(site.store_address)} packs"]
    return []


def _stores(site: Site, stack: ExitStack) -> dict[str, Objects]:
    """The remotes that answer."""
    found: dict[str, Objects] = {}
    for remote in remote_book(site).all():
        with suppress(LinealError):
            store = Repository.existing(address_of(remote, site), project_id=site.project_id, pages=site.pages)
            stack.callback(store.close)
            found[remote.name] = store.objects
    return found


def _heads(site: Site) -> dict[str, tuple[Digest, ...]]:
    """The commits of each line's versions, newest first, by the line's ref."""
    found: dict[str, list[Digest]] = {}
    with suppress(LinealError), site.ledger.read() as connection:
        for name in dataset_places(connection, site.project_id):
            for version in versions_of(connection, project_id=site.project_id, name=name):
                found.setdefault(line_ref(name, version.branch), []).append(version.commit)
    return {ref: tuple(commits) for ref, commits in found.items()}


class _Copies:
    """Stores again what a working copy still has."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._places: tuple[bytes, ...] | None = None

    def __call__(self, entry: TreeEntry) -> bool:
        if entry.mode not in {"file", "executable"}:
            return False
        if self._places is None:
            self._places = tuple(_places(self._site))
        for place in self._places:
            for path in (place, os.path.join(place, entry.path)):
                with suppress(LinealError, OSError):
                    if os.path.isfile(path) and os.path.getsize(path) == entry.size and digest_file(path)[0] == entry.digest:
                        return self._site.store.put_file(path).digest == entry.digest
        return False


def _places(site: Site) -> Iterator[bytes]:
    with suppress(LinealError), site.ledger.read() as connection:
        yield from (place_of(site, location) for location in dataset_places(connection, site.project_id).values())
