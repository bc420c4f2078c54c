"""Mounting versions as read-only folders: a process of its own serves each until it is taken away, by us or by the system."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lineal import errors
from lineal.capture.identity import proven_dead
from lineal.errors import Conflict, InvalidInput, LinealError, NotFound, Unavailable
from lineal.records.ids import run_id
from lineal.records.journal import FOLDER_VARIABLE, RUN_VARIABLE
from lineal.records.mount import Mount
from lineal.workspace.mounts import end_mount, forget_old, identity_at, in_the_way, is_served, log_path, read_mount, read_mounts, record_path

if TYPE_CHECKING:
    from lineal.records.dataset import DatasetVersion
    from lineal.workspace.site import Site

MODULE = "lineal.mount"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
DEVICE = Path("/dev/fuse")

_NEEDED = ("name", "number", "commit", "digest", "path", "root", "single_file", "files", "size", "created_at")
"""What serving a version takes to know of it: enough to need no ledger."""

_STEP_SECONDS = 0.02
_TAIL = 2000
_UNMOUNTERS = (("fusermount3", "-u"), ("fusermount", "-u"), ("umount",))


class _Detached(subprocess.Popen[bytes]):
    """A child that is meant to outlive this process: leaving it running is no mistake to be warned of."""

    def __del__(self) -> None:
        pass


def mount_version(site: Site, version: DatasetVersion, folder: Path) -> Mount:
    """Mounts a version at an empty folder, which is made where there is none; it is there when this returns.

    Raises:
        Unavailable: kind ``missing-extra``, ``no-fuse`` or ``mount-failed``.
        InvalidInput: kind ``bad-path`` or ``not-a-folder``; Conflict: kind ``folder-not-empty``.
    """
    identity = run_id(site.entropy(16))
    log = log_path(site, identity)
    with _one_at_a_time(log.parent):
        place, made = _prepare(site, folder)
        try:
            with log.open("ab") as output:
                process = _start(site, version, place, identity=identity, made=made, output=output)
            return _wait_until_there(site, place, identity, process)
        except LinealError:
            _take_back(place, made=made)
            raise


def serve_version(site: Site, version: DatasetVersion, folder: Path) -> None:
    """Mounts a version and comes back when it is taken away, or Ctrl-C was pressed. Raises as `mount_version` does."""
    place, made = _prepare(site, folder)
    identity = run_id(site.entropy(16))
    process = _start(site, version, place, identity=identity, made=made, output=None)
    while True:
        with suppress(KeyboardInterrupt):  # it was pressed for the process that serves, too, which ends then
            process.wait()
            break
    if read_mount(record_path(site, identity)) is None:
        _take_back(place, made=made)
        raise _failure(site, identity)


def unmount(site: Site, folder: Path, *, force: bool = False) -> Mount | None:
    """Takes a mounted version away, and cleans up behind one whose process died; what is known of it, if it was this project's.

    Args:
        force: whether it goes although programs use it: they get errors then.

    Raises:
        NotFound: kind ``not-mounted``; Conflict: kind ``mount-busy``; Unavailable: kind ``cannot-unmount``.
    """
    place = _place(folder)
    known = next((mount for mount in reversed(read_mounts(site)) if os.fsencode(mount.folder) == place and mount.ended_at is None), None)
    if not in_the_way(place) and (known is None or not is_served(known)):
        raise NotFound(f"no version is mounted at {os.fsdecode(place)}", kind="not-mounted", hint="See what is with: lineal data mounts")
    stale = known is not None and not _answers(known)
    _detach(place, lazily=force or stale)
    if known is None:
        return None
    if force and not stale:
        with suppress(ProcessLookupError):  # it serves on for programs that have files open
            os.kill(known.pid, signal.SIGTERM)
    _wait_until_gone(known)
    return _cleaned(site, known, lost=stale)


def list_mounts(site: Site) -> Sequence[Mount]:
    """What is mounted; behind mounts whose process died it is cleaned up first, and they are told of once, as lost."""
    forget_old(site)
    found = []
    for mount in read_mounts(site):
        if mount.ended_at is not None:
            continue
        if _answers(mount):
            found.append(mount)
            continue
        with suppress(LinealError):  # it may be mounted in another container only
            if in_the_way(os.fsencode(mount.folder)):
                _detach(os.fsencode(mount.folder), lazily=True)
        found.append(_cleaned(site, mount, lost=True))
    return tuple(found)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Lets no other command of the project mount meanwhile: both would find the same folder empty. The system lets go where a holder dies."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _answers(mount: Mount) -> bool:
    """Whether a mount is there and sound; one that is not seen from here, as in another container, counts as sound while its process lives."""
    place = os.fsencode(mount.folder)
    return is_served(mount) and (not in_the_way(place) or identity_at(place) == mount.id)


def _prepare(site: Site, folder: Path) -> tuple[bytes, bool]:
    """The mount point, and whether it was made."""
    _check_fuse()
    list_mounts(site)  # what a dead process left at the folder would look like a disk that fails
    place = _place(folder)
    state = os.path.realpath(os.fsencode(site.layout.state))
    if (place + b"/").startswith(state + b"/"):
        raise InvalidInput(f"{os.fsdecode(place)} is in Lineal's own folder", kind="bad-path", hint="Name a folder elsewhere.")
    try:
        made = not os.path.lexists(place)
        os.makedirs(place, exist_ok=True)
        if os.listdir(place):
            raise Conflict(f"{os.fsdecode(place)} holds something", kind="folder-not-empty", hint="Name an empty folder, or one that is not there.")
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInput(f"{os.fsdecode(place)} is not a folder", kind="not-a-folder", hint="Name a folder to mount at.") from error
    except OSError as error:
        raise InvalidInput(f"{os.fsdecode(place)} cannot be a mount point: {error.strerror}", kind="bad-path", hint="Name another folder.") from error
    if in_the_way(place):
        raise Conflict(
            f"a version is mounted at {os.fsdecode(place)}",
            kind="folder-not-empty",
            hint=f"Take it away with: lineal data unmount {os.fsdecode(place)}",
        )
    return place, made


def _check_fuse() -> None:
    if importlib.util.find_spec("mfusepy") is None:
        raise Unavailable("mounting needs mfusepy, which is not installed", kind="missing-extra", hint="Install it with: pip install 'lineal[mount]'")
    if not sys.platform.startswith("linux"):
        raise Unavailable("versions are mounted on Linux only", kind="no-fuse", hint="Read them through lineal://, or check them out.")
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        raise Unavailable(
            f"{DEVICE} cannot be used here, so nothing can be mounted",
            kind="no-fuse",
            hint="In a container, start it with: --device /dev/fuse --cap-add SYS_ADMIN. Reading through lineal:// needs none of it.",
        )


def _place(folder: Path) -> bytes:
    """The absolute path of a mount point without links, as the system's table has it."""
    return os.path.realpath(os.fsencode(folder))


def _start(site: Site, version: DatasetVersion, place: bytes, *, identity: str, made: bool, output: IO[bytes] | None) -> _Detached:
    """Starts the process that serves; with an ``output`` it is detached from this one, and without it belongs to the same terminal."""
    outside = ["env", "-u", RUN_VARIABLE, "-u", FOLDER_VARIABLE]  # what a recorded program mounts is no part of its run
    known = {name: getattr(version, name) for name in _NEEDED} | {"tracked": dict(version.tracked)}
    facts = {"root": os.fspath(site.layout.root), "version": known, "folder": os.fsdecode(place), "made": made}
    command = [*outside, sys.executable, "-P", "-m", MODULE, identity, json.dumps(facts)]
    return _Detached(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.DEVNULL,
        stderr=output,
        cwd=site.layout.root,
        start_new_session=output is not None,
    )


def _wait_until_there(site: Site, place: bytes, identity: str, process: _Detached) -> Mount:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if identity_at(place) == identity and (found := read_mount(record_path(site, identity))) is not None:
            process.returncode = 0  # it outlives us and is never waited for
            return found
        time.sleep(_STEP_SECONDS)
    process.terminate()
    process.wait()
    raise _failure(site, identity)


def _failure(site: Site, identity: str) -> LinealError:
    """Why the process could not mount: what it left in words, else the end of its log."""
    log = log_path(site, identity)
    with suppress(OSError, ValueError, KeyError):
        told = json.loads(log.with_suffix(".failed").read_text(encoding="utf-8"))
        log.with_suffix(".failed").unlink()
        made: LinealError = getattr(errors, told["class"])(told["message"], kind=told["kind"], hint=told["hint"])
        return made
    with suppress(OSError):
        last = log.read_bytes()[-_TAIL:].decode("utf-8", "replace").strip().splitlines()
        if last:
            return Unavailable(f"the version could not be mounted: {last[-1]}", kind="mount-failed", hint=f"See {log}")
    return Unavailable("the version could not be mounted", kind="mount-failed", hint="Try it with --foreground to see why.")


def _detach(place: bytes, *, lazily: bool) -> None:
    """Takes a file system away by the first program that this machine has for it."""
    said = "there is no fusermount3, fusermount or umount here"
    for program, *options in _UNMOUNTERS:
        lazy = ["-l" if program == "umount" else "-z"] if lazily else []
        try:
            done = subprocess.run([program, *options, *lazy, "--", place], capture_output=True, check=False, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            continue
        if not done.returncode or not in_the_way(place):
            return
        said = done.stderr.decode("utf-8", "replace").strip()
        if "busy" in said:
            break
    name = os.fsdecode(place)
    if "busy" in said:
        raise Conflict(
            f"programs are using {name}", kind="mount-busy", hint=f"End them (see: fuser -vm {name}), or: lineal data unmount --force {name}"
        )
    raise Unavailable(f"{name} cannot be unmounted: {said}", kind="cannot-unmount", hint="Only who mounted it, or root, may take it away.")


def _wait_until_gone(mount: Mount) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while not proven_dead(mount.process) and time.monotonic() < deadline:
        time.sleep(_STEP_SECONDS)


def _cleaned(site: Site, mount: Mount, *, lost: bool) -> Mount:
    _take_back(os.fsencode(mount.folder), made=mount.made_folder)
    return end_mount(site, mount, lost=lost)


def _take_back(place: bytes, *, made: bool) -> None:
    """Removes a folder again that was made for a mount."""
    if made:
        with suppress(OSError):  # somebody put something into it, or it is still in use
            os.rmdir(place)
