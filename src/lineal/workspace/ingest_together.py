"""Many short runs, brought in in one transaction: what each of them would cost alone is mostly the transaction.

Only what is plain is done here: runs that are new, whose journals are sound, and that have ended with all of these closed, or are recorded by
requests, so that nobody need ask for a process. Whatever is not, is left for the way of `lineal.workspace.ingest`, one run at a time; so is a run whose
entries make no sense, which takes none of its neighbours along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from lineal.capture.journal import journal_paths
from lineal.errors import LinealError
from lineal.records import journal
from lineal.workspace.applying import Known, apply_whole, known_of_each
from lineal.workspace.journal_batch import JournalPart, read_parts

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from lineal.workspace.site import Site

MOST = 64
"""Runs in one transaction, which other writers wait for."""

_LARGEST = 1 << 20
"""Bytes of journals up to which a run counts as short."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """A run with everything that its journals say so far."""

    folder: Path
    parts: Sequence[JournalPart]


def ingest_together(site: Site, folders: Sequence[Path]) -> dict[Path, Known]:
    """Brings in those runs that are plain; returns what the ledger then knows of each."""
    known = known_of_each(site, [folder.name for folder in folders])
    plain = [whole for folder in folders if known[folder.name].run is None and (whole := _whole(folder)) is not None]
    if not plain:
        return {}
    with site.ledger.write() as connection:
        done = [whole.folder for whole in plain if _applied(connection, site, whole)]
    after = known_of_each(site, [folder.name for folder in done])
    return {folder: after[folder.name] for folder in done}


def _whole(folder: Path) -> _Whole | None:
    """A run that is plain; None of any other."""
    if (folder / journal.UNCOLLECTED).exists():
        return None
    try:
        if sum(path.stat().st_size for path in journal_paths(folder)) > _LARGEST:
            return None
        parts = read_parts(folder, {}, frozenset())
    except (LinealError, OSError, KeyError, TypeError, ValueError):
        return None
    owners = [part for part in parts if part.is_owner]
    sound = len(owners) == 1 and all(part.end >= part.size and not part.problem for part in parts)
    return _Whole(folder, parts) if sound and (_is_over(parts) or all(part.begin.get("requested") for part in parts)) else None


def _is_over(parts: Sequence[JournalPart]) -> bool:
    return all(part.closed for part in parts) and any(entry["k"] == journal.END for part in parts if part.is_owner for entry in part.entries)


def _applied(connection: Connection, site: Site, whole: _Whole) -> bool:
    """Makes a run's rows, or none of them."""
    step = connection.begin_nested()
    try:
        apply_whole(connection, site, whole.folder, whole.parts)
    except (LinealError, IntegrityError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        step.rollback()
        return False
    step.commit()
    return True
