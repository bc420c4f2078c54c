"""Which file systems a ledger must not lie on. Needs no database library, so that every start can afford to ask."""

from __future__ import annotations

import re
from pathlib import Path

NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "lustre", "glusterfs", "ceph"})
MOUNTS = Path("/proc/self/mounts")

_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system(path: Path, *, mounts: Path = MOUNTS) -> str:
    """The type of the file system that ``path`` lies on, or an empty string; known on Linux only.

    Source: fstab(5); blanks in mount points are written as octal escapes.
    """
    if not mounts.exists():
        return ""
    best, kind = "", ""
    real = str(path.resolve())
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        _device, where, type_name, *_rest = line.split(" ")
        where = _OCTAL.sub(lambda match: chr(int(match[1], 8)), where)
        if len(where) >= len(best) and (real == where or real.startswith(where.rstrip("/") + "/")):
            best, kind = where, type_name
    return kind


def network_file_system(path: Path, *, mounts: Path = MOUNTS) -> str:
    """The type of the network file system that ``path`` lies on, or an empty string; known on Linux only."""
    kind = file_system(path, mounts=mounts)
    return kind if kind in NETWORK_FILE_SYSTEMS else ""
