"""What is known of the project's mounts: one small file each, kept for a while after the mount has ended.

Runs that read through a mount are completed after they have ended, when it may be gone; which version lay there is known from here.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.capture.identity import proven_dead
from lineal.ledger.mounts import mounted_folders
from lineal.records.mount import Mount

if TYPE_CHECKING:
    from lineal.workspace.site import Site

FORGET_SECONDS = 30 * 24 * 3600
"""How long an ended mount is remembered: runs that read through it may still be waiting to be completed."""

KIND = "fuse.lineal"
"""The type of the file system in the system's table of mounts."""

_RECORD = ".json"
_LOG = ".log"


def note_mount(site: Site, mount: Mount) -> None:
    """Writes what is known of a mount, in one step."""
    path = record_path(site, mount.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(dataclasses.asdict(mount)), encoding="ascii")
    temporary.replace(path)


def read_mounts(site: Site) -> tuple[Mount, ...]:
    """Every mount that is remembered, the oldest first."""
    return tuple(sorted(_read_all(site), key=lambda mount: (mount.started_at, mount.id)))


def end_mount(site: Site, mount: Mount, *, lost: bool) -> Mount:
    """Notes that a mount is over; one that was noted before stays as it is."""
    known = read_mount(record_path(site, mount.id)) or mount
    if known.ended_at is None:
        known = replace(known, ended_at=site.clock(), lost=lost)
        note_mount(site, known)
    return known


def forget_old(site: Site) -> None:
    """Removes what is known of mounts that ended long ago."""
    oldest = site.clock() - FORGET_SECONDS * 1_000_000
    for mount in read_mounts(site):
        if mount.ended_at is not None and mount.ended_at < oldest:
            record_path(site, mount.id).unlink(missing_ok=True)
            log_path(site, mount.id).unlink(missing_ok=True)


def record_path(site: Site, identity: str) -> Path:
    """Where a mount's facts are."""
    return site.layout.mounts / (identity + _RECORD)


def log_path(site: Site, identity: str) -> Path:
    """Where the process that serves it writes what went wrong."""
    return site.layout.mounts / (identity + _LOG)


def read_mount(path: Path) -> Mount | None:
    """What a file says of a mount; None where it cannot be read any more."""
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        return Mount(**known)
    except (OSError, ValueError, TypeError):
        return None


def is_served(mount: Mount) -> bool:
    """Whether the process behind a mount is there, as far as this machine can tell."""
    return mount.ended_at is None and not proven_dead(mount.process)


def in_the_way(folder: bytes) -> bool:
    """Whether a mounted version lies at a folder, be its process dead or alive."""
    return any(place == folder and kind == KIND for place, kind in mounted_folders())


def identity_at(folder: bytes) -> str:
    """The id of the mount that answers at a folder, or an empty string."""
    if not hasattr(os, "getxattr"):
        return ""
    try:
        return os.getxattr(folder, b"user.lineal.mount").decode("ascii", "replace")
    except OSError:
        return ""


def _read_all(site: Site) -> Iterator[Mount]:
    try:
        names = os.listdir(site.layout.mounts)
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(_RECORD):
            found = read_mount(site.layout.mounts / name)
            if found is not None:
                yield found
