"""What works on this machine, what does not, and why: the answers of `lineal doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lineal.errors import LinealError
from lineal.ledger.mounts import NETWORK_FILE_SYSTEMS, file_system
from lineal.workspace.site import Site

WORKS = "works"
LIMITED = "limited"
MISSING = "missing"
STATES = (WORKS, LIMITED, MISSING)

LOW_SPACE = 1_000_000_000
SLOW_SYNC_SECONDS = 0.05

EXTRAS = (
    ("scikit-learn", "sklearn", "models of scikit-learn cannot be stored or served"),
    ("skops", "sklearn", "models of scikit-learn cannot be stored or served"),
    ("pandas", "sklearn", "tables are not given as data frames"),
    ("onnxruntime", "onnx", "ONNX models cannot be served"),
    ("pyarrow", "demo", "rows of Parquet files are not compared"),
    ("psycopg", "postgres", "the ledger cannot be PostgreSQL"),
    ("mfusepy", "mount", "versions cannot be mounted as folders"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        group: ``project``, ``server``, ``machine``, ``recording`` or ``extras``.
        state: ``works``, ``limited`` or ``missing``.
        detail: what was found, and what follows from it.
    """

    group: str
    name: str
    state: str
    detail: str


def examine(site: Site | None, *, trouble: str = "", server: Iterable[Finding] = ()) -> tuple[Finding, ...]:
    """Looks at the project (where there is one), the machine, what recording needs, and the extras.

    Args:
        trouble: why no project could be opened.
        server: what was found of the server whose project it is, where there is one.
    """
    folder = site.layout.state if site else Path.cwd()
    return (*_project(site, trouble), *server, *_machine(folder), *_recording(), *_extras())


def _project(site: Site | None, trouble: str) -> Iterator[Finding]:
    if site is None:
        yield Finding(group="project", name="project", state=MISSING, detail=trouble)
        return
    yield Finding(group="project", name="project", state=WORKS, detail=f"{site.project} in {site.layout.root}")
    for name in ("ledger", "store"):
        try:
            getattr(site, name)
        except LinealError as error:
            yield Finding(group="project", name=name, state=MISSING, detail=error.message)
        else:
            yield Finding(group="project", name=name, state=WORKS, detail="opens")


def _machine(folder: Path) -> Iterator[Finding]:
    yield Finding(group="machine", name="Python", state=WORKS, detail=f"{platform.python_version()} at {sys.executable}")
    known = sys.platform in {"linux", "darwin"}
    yield Finding(
        group="machine",
        name="system",
        state=WORKS if known else LIMITED,
        detail=platform.platform() + ("" if known else "; Linux and macOS are supported"),
    )
    yield _program("git", "machine", "git", "runs are recorded without commit and diff", "--version")
    yield _space(folder)
    yield _file_system(folder)
    yield _sync(folder)
    yield _fuse()
    yield _port(8400)


def _recording() -> Iterator[Finding]:
    yield Finding(group="recording", name="Python programs", state=WORKS, detail="files that Python opens are seen by an audit hook")
    yield _program(
        "strace", "recording", "other programs", "files that programs not in Python open are not seen unless declared with -i and -o", "-V"
    )
    yield _program(
        "unshare", "recording", "isolation", "a reproduction keeps the originals away by an audit hook in Python only", "--user", "--mount", "true"
    )
    yield _program("nvidia-smi", "recording", "GPU", "no NVIDIA GPU is recorded", "-L")


def _extras() -> Iterator[Finding]:
    for distribution, extra, without in EXTRAS:
        try:
            yield Finding(group="extras", name=distribution, state=WORKS, detail=version(distribution))
        except PackageNotFoundError:
            yield Finding(group="extras", name=distribution, state=MISSING, detail=f"{without}; install with: pip install 'lineal[{extra}]'")


def _program(program: str, group: str, name: str, without: str, *arguments: str) -> Finding:
    if not shutil.which(program):
        return Finding(group=group, name=name, state=MISSING, detail=f"{program} is not installed: {without}")
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(group=group, name=name, state=LIMITED, detail=f"{program} does not run ({error}): {without}")
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().partition("\n")[0]
        return Finding(group=group, name=name, state=LIMITED, detail=f"{program} does not work here ({reason}): {without}")
    return Finding(group=group, name=name, state=WORKS, detail=done.stdout.strip().partition("\n")[0] or program)


def _space(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    state = LIMITED if usage.free < LOW_SPACE else WORKS
    return Finding(
        group="machine", name="disk space", state=state, detail=f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} GB at {folder}"
    )


def _file_system(folder: Path) -> Finding:
    kind = file_system(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        return Finding(group="machine", name="file system", state=MISSING, detail=f"{kind} is a network file system: no SQLite ledger can lie on it")
    return Finding(group="machine", name="file system", state=WORKS, detail=kind or "local, as far as can be told here")


def _fuse() -> Finding:
    if os.access("/dev/fuse", os.R_OK | os.W_OK) and (os.geteuid() == 0 or shutil.which("fusermount3") or shutil.which("fusermount")):
        return Finding(group="machine", name="FUSE", state=WORKS, detail="versions can be mounted as folders")
    return Finding(group="machine", name="FUSE", state=MISSING, detail="no /dev/fuse or no fusermount3: versions are read through lineal:// only")


def _sync(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            start = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            taken = time.perf_counter() - start
    except OSError as error:
        return Finding(group="machine", name="writing", state=MISSING, detail=f"{folder}: {error.strerror}")
    state = WORKS if taken < SLOW_SYNC_SECONDS else LIMITED
    return Finding(group="machine", name="writing", state=state, detail=f"4 kB are safely on disk after {taken * 1000:.1f} ms")


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding(
                group="machine", name="port of the pages", state=LIMITED, detail=f"{port}: {error.strerror}; lineal ui takes the next free one"
            )
    return Finding(group="machine", name="port of the pages", state=WORKS, detail=f"{port} is free")
