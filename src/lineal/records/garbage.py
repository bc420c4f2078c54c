"""What a collection of garbage found, kept and freed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What was condemned and is still there, because something may need it yet.

    Attributes:
        reasons: one sentence each; none where only the grace must pass.
        age_seconds: since when it waits, by the store's own clock.
    """

    tombstone: str
    packs: int
    bytes: int
    age_seconds: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One collection, or the preview of one.

    Attributes:
        dry_run: whether nothing was changed.
        objects, needed_objects: in the store, and needed.
        bytes: size of all packs; garbage_bytes: how much of that nobody needs, as far as compression lets one tell.
        given_up: versions whose deletion cannot be undone from now on.
        condemned_packs, condemned_bytes: taken out of the index, to be deleted after the grace; rewritten_packs: of those, what was still
            needed of them was written anew.
        freed_packs, freed_bytes: deleted now; restored_packs: came to be needed again since they were condemned.
        held_by: what is kept for which reason, in words.
    """

    dry_run: bool
    objects: int
    needed_objects: int
    bytes: int
    garbage_bytes: int
    given_up: tuple[str, ...] = ()
    condemned_packs: int = 0
    condemned_bytes: int = 0
    rewritten_packs: int = 0
    freed_packs: int = 0
    freed_bytes: int = 0
    restored_packs: int = 0
    waiting: tuple[Waiting, ...] = ()
    held_by: tuple[str, ...] = ()
