"""``python -m lineal.mount ID FACTS``: serves one mounted version until it is unmounted; started by ``lineal data mount``."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.capture.identity import process_identity
from lineal.errors import LinealError, Unavailable
from lineal.records.dataset import DatasetVersion
from lineal.records.mount import Mount
from lineal.workspace.mount_reads import MountReads
from lineal.workspace.mounts import end_mount, log_path, note_mount, read_mount, record_path
from lineal.workspace.viewing import LocalView

if TYPE_CHECKING:
    from lineal.workspace.interface import VersionView
    from lineal.workspace.site import Site

OPTIONS = {"ro": True, "subtype": "lineal", "default_permissions": True}
"""Mount options; Source: mount.fuse3(8)."""


def main(identity: str, text: str) -> None:
    """Mounts, and serves until the end; what keeps it from that is left beside the log for whoever started it."""
    from lineal.bootstrap.compose import open_workspace

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    facts: dict[str, Any] = json.loads(text)
    workspace = open_workspace(Path(facts["root"]))
    try:
        _serve(workspace.site, LocalView(workspace.site, DatasetVersion(**facts["version"])), identity, facts)
    except LinealError as error:
        failed = {"class": type(error).__name__, "message": error.message, "kind": error.kind, "hint": error.hint}
        log_path(workspace.site, identity).with_suffix(".failed").write_text(json.dumps(failed), encoding="utf-8")
        sys.exit(1)
    finally:
        workspace.close()


def _serve(site: Site, view: VersionView, identity: str, facts: dict[str, Any]) -> None:
    operations, fuse = _load()
    version = view.version
    mount = Mount(
        id=identity,
        reference=version.reference,
        commit=version.commit,
        digest=version.digest,
        folder=facts["folder"],
        started_at=site.clock(),
        process=process_identity(),
        made_folder=facts["made"],
    )
    answering = operations(view, identity=identity, opened=MountReads(site.layout.journals, identity).opened, ready=partial(_note, site, mount))
    alone = not site.store.far and not version.tracked  # where nothing is waited for, threads only take the interpreter's lock from one another
    try:
        fuse(answering, facts["folder"], foreground=True, nothreads=alone, fsname=f"lineal:{version.reference}", **OPTIONS)
    except RuntimeError as error:  # what libfuse said is in the log
        raise Unavailable(
            f"{version.reference} could not be mounted at {facts['folder']}", kind="mount-failed", hint=f"See {log_path(site, identity)}"
        ) from error
    finally:
        end_mount(site, mount, lost=False)
        if mount.made_folder:
            with suppress(OSError):  # somebody was faster, or put something into it
                os.rmdir(mount.folder)


def _note(site: Site, mount: Mount) -> None:
    """Notes the mount once it answers: not before, because its device is known only then."""
    try:
        device = os.stat(mount.folder).st_dev
    except OSError:  # it was taken away at once
        return
    if read_mount(record_path(site, mount.id)) is None:  # else it is over already
        note_mount(site, replace(mount, device=device))


def _load() -> tuple[Any, Any]:
    """The operations and what runs them; the library of the system's that it stands on is looked for when it is imported."""
    try:
        from mfusepy import FUSE

        from lineal.interfaces.fuse.operations import Operations
    except ImportError as error:
        raise Unavailable(
            "mounting needs mfusepy, which is not installed", kind="missing-extra", hint="Install it with: pip install 'lineal[mount]'"
        ) from error
    except (OSError, AttributeError) as error:
        raise Unavailable(
            f"mounting needs the system's libfuse: {error}", kind="no-fuse", hint="Install it, on Debian with: apt-get install fuse3"
        ) from error
    return Operations, FUSE


if __name__ == "__main__":
    main(*sys.argv[1:])
