"""What runs read through mounts: whoever serves a mount sees each file that is opened and by which process, whatever language that is written in.

The paths are noted in the run's own folder of journals, one file for each mount, before the opening returns; they are brought into the record with
everything else when the run is completed. Nothing is read or digested for it: the version's tree knows every content.
"""

from __future__ import annotations

import os
import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from lineal.errors import LinealError
from lineal.records.address import Address
from lineal.records.journal import RUN_VARIABLE
from lineal.store.view import TreeView
from lineal.workspace.mounts import read_mount, read_mounts, record_path

if TYPE_CHECKING:
    from lineal.capture.sightings import Sighting, Sightings
    from lineal.records.mount import Mount
    from lineal.workspace.site import Site

SUFFIX = ".mount"
PROCESSES = Path("/proc")

_RUN = re.compile(rb"(?:\A|\0)" + RUN_VARIABLE.encode() + rb"=([0-9a-f]{32})(?:\0|\Z)")
_REMEMBERED_RUNS = 16
_REMEMBERED_PROCESSES = 4096
_MOST_ANCESTORS = 32
_FRESH_SECONDS = 1.0


class MountReads:
    """Notes what is opened through one mount. Called by whoever serves it, from several threads.

    Args:
        journals: the project's folder of journals: a run of another project is none of ours.
    """

    def __init__(self, journals: Path, identity: str) -> None:
        self._journals = journals
        self._name = identity + SUFFIX
        self._runs: dict[int, tuple[float, str]] = {}
        self._noted: OrderedDict[str, set[bytes]] = OrderedDict()

    def opened(self, pid: int, path: bytes) -> None:
        """Notes that a process opens a file, if the process is part of a run that goes on; never fails."""
        run = self._run_of(pid)
        if not run:
            return
        key = blake3(path).digest(8)
        noted = self._noted.setdefault(run, set())
        if key in noted:
            return
        with suppress(OSError):  # the run is over, or the disk is full: what was opened could be read all the same
            descriptor = os.open(self._journals / run / self._name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, path + b"\0")
            finally:
                os.close(descriptor)
            noted.add(key)
        while len(self._noted) > _REMEMBERED_RUNS:
            self._noted.popitem(last=False)

    def _run_of(self, pid: int) -> str:
        """The run that a process is part of: by the environment that it, or else whoever started it, was started with."""
        until, run = self._runs.get(pid, (0.0, ""))
        if time.monotonic() < until:
            return run
        run = next(filter(None, map(_named_run, _with_ancestors(pid))), "")
        run = run if run and (self._journals / run).is_dir() else ""
        if len(self._runs) > _REMEMBERED_PROCESSES:
            self._runs.clear()
        self._runs[pid] = (time.monotonic() + _FRESH_SECONDS, run)
        return run


def _named_run(pid: int) -> str:
    try:
        found = _RUN.search((PROCESSES / str(pid) / "environ").read_bytes())
    except OSError:
        return ""
    return found[1].decode() if found is not None else ""


def _with_ancestors(pid: int) -> Iterator[int]:
    """A process, what started it, and so on: a program may start others with an emptied environment."""
    for _ in range(_MOST_ANCESTORS):
        if pid <= 1:
            return
        yield pid
        try:
            facts = (PROCESSES / str(pid) / "stat").read_bytes()
        except OSError:
            return
        pid = int(facts.rpartition(b")")[2].split()[1])  # Source: proc_pid_stat(5); the name before may hold anything


def take_mounted(site: Site, folder: Path, seen: Sightings) -> list[dict[str, Any]]:
    """The fields of a `READ` entry for each file that a run read through a mount; what was seen of those files otherwise is taken out of ``seen``.

    Args:
        folder: the run's folder of journals.
    """
    found: dict[tuple[str, bytes], dict[str, Any]] = {}
    for mount, path in _noted(site, folder):
        _add(found, site, mount, path, sighting=None)
    began = int(seen.owner.get("started", 0))
    mounts = [mount for mount in read_mounts(site) if mount.ended_at is None or mount.ended_at >= began]
    places = _Places()
    for path, sighting in list(seen.files.items()) if mounts else ():
        for mount in mounts:
            inside = places.inside(mount, path)
            if inside is None and not _is_on(mount, sighting):
                continue
            if inside is None or _add(found, site, mount, inside, sighting=sighting):
                del seen.files[path]
                break
    return list(found.values())


def _noted(site: Site, folder: Path) -> Iterator[tuple[Mount, bytes]]:
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        mount = read_mount(record_path(site, file.name.removesuffix(SUFFIX)))
        if mount is not None:
            for path in file.read_bytes().split(b"\0")[:-1]:  # what follows the last zero was never wholly written
                yield mount, path


def _add(found: dict[tuple[str, bytes], dict[str, Any]], site: Site, mount: Mount, path: bytes, *, sighting: Sighting | None) -> bool:
    """Adds what lies at a path of a mounted version; whether something does, and was there to be read."""
    if sighting is not None and not _was_there(mount, sighting):
        return False
    try:
        entry = TreeView(site.store, mount.digest).follow(path)
    except LinealError:
        return False
    if entry is None:
        return False
    read = found.setdefault((mount.id, entry.path), _fields(mount, entry.path, {"digest": entry.digest, "size": entry.size}))
    if entry.mode == "folder":
        read["facts"] = {"commit": mount.commit, "through": mount.folder}
    if sighting is not None and "input" in sighting.declared:
        read |= {"declared": True, "role": sighting.declared["input"]}
    return True


def _fields(mount: Mount, path: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "direction": "input",
        "url": Address(reference=mount.reference, path=path).text,
        "role": "",
        "declared": False,
        "facts": {"commit": mount.commit, "through": mount.folder, **facts},
        "time": mount.started_at,
    }


def _was_there(mount: Mount, sighting: Sighting) -> bool:
    at = sighting.first_at
    return at is None or (mount.started_at <= at and (mount.ended_at is None or at <= mount.ended_at))


def _is_on(mount: Mount, sighting: Sighting) -> bool:
    """Whether a file lay on the mounted file system under another name, such as in another mount namespace: who serves it noted it then."""
    return sighting.before is not None and bool(mount.device) and sighting.before[0] == mount.device and _was_there(mount, sighting)


class _Places:
    """Finds paths in mounts; folders on the way may be links."""

    def __init__(self) -> None:
        self._real: dict[bytes, bytes] = {}

    def inside(self, mount: Mount, path: bytes) -> bytes | None:
        """The path inside the mounted version, or None where it lies elsewhere."""
        top = os.fsencode(mount.folder)
        if (path + b"/").startswith(top + b"/"):
            return path[len(top) + 1 :]
        folder, name = os.path.split(path)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        real = os.path.join(self._real[folder], name)
        return real[len(top) + 1 :] if (real + b"/").startswith(top + b"/") else None
