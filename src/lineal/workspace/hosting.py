"""Many projects in one place: one ledger for all, and for each a store and a folder of its own. docs/design/server.md has the plan."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from lineal.errors import Conflict, Integrity, InvalidInput, InvalidState, LinealError, NotFound, Unavailable
from lineal.ledger import people as rows
from lineal.ledger.database import Ledger
from lineal.ledger.events import record_event
from lineal.ledger.portable import pieces
from lineal.ledger.schema import meta
from lineal.records.hosting import DEFAULT_PROJECT, NAME, HostedProject
from lineal.store.durable import replacing
from lineal.workspace.acting import acting
from lineal.workspace.ingest import ingest_some
from lineal.workspace.local import LocalWorkspace
from lineal.workspace.people import LocalPeople
from lineal.workspace.probing import Probes
from lineal.workspace.project import create_project
from lineal.workspace.site import Site, system_clock
from lineal.workspace.unread import Unread

if TYPE_CHECKING:
    from lineal.workspace.interface import Workspace

_log = logging.getLogger("lineal.server")
FORMAT = 1
IDENTITY = "server.json"
_AT_ONCE = 32
_KNOWN_SECONDS = 1.0
_PAUSE_SECONDS = 0.1


class Hosting:
    """The projects of a server. Thread safe; one per data folder, whichever process it is in.

    Args:
        folder: where everything lies that is in no database and no bucket.
        database: SQLAlchemy URL of the ledger; SQLite in ``folder`` where it is empty.
        store: address below which every project has its store; ``folder`` where it is empty.
        settings: what holds for every project.
    """

    def __init__(
        self,
        *,
        folder: Path,
        database: str = "",
        store: str = "",
        settings: Mapping[str, Any],
        actor: str,
        clock: Callable[[], int] = system_clock,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.folder = folder
        self._store = store
        self._settings = settings
        self.actor = actor
        self._clock = clock
        self._entropy = entropy
        self._open: dict[str, LocalWorkspace] = {}
        self._opening = threading.Lock()
        self._unread = Unread()
        self._seen: dict[str, tuple[float, HostedProject]] = {}
        self._probes = Probes({"ledger": self._check_ledger, "store": self._check_store})
        self._lock = _locked(folder)
        try:
            self.id = _identity(folder, entropy)
            self.ledger_url = database or ledger_url(folder)
            self.ledger = Ledger.open(self.ledger_url)
            self.people = LocalPeople(self.ledger, server=self.id, user=actor, clock=clock, entropy=entropy)
            if not self.projects():
                self.create(DEFAULT_PROJECT)
        except BaseException:
            os.close(self._lock)
            raise

    def projects(self) -> tuple[HostedProject, ...]:
        """Every project by name, archived ones too."""
        with self.ledger.read() as connection:
            return tuple(rows.list_projects(connection))

    def create(self, name: str) -> HostedProject:
        """Makes a project.

        Raises:
            InvalidInput: kind ``bad-name``. Conflict: kind ``name-taken``.
        """
        if not NAME.match(name):
            raise InvalidInput(
                f"{name!r} cannot be a project's name",
                kind="bad-name",
                hint="Use up to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.",
            )
        with self.ledger.read() as connection:
            taken = rows.find_project(connection, name) is not None
        if taken:
            raise Conflict(f"there is a project {name} already", kind="name-taken", hint="Choose another name.")
        identifier = self._entropy(16).hex()
        create_project(self.folder / "projects" / identifier, name=name, entropy=lambda _size: bytes.fromhex(identifier))
        with self.ledger.write() as connection:
            if rows.find_project(connection, name) is not None:
                raise Conflict(f"there is a project {name} already", kind="name-taken", hint="Choose another name.")
            rows.add_project(connection, identifier=identifier, name=name, now=self._clock())
            self._tell(connection, "project.created", name)
        return self.project(name)

    def archive(self, name: str) -> HostedProject:
        """Hides a project; nothing of it is lost. Archiving what is archived changes nothing."""
        return self._archived(name, self._clock(), "project.archived")

    def unarchive(self, name: str) -> HostedProject:
        """Brings an archived project back."""
        return self._archived(name, None, "project.unarchived")

    def project(self, name: str) -> HostedProject:
        """The project of that name, without its counts; what another process changes shows within a second. Raises NotFound kind ``unknown-project``."""
        seen, known = self._seen.get(name, (0.0, None))
        if known is not None and time.monotonic() - seen < _KNOWN_SECONDS:
            return known
        seen = time.monotonic()
        with self.ledger.read() as connection:
            found = rows.find_project(connection, name)
        if found is None:
            raise NotFound(f"there is no project {name!r}", kind="unknown-project", hint="See which there are with: lineal project list")
        self._seen[name] = (seen, found)
        return found

    def is_at_hand(self, name: str) -> bool:
        """Whether `project` and `workspace` answer without asking the ledger."""
        return name in self._open and time.monotonic() - self._seen.get(name, (0.0, None))[0] < _KNOWN_SECONDS

    def workspace(self, name: str) -> Workspace:
        """The workspace of a project; opened once and kept."""
        return self._local(name)

    def _local(self, name: str) -> LocalWorkspace:
        found = self._open.get(name)
        if found is not None:
            return found
        project = self.project(name)
        with self._opening:
            if name not in self._open:
                self._open[name] = LocalWorkspace(self._site(project))
            return self._open[name]

    def ingest(self, *, busy: Callable[[], bool] = lambda: False) -> int:
        """Brings what runs wrote into the ledger, in every project where something waits; says how many runs changed.

        Args:
            busy: whether requests are being answered: they go first, and whoever reads a run brings it in by themselves.
        """
        changed = 0
        for name in self._waiting():
            try:
                changed += self._ingest(name, busy)
            except LinealError as error:  # of this project only: the others have their turn
                self._unread.forget()
                _log.warning("what runs of %s wrote could not be read in: %s", name, error)
        return changed

    def _ingest(self, name: str, busy: Callable[[], bool]) -> int:
        changed = 0
        site = self._local(name).site
        for some in pieces(self._unread.take(site.layout.journals), size=_AT_ONCE):
            changed += ingest_some(site, some)
            if busy():
                time.sleep(_PAUSE_SECONDS)
        return changed

    def problems(self) -> dict[str, str]:
        """What does not answer: a sentence for each part, by its name; empty where all is well. Takes less than a second."""
        return self._probes.problems()

    def close(self) -> None:
        """Closes every project and the ledger, and lets another process have the folder."""
        with self._opening:
            for workspace in self._open.values():
                workspace.close()
            self._open.clear()
        self.ledger.close()
        os.close(self._lock)

    def _archived(self, name: str, at: int | None, action: str) -> HostedProject:
        project = self.project(name)
        if (project.archived_at is None) != (at is None):
            with self.ledger.write() as connection:
                rows.archive_project(connection, project.id, at)
                self._tell(connection, action, name)
            self._seen.pop(name, None)
        return self.project(name)

    def _site(self, project: HostedProject) -> Site:
        folder = self.folder / "projects" / project.id
        layout = create_project(folder, name=project.name, entropy=lambda _size: bytes.fromhex(project.id)).layout
        place = store_below(self._store or str(self.folder / "store"), project.id)
        return Site(
            layout=layout,
            project_id=project.id,
            project=project.name,
            ledger_url=self.ledger_url,
            ledger=self.ledger,
            actor=self.actor,
            settings={**self._settings, "store.url": place},
            clock=self._clock,
            entropy=self._entropy,
            sources=tuple(self._settings.get("server.sources", ())),
        )

    def _waiting(self) -> list[str]:
        """Names of the projects that have journals."""
        folder = self.folder / "projects"
        waiting = {path.parent.parent.parent.name for path in folder.glob("*/.lineal/journals/*")} if folder.exists() else set()
        return [project.name for project in self.projects() if project.id in waiting] if waiting else []

    def _check_ledger(self) -> None:
        with self.ledger.read() as connection:
            connection.execute(select(meta.c.value).limit(1)).all()

    def _check_store(self) -> None:
        opened = next(iter(list(self._open.values())), None) or self._local(self.projects()[0].name)  # one that is open needs no ledger
        opened.site.store.refs("datasets/")

    def _tell(self, connection: Any, action: str, name: str) -> None:
        record_event(
            connection, project_id=self.id, at=self._clock(), actor=acting() or self.actor, action=action, subject=f"project:{name}", payload={}
        )


def store_below(address: str, project: str) -> str:
    """Where a project's store is below the server's; options such as an endpoint stay behind.

    >>> store_below("s3://bucket/team/?endpoint=http://h:9000", "3f2a"), store_below("/srv/lineal/store", "3f2a")
    ('s3://bucket/team/3f2a?endpoint=http://h:9000', '/srv/lineal/store/3f2a')
    """
    place, mark, options = address.partition("?") if "://" in address else (address, "", "")
    return f"{place.rstrip('/')}/{project}{mark}{options}"


def ledger_url(folder: Path) -> str:
    """Where a data folder's own ledger is."""
    path = str(folder / "ledger.db").replace("%", "%25").replace("?", "%3F")  # what a URL would take for its own
    return f"sqlite:///{path}"


def _locked(folder: Path) -> int:
    """Takes the data folder for this process until it ends, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(
            f"the data folder {folder} cannot be used: {error.strerror}", kind="data-folder", hint="Name another with: lineal server --data DIR"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Conflict(
            f"another server uses {folder}", kind="server-running", hint="Stop it first, or name another folder with: lineal server --data DIR"
        ) from None
    return descriptor


def _identity(folder: Path, entropy: Callable[[int], bytes]) -> str:
    """The server's id, made when the folder is first used."""
    path = folder / IDENTITY
    if not path.exists():
        with replacing(path) as stream:
            stream.write(json.dumps({"format": FORMAT, "server": entropy(16).hex()}, indent=1).encode() + b"\n")
    return read_identity(folder)


def read_identity(folder: Path) -> str:
    """The id of the server whose data folder this is.

    Raises:
        Integrity: kind ``damaged-project``. InvalidState: kind ``newer-format``.
    """
    path = folder / IDENTITY
    try:
        body = json.loads(path.read_bytes())
        version, identifier = int(body["format"]), str(body["server"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Integrity(f"{path} is damaged: {error}", kind="damaged-project", hint="Put it back from a backup.") from error
    if version > FORMAT:
        raise InvalidState(
            f"{folder} has format {version}, made by a newer Lineal; this one reads up to {FORMAT}",
            kind="newer-format",
            hint="Upgrade with: pip install --upgrade lineal",
        )
    return identifier
