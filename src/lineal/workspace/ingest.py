"""Brings what processes wrote into their journals into the ledger: each byte once, a run at a time, whenever somebody asks for runs.

A journal's offset moves in the same transaction as the rows that were made of it, so that neither a kill nor a second ingester can lose or double
anything. A lease only keeps two from doing the same work.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.capture.identity import process_identity, proven_dead
from lineal.capture.journal import SUFFIX, journal_paths
from lineal.errors import Conflict, Integrity, InvalidState
from lineal.ledger.leases import acquire_lease, release_lease
from lineal.ledger.portable import pieces
from lineal.ledger.run_writes import add_warnings
from lineal.records import journal
from lineal.records.ids import RUN_ID
from lineal.workspace.applying import Known, apply, is_gone, known_of
from lineal.workspace.ingest_together import MOST, ingest_together
from lineal.workspace.journal_batch import read_part, read_parts

if TYPE_CHECKING:
    from lineal.workspace.site import Site

LEASE_SECONDS = 60
WAIT_SECONDS = 10.0
FORGET_SECONDS = 7 * 24 * 3600
"""How long the journals of a run on a silent other machine are kept: it may only have lost its network."""


_one_thread = threading.Lock()
_log = logging.getLogger(__name__)
_told: set[Path] = set()


def ingest(site: Site) -> int:
    """Brings every pending journal into the ledger, settles dead runs, and says how many runs changed.

    One listing where nothing is pending. Another ingester at work is waited for, up to 10 s.
    """
    folders = _run_folders(site)
    if not folders:
        return 0
    waiting = [folder for folder in folders if _has_work(site, folder)]
    if not waiting:
        return 0
    with _alone(site) as renew:
        return _ingest_all(site, waiting, renew) if renew is not None else 0


def journal_problems(site: Site) -> tuple[str, ...]:
    """Journals that cannot be read, one sentence each: for `lineal doctor` and `lineal fsck`."""
    found = []
    for folder in _run_folders(site):
        for path in journal_paths(folder):
            try:
                part = read_part(path, 0)
            except InvalidState as error:
                found.append(error.message)
            else:
                found.extend([part.problem] if part.problem else [])
    return tuple(found)


def ingest_some(site: Site, run_ids: Sequence[str]) -> int:
    """Brings the journals of some runs into the ledger, whatever else waits; says how many changed."""
    folders = [site.layout.journals / run for run in run_ids if (site.layout.journals / run).is_dir()]
    if not folders:
        return 0
    with _alone(site) as renew:
        return _ingest_all(site, folders, renew) if renew is not None else 0


def _run_folders(site: Site) -> list[Path]:
    try:
        names = sorted(os.listdir(site.layout.journals))
    except FileNotFoundError:
        return []
    return [site.layout.journals / name for name in names if RUN_ID.match(name)]


def _has_work(site: Site, folder: Path) -> bool:
    known = known_of(site, folder.name)
    if known.run is None or known.ended:
        return True
    if is_gone(site, json.loads(known.run["process"]), known.run["heartbeat_at"]):
        return True
    return any(path.stat().st_size > known.offsets.get(path.stem, 0) for path in journal_paths(folder) if path.stem not in known.done)


@contextmanager
def _alone(site: Site) -> Iterator[Any]:
    """Holds the lease on ingesting; gives a function that renews it, or None where another holder does not come to an end."""
    name = f"ingest:{site.project_id}"
    owner = json.dumps(process_identity())  # of the whole process: what a full disk kept from being given back is simply taken again

    def acquire() -> bool:
        now = site.clock()
        with site.ledger.write() as connection:
            until = now + LEASE_SECONDS * 1_000_000
            return acquire_lease(connection, name, owner=owner, now=now, until=until, is_dead=lambda other: proven_dead(json.loads(other)))

    if not _one_thread.acquire(timeout=WAIT_SECONDS):
        yield None
        return
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not (held := acquire()) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield acquire if held else None
        if held:
            with site.ledger.write() as connection:
                release_lease(connection, name, owner=owner)
    finally:
        _one_thread.release()


def _ingest_all(site: Site, folders: Sequence[Path], renew: Any) -> int:
    """Runs that are short and over come in together, any other by itself; says how many changed."""
    changed = 0
    for some in pieces(folders, size=MOST):
        done = ingest_together(site, some) if len(some) > 1 else {}
        for folder, known in done.items():
            _remove_if_complete(site, folder, known)
        changed += len(done) + sum(_ingest_safely(site, folder, renew) for folder in some if folder not in done)
        if len(some) == MOST:
            renew()
    return changed


def _ingest_safely(site: Site, folder: Path, renew: Any) -> bool:
    """One run; a journal of a newer version or damaged bytes hold up their own run only, and are told by `journal_problems`.

    So do entries that are not what they should be: a server takes in what other programs wrote.
    """
    try:
        return _ingest_run(site, folder, renew)
    except (InvalidState, Integrity) as error:
        if error.kind not in {"newer-format", "damaged-journal"}:
            raise
        return False
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if folder not in _told:
            _told.add(folder)
            _log.warning("what run %s wrote makes no sense, and waits in %s: %s: %s", folder.name[:8], folder, type(error).__name__, error)
        return False


def _ingest_run(site: Site, folder: Path, renew: Any) -> bool:
    changed, renewed = False, time.monotonic()
    while True:
        known = known_of(site, folder.name)
        collected = not (folder / journal.UNCOLLECTED).exists()  # asked before reading: what comes later is read again
        gone = known.run is not None and is_gone(site, json.loads(known.run["process"]), known.run["heartbeat_at"])
        parts = read_parts(folder, known.offsets, known.done)
        last = all(part.wholly_read or part.end == part.start for part in parts)
        try:
            changed = apply(site, folder, parts, known=known, last=last, collected=collected, gone=gone) or changed
        except Conflict as error:
            if error.kind != "journal-moved":
                raise
            continue  # another ingester was here although the lease was ours: read again from where it came to
        if last and (known.run is not None or not changed):
            break  # a run that is new here is looked at twice: whether its owner is gone must be asked before reading
        if time.monotonic() - renewed > LEASE_SECONDS / 4:
            renewed = time.monotonic()
            renew()
    _remove_if_complete(site, folder, known_of(site, folder.name))
    return changed


def _is_forgotten(site: Site, process: Mapping[str, Any], heartbeat_at: int | None) -> bool:
    """Whether nothing more can come of a journal that was not closed."""
    if site.is_served:  # the rest of it may still be on its way, even from this very machine
        return heartbeat_at is not None and site.clock() - heartbeat_at > FORGET_SECONDS * 1_000_000
    return is_gone(site, process, heartbeat_at, patience=FORGET_SECONDS)


def _remove_if_complete(site: Site, folder: Path, known: Known) -> None:
    """Removes the journals of an ended run when everything in them is in the ledger and nobody writes any more.

    In a folder that works in a server's project they stay: who sends them removes them, when the server has them.
    """
    if site.layout.attachment.exists():
        return
    if known.run is None or not known.ended or known.unsettled or (folder / journal.UNCOLLECTED).exists():
        return
    names = _names(folder)  # what another machine sends in this moment is none of these, and stays
    paths = [folder / name for name in names if name.endswith(SUFFIX)]
    for path in paths:
        if path.stem in known.done:
            continue
        part = read_part(path, known.offsets.get(path.stem, 0))
        comes_again = part.size < part.start  # from its beginning, as it had been cleared away
        if part.end > part.start or comes_again or not _is_forgotten(site, part.begin, known.run["heartbeat_at"]):
            return
    _keep_damaged(site, paths, known)
    _clear(folder, names)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _clear(folder: Path, names: Sequence[str]) -> None:
    """Removes files of a folder, and the folder if nothing else is in it."""
    for name in names:
        path = folder / name
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    with suppress(OSError):
        folder.rmdir()


def _keep_damaged(site: Site, paths: Sequence[Path], known: Known) -> None:
    """Puts aside journals that were not read to their end, for whoever wants to look, and says so where it was not said before."""
    for path in paths:
        if path.stat().st_size > known.offsets.get(path.stem, 0):
            run = path.parent.name
            aside = site.layout.state / "damaged" / run
            aside.mkdir(parents=True, exist_ok=True)
            path.replace(aside / path.name)
            if path.stem not in known.done:
                with site.ledger.write() as connection:
                    add_warnings(connection, run, [f"journal {path.name} breaks off in its last entry: what was recorded just before is lost."])
