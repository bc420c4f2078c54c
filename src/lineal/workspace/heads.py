"""Which branch the working copy of a dataset is on. Each working tree of a project has its own, beside its stat index and not in the ledger."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass

from lineal.errors import Integrity, InvalidInput
from lineal.records.dataset import MAIN
from lineal.records.digest import Digest, parse_digest
from lineal.store.durable import make_folders, rename, sync_folder, unlink, write_pieces
from lineal.workspace.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a working copy is.

    Attributes:
        commit: of the version that was added from it or checked out to it last; None where that is not known.
        going: of the version that is being checked out to it, so that one which dies is not taken for somebody's changes.
    """

    branch: str = MAIN
    commit: Digest | None = None
    going: Digest | None = None


def head_of(site: Site, name: str) -> Head:
    """Where the working copy of a dataset is; on the main line, if nobody said otherwise.

    Raises:
        Integrity: kind ``damaged-head``: guessing could put a version on the wrong branch.
    """
    path = site.layout.heads / name
    try:
        found = json.loads(path.read_bytes())
        commit, going = (parse_digest(found[key]) if found.get(key) else None for key in ("commit", "going"))
        return Head(branch=str(found["branch"]), commit=commit, going=going)
    except FileNotFoundError:
        return Head()
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput) as error:
        raise Integrity(
            f"{path} is damaged: it does not say which branch {name} is on",
            kind="damaged-head",
            hint=f"Say it again: remove that file, and lineal data checkout {name}@BRANCH",
        ) from error


def set_head(site: Site, name: str, head: Head) -> None:
    """Says where the working copy is now, in one step and for good. Safe among processes: the last one counts."""
    folder = site.layout.heads
    if head_or_none(site, name) == head:
        return
    make_folders(folder)
    temporary = folder / f".{name}.{secrets.token_hex(8)}"
    try:
        write_pieces(temporary, [json.dumps(asdict(head)).encode()])
        rename(temporary, folder / name)
    except BaseException:
        unlink(temporary)
        raise
    sync_folder(folder)


def head_or_none(site: Site, name: str) -> Head | None:
    """Where the working copy is; None where that is not known or cannot be read."""
    with suppress(Integrity):
        return head_of(site, name) if (site.layout.heads / name).exists() else None
    return None
