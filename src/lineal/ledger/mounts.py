"""What is mounted where, and which file systems a ledger must not lie on. Needs no database library, so that every start can afford to ask."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "lustre", "glusterfs", "ceph"})
MOUNTS = Path("/proc/self/mounts")

_OCTAL = re.compile(rb"\\([0-7]{3})")


def file_system(path: Path, *, mounts: Path = MOUNTS) -> str:
    """The type of the file system that ``path`` lies on, or an empty string; known on Linux only.

    Source: fstab(5); blanks in mount points are written as octal escapes.
    """
    best, kind = b"", ""
    real = os.fsencode(path.resolve())
    for where, type_name in mounted_folders(mounts=mounts):
        if len(where) >= len(best) and (real == where or real.startswith(where.rstrip(b"/") + b"/")):
            best, kind = where, type_name
    return kind


def mounted_folders(*, mounts: Path = MOUNTS) -> Iterator[tuple[bytes, str]]:
    """Every mount point with the type of what is mounted there, the oldest first; known on Linux only."""
    if not mounts.exists():
        return
    for line in mounts.read_bytes().splitlines():
        _device, where, kind, *_rest = line.split(b" ")
        yield _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), where), kind.decode("ascii", "replace")


def network_file_system(path: Path, *, mounts: Path = MOUNTS) -> str:
    """The type of the network file system that ``path`` lies on, or an empty string; known on Linux only."""
    kind = file_system(path, mounts=mounts)
    return kind if kind in NETWORK_FILE_SYSTEMS else ""
