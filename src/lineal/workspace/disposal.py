"""Freeing what nobody needs any more: what a project stands on is asked of its ledger, its journals and its deployments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lineal.ledger.foundations import DIGEST, contents_stood_on, expired_versions
from lineal.records.digest import Digest, raw_hash
from lineal.records.garbage import Collection
from lineal.workspace.interface import Progress
from lineal.workspace.mounts import read_mounts
from lineal.workspace.site import Site

if TYPE_CHECKING:
    from lineal.store.survey import Roots

KEEP_DELETED = 30 * 86_400.0
GRACE = 14 * 86_400.0
_PIECE = 1 << 20
_LONGEST = len("blake3:") + 64
_MICROSECONDS = 1_000_000


@dataclass(slots=True)
class _Asking:
    """Asks the project what it needs, and remembers what it has given up."""

    site: Site
    given_up: dict[Digest, str]

    def roots(self) -> Roots:
        """What the project stands on now, but for what was deleted long ago."""
        from lineal.store.survey import Roots

        before = expiry(self.site)
        kept = {raw_hash(digest) for digest in _named_in_files(self.site)}  # first: what is ingested meanwhile, the ledger says
        with self.site.ledger.read() as connection:
            kept.update(raw_hash(digest) for digest in contents_stood_on(connection, expired_before=before))
            self.given_up = expired_versions(connection, self.site.project_id, expired_before=before)
        return Roots(kept=frozenset(kept), given_up=frozenset(map(raw_hash, self.given_up)))


def expiry(site: Site) -> int:
    """What was deleted before this time, in microseconds UTC, need not be kept."""
    return site.clock() - int(float(site.settings.get("gc.keep_deleted", KEEP_DELETED)) * _MICROSECONDS)


def preview_collection(site: Site, *, grace: float | None, progress: Progress) -> Collection:
    """What `collect` would do; changes nothing."""
    asking = _Asking(site, {})
    found = site.store.preview_garbage(asking.roots, grace=_grace(site, grace), scratch=site.layout.temporary, progress=progress)
    return replace(found, given_up=_new(site, asking))


def collect(site: Site, *, grace: float | None, progress: Progress) -> Collection:
    """Deletes what was condemned ``grace`` seconds ago (the setting's, if None) and nobody needs, and condemns what is garbage now.

    What deleted versions alone hold is garbage when the setting ``gc.keep_deleted`` has passed since their deletion. Raises as
    `lineal.store.garbage.collect` does.
    """
    asking = _Asking(site, {})
    before = site.store.given_up()
    found = site.store.collect_garbage(asking.roots, name=site.project, grace=_grace(site, grace), scratch=site.layout.temporary, progress=progress)
    given_up = tuple(sorted(name for commit, name in asking.given_up.items() if commit not in before))
    with site.ledger.write() as connection:
        site.record_event(
            connection,
            "store.collected",
            subject="store",
            payload={"freed_bytes": found.freed_bytes, "condemned_bytes": found.condemned_bytes, "given_up": list(given_up)},
        )
    return replace(found, given_up=given_up)


def _grace(site: Site, given: float | None) -> float:
    return float(site.settings.get("gc.grace", GRACE)) if given is None else given


def _new(site: Site, asking: _Asking) -> tuple[str, ...]:
    before = site.store.given_up()
    return tuple(sorted(name for commit, name in asking.given_up.items() if commit not in before))


def _named_in_files(site: Site) -> Iterator[Digest]:
    """What is mounted, contents that journals name which are not wholly ingested, and what deployments have beside their rows."""
    yield from (mount.digest for mount in read_mounts(site) if mount.ended_at is None)
    layout = site.layout
    for path in [*layout.journals.glob("*/*"), *layout.deployments.glob("*/*.json")]:
        if path.is_file():
            yield from _named_in(path)


def _named_in(path: Path) -> Iterator[Digest]:
    """Contents that a file names in plain letters, whatever its form; it is read piece by piece."""
    rest = b""
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                text = (rest + piece).decode("latin-1")
                yield from map(Digest, DIGEST.findall(text))
                rest = piece[-_LONGEST:]
    except FileNotFoundError:
        return  # ingested meanwhile, and so in the ledger
