"""Which branch the working copy of a dataset is on. Each working tree of a project has its own, beside its stat index and not in the ledger."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lineal.errors import Integrity
from lineal.records.dataset import MAIN
from lineal.records.digest import Digest, parse_digest
from lineal.store.durable import sync_folder
from lineal.workspace.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a working copy is.

    Attributes:
        commit: of the version that was added from it or checked out to it last; None where that is not known.
    """

    branch: str = MAIN
    commit: Digest | None = None


def head_of(site: Site, name: str) -> Head:
    """Where the working copy of a dataset is; on the main line, if nobody said otherwise.

    Raises:
        Integrity: kind ``damaged-head``: guessing could put a version on the wrong branch.
    """
    path = site.layout.heads / name
    try:
        found = json.loads(path.read_bytes())
        commit = found["commit"]
        return Head(branch=str(found["branch"]), commit=parse_digest(commit) if commit else None)
    except FileNotFoundError:
        return Head()
    except (ValueError, KeyError, TypeError) as error:
        raise Integrity(
            f"{path} is damaged: it does not say which branch {name} is on",
            kind="damaged-head",
            hint=f"Say it again: remove that file, and lineal data checkout {name}@BRANCH",
        ) from error


def set_head(site: Site, name: str, head: Head) -> None:
    """Says where the working copy is now, in one step and for good. Safe among processes: the last one counts."""
    folder = site.layout.heads
    folder.mkdir(parents=True, exist_ok=True)
    if head_or_none(site, name) == head:
        return
    import tempfile  # those that only ask need not pay for it

    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"branch": head.branch, "commit": head.commit}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(folder / name)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    sync_folder(folder)


def head_or_none(site: Site, name: str) -> Head | None:
    """Where the working copy is; None where that is not known or cannot be read."""
    with suppress(Integrity):
        return head_of(site, name) if (site.layout.heads / name).exists() else None
    return None
