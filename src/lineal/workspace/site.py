"""What every use case of the local workspace stands on."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from lineal.errors import Integrity, PermissionDenied
from lineal.workspace.acting import acting

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from lineal.ledger.database import Ledger
    from lineal.store.backends.address import Address
    from lineal.store.backends.pages import PageCache
    from lineal.store.repository import Repository

P = ParamSpec("P")
T = TypeVar("T")


class OnSite(Protocol):
    """Whatever works on the parts of one workspace."""

    @property
    def _site(self) -> Site: ...


S = TypeVar("S", bound=OnSite)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things lie in a project. ``.lineal/`` survives moving the folder: nothing in it holds an absolute path that matters.

    Attributes:
        root: the folder that project paths are relative to.
        state_folder: the ``.lineal`` folder where it is not in ``root``: a linked git worktree shares the main one's.
    """

    root: Path
    state_folder: Path | None = None

    @property
    def state(self) -> Path:
        """``.lineal``."""
        return self.state_folder or self.root / ".lineal"

    @property
    def format(self) -> Path:
        """Names the format version of ledger and store, and the project's id."""
        return self.state / "format.json"

    @property
    def attachment(self) -> Path:
        """Names the server's project that the folder works in; not there where it works for itself."""
        return self.state / "server.json"

    @property
    def ledger(self) -> Path:
        """The SQLite database."""
        return self.state / "ledger.db"

    @property
    def ledger_made(self) -> Path:
        """Is there once the project has a ledger in this folder: tells a lost one from one not begun."""
        return self.state / "ledger.made"

    @property
    def store(self) -> Path:
        """Packs, indexes and refs."""
        return self.state / "store"

    @property
    def stat_index(self) -> Path:
        """What is known of files that did not change."""
        return self.state / "stat.db"

    @property
    def copies(self) -> Path:
        """What working copies looked like when they were last compared with a version."""
        return self.stat_index.with_name("copies")

    @property
    def heads(self) -> Path:
        """Which branch each dataset's working copy is on: a file for each dataset, in a folder of its own for each git worktree."""
        if self.state_folder is None or self.state_folder.parent.resolve() == self.root.resolve():
            return self.state / "heads"
        tree = os.path.relpath(self.root.resolve(), self.state.parent.resolve())
        return self.state / "heads" / f".{hashlib.sha256(os.fsencode(tree)).hexdigest()[:16]}"

    @property
    def journals(self) -> Path:
        """One folder per run that is not wholly ingested, named by its id."""
        return self.state / "journals"

    @property
    def mounts(self) -> Path:
        """A file of facts and a log for each mounted version, named by its id."""
        return self.state / "mounts"

    @property
    def deployments(self) -> Path:
        """One folder per deployment: bundle, service log, captured predictions."""
        return self.state / "deployments"

    @property
    def temporary(self) -> Path:
        """Scratch space on the same file system."""
        return self.state / "tmp"


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def storing(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """A use case that stores something and names it afterwards: until it ends, no collection takes away what it relies on."""

    @wraps(method)
    def inside(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._site.store.session():
            return method(self, *args, **kwargs)

    return inside


def system_clock() -> int:
    """Now, in microseconds UTC."""
    return time.time_ns() // 1000


class Site:
    """The parts of one open local workspace. Ledger and store open when first asked for: recording a run needs neither.

    Attributes:
        project_id: 32 hex digits, fixed when the project was made.
        clock: microseconds UTC.
        entropy: that many random bytes.
        ledger_url: SQLAlchemy URL of the ledger.
        ledger: an open one that others share, and that is not closed with this.
        settings: the bounds of what is kept and how long is waited, by the names in docs/reference/settings.md.
        stand_ins: in a program that is run again, which versions it gets; see `lineal.records.standing_in`.
        forward: brings a run whose record is complete to where it belongs, until a deadline of `time.monotonic`, and says whether all of it is
            there; None where it belongs here.
        sources: where others say what is here, the places of tracked data that may be asked; None on a machine of the user's own, who may name any.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        project_id: str,
        project: str,
        ledger_url: str,
        actor: str,
        settings: Mapping[str, Any],
        stand_ins: Mapping[str, str] | None = None,
        clock: Callable[[], int] = system_clock,
        entropy: Callable[[int], bytes] = os.urandom,
        ledger: Ledger | None = None,
        sources: Sequence[str] | None = None,
    ) -> None:
        if ledger is not None:
            self.__dict__["ledger"] = ledger
        self._shares_ledger = ledger is not None
        self.layout = layout
        self.project_id = project_id
        self.project = project
        self._user = actor
        self.settings = settings
        self.stand_ins = stand_ins or {}
        self.sources = sources
        self.clock = clock
        self.entropy = entropy
        self.ledger_url = ledger_url
        self.forward: Callable[[str, float], bool] | None = None
        self.deletions = 0
        """Counts up with each deletion and each return: what is remembered of deletable things is then asked anew."""

    @property
    def is_served(self) -> bool:
        """Whether others say what is here, as on a server: then no path that they name is one of this machine, and there are no working copies."""
        return self.sources is not None

    @property
    def actor(self) -> str:
        """Who acts, for events and authorship: whoever a request acts as, else the user of this process."""
        return acting() or self._user

    @cached_property
    def ledger(self) -> Ledger:
        """The facts.

        Raises:
            Integrity: kind ``lost-ledger``, if this project had a ledger and its file is gone or empty. A new one in its place would know
                of no deployment, and so protect nothing.
        """
        from lineal.ledger.database import Ledger

        local = self.ledger_url.startswith("sqlite")
        if local and self.layout.ledger_made.exists() and not _has_content(self.layout.ledger):
            raise Integrity(
                f"the ledger of project {self.project} is gone: {self.layout.ledger} is missing or empty",
                kind="lost-ledger",
                hint="Put it back from a backup; or begin a new one, which knows the datasets only, with: lineal fsck --rebuild",
            )
        opened = Ledger.open(self.ledger_url)
        if local and not self.layout.ledger_made.exists() and _has_content(self.layout.ledger):
            self.layout.ledger_made.touch()
        return opened

    def give_up_lost_ledger(self) -> None:
        """Lets a new ledger begin where the old one is gone; does nothing where it is there."""
        if not _has_content(self.layout.ledger):
            self.layout.ledger_made.unlink(missing_ok=True)

    @cached_property
    def store(self) -> Repository:
        """The bytes."""
        from lineal.store.repository import Repository

        opened = Repository.at(self.store_address, project_id=self.project_id, pages=self.pages)
        opened.borrow(lambda: self._lender)
        if self.settings.get("store.url", ""):
            opened.register_before_writing(lambda: self._register(opened))
        return opened

    def _register(self, store: Repository) -> None:
        """Makes the project known in a store that others may share, once; whoever may not write there collects no garbage there."""
        note, place = self.layout.state / "registered", self.store_address.place
        if note.exists() and note.read_text(encoding="utf-8") == place:
            return
        with suppress(PermissionDenied):
            store.register(self.project)
            note.write_text(place, encoding="utf-8")

    @property
    def store_address(self) -> Address:
        """Where the bytes lie: in the project's own folder, unless the setting ``store.url`` says otherwise."""
        from lineal.store.backends.address import FOLDER, Address, parse_address

        url = self.settings.get("store.url", "")
        found = parse_address(url, base=self.layout.root) if url else Address(scheme=FOLDER, path=str(self.layout.store.absolute()))
        return replace(found, prompt=self.is_served)

    @cached_property
    def pages(self) -> PageCache:
        """Parts of far away files that were read before."""
        from lineal.store.backends.pages import PageCache

        return PageCache(self.layout.state / "cache", self.settings.get("store.cache_bytes", 1 << 30))

    @cached_property
    def _lender(self) -> Repository | None:
        """The remote that has what a partial pull left there, if there was one."""
        from lineal.store.repository import Repository
        from lineal.workspace.remotes import address_of, lenders

        for remote in lenders(self):
            return Repository.existing(address_of(remote, self), project_id=self.project_id, pages=self.pages)
        return None

    def record_event(self, connection: Connection, action: str, *, subject: str, payload: Mapping[str, Any], actor: str = "") -> None:
        """Inserts an event of this project, of now and by its user unless told otherwise, into the caller's transaction."""
        from lineal.ledger.events import record_event

        record_event(
            connection,
            project_id=self.project_id,
            at=self.clock(),
            actor=actor or self.actor,
            action=action,
            subject=subject,
            payload=payload,
        )

    def close(self) -> None:
        """Closes what was opened."""
        for name in ("store", "_lender") if self._shares_ledger else ("ledger", "store", "_lender"):
            part = self.__dict__.pop(name, None)
            if part is not None:
                part.close()
