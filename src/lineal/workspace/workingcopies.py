"""Folders on disk beside the versions they were added as or checked out from: what is known of them, and what is different."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from lineal.errors import Integrity
from lineal.ledger.standing import Standing, read_standings
from lineal.records.dataset import DatasetStatus
from lineal.records.digest import Digest
from lineal.records.location import Location, resolve
from lineal.store.copyindex import CopyIndex, load_index, save_index
from lineal.store.difference import Pair, pairs_against, path_of
from lineal.store.snapshot import look_at, look_up
from lineal.store.statindex import StatIndex
from lineal.store.workingcopy import AsRecorded, Survey, index_of, paths_of, survey
from lineal.workspace.comparing import change_of
from lineal.workspace.heads import head_of
from lineal.workspace.lines import tip
from lineal.workspace.site import Site


def standings(site: Site) -> tuple[Standing, ...] | None:
    """Every dataset with its latest version, read the quick way; None where there is none."""
    return read_standings(site.ledger_url, site.project_id, lambda name: tip(site, name, head_of(site, name).branch))


def place_of(site: Site, location: Location) -> bytes:
    """The absolute path of a dataset."""
    return resolve(location, project=os.fsencode(site.layout.root.absolute()), home=os.fsencode(os.path.expanduser("~")))


def status_of(site: Site, standing: Standing, index: StatIndex) -> DatasetStatus:
    """What a working copy looks like against the latest version."""
    full = place_of(site, standing.location)
    pairs = _file_pairs(site, standing, full, index) if standing.single_file else _folder_pairs(site, standing, full, index)
    changes = tuple(change_of(latest, now) for latest, now in sorted(pairs, key=path_of) if latest != now)
    return DatasetStatus(
        name=standing.name, path=standing.shown, latest=standing.reference, changes=changes, clean=not changes, there=os.path.lexists(full)
    )


def known_copy(site: Site, full: bytes, root: Digest) -> CopyIndex:
    """The index of a working copy; where it is lost or about a tree that is, one about the tree ``root`` that knows of no file."""
    index = load_index(site.layout.copies, full)
    if index is not None:
        with suppress(Integrity):
            site.store.totals(index.root)
            return index
    return index_of(root, site.store.entries(root))


def _folder_pairs(site: Site, standing: Standing, full: bytes, index: StatIndex) -> Iterator[Pair]:
    """What the latest version has beside what is there, where that may differ."""
    base = known_copy(site, full, standing.digest)
    look = _looked_at(full, base, index)
    if look.fresh:
        save_index(site.layout.copies, full, CopyIndex(base.root, look.records))
    yield from pairs_against(site.store, base.root, site.store.diff(base.root, standing.digest), look.changes)


def _looked_at(full: bytes, base: CopyIndex, index: StatIndex) -> Survey:
    if os.path.isdir(full):
        return survey(full, base, partial(look_up, index), AsRecorded())
    return Survey(changes=dict.fromkeys(paths_of(base)))


def _file_pairs(site: Site, standing: Standing, full: bytes, index: StatIndex) -> Iterator[Pair]:
    entry = next(site.store.entries(standing.digest, limit=1))
    yield entry, look_up(index, look_at(full, entry.path)) if os.path.exists(full) else None
