"""Keeps the originals out of a rerun's reach.

On Linux the rerun gets a mount namespace of its own, in which the fresh checkout lies where the originals lie: every path is as it was, and what
is hidden cannot be opened by any program, in whatever language. Elsewhere, Python programs are refused by an audit hook.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lineal.workspace import barrier
from lineal.workspace.barrier.sitecustomize import HIDDEN

NAMESPACE = "namespace"
AUDIT_HOOK = "audit-hook"
NONE = "none"

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000


def enter_namespace(*, hide: Path, behind: Path, keep: Mapping[Path, Path], instead: Mapping[Path, Path] | None = None) -> None:
    """Puts ``behind`` in the place of ``hide`` for this process and everything it starts.

    Call it in a process with one thread, and use no path inside ``hide`` that was opened before.

    Args:
        keep: folders inside ``hide`` that stay readable, each with an empty folder outside that holds it meanwhile.
        instead: files outside ``hide``, each with the file that lies in its place.

    Raises:
        OSError: if the system does not allow it; this process may then be in a namespace in which nothing is hidden.

    Source: mount_namespaces(7), user_namespaces(7).
    """
    if not sys.platform.startswith("linux"):
        raise OSError("mount namespaces exist on Linux only")
    _unshare()
    _mount("none", Path("/"), _MS_REC | _MS_PRIVATE)
    for folder, holder in keep.items():
        _mount(folder, holder, _MS_BIND | _MS_REC)
    for path, content in (instead or {}).items():
        _mount(content, path, _MS_BIND)
    _mount(behind, hide, _MS_BIND | _MS_REC)
    for folder, holder in keep.items():
        folder.mkdir(parents=True, exist_ok=True)
        _mount(holder, folder, _MS_BIND | _MS_REC)


def refuse_by_audit_hook(*, hide: Path, keep: Sequence[Path], search_path: str) -> dict[str, str]:
    """Environment variables under which Python programs refuse to open anything in ``hide`` but what is in ``keep``.

    Args:
        search_path: the value that ``PYTHONPATH`` has.
    """
    folder = str(Path(str(barrier.__file__)).parent)
    return {
        "PYTHONPATH": os.pathsep.join(part for part in (folder, search_path) if part),
        HIDDEN: os.pathsep.join(os.path.realpath(path) for path in (hide, *keep)),
    }


def _unshare() -> None:
    """A mount namespace of our own: with a user namespace around it, unless we may without."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and _call("unshare", _CLONE_NEWNS) == 0:
        return
    if _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNS) != 0:
        raise _last_error("unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")


def _mount(source: Path | str, target: Path, flags: int) -> None:
    if _call("mount", os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None) != 0:
        raise _last_error(f"mount {target}")


def _call(name: str, *arguments: object) -> int:
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    return int(function(*arguments))


def _last_error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
