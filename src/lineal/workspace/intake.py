"""What runs on other machines wrote into their journals, taken in piece by piece: each byte once, durable before it is acknowledged."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from lineal.capture.journal import SUFFIX, read_entries
from lineal.errors import Conflict, Integrity, InvalidInput, PermissionDenied, Unavailable
from lineal.ledger.schema import journals, runs
from lineal.records import journal
from lineal.records.ids import RUN_ID
from lineal.store.durable import sync_folder

if TYPE_CHECKING:
    from lineal.workspace.site import Site

JOURNAL_ID = re.compile(r"\d{1,10}-[0-9a-f]{16}\Z")
LARGEST_PIECE = 16 << 20
_LOCKS = 64


class LocalIntake:
    """Takes journals into one project. Thread safe."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._locks = [threading.Lock() for _number in range(_LOCKS)]

    def sizes(self, run: str) -> Mapping[str, int]:
        """How many bytes of each of a run's journals are here, those that were read in to their end among them.

        A journal that was cleared away although its writer had not closed it, as it was silent for long, counts as not here: what follows
        cannot be read without its head. What was read in of it is not read in again.
        """
        self._check_run(run)
        with self._site.ledger.read() as connection:
            rows = connection.execute(select(journals.c.id, journals.c.offset).where(journals.c.run_id == run, journals.c.finished))
            found = {row.id: row.offset for row in rows}
        for path in self._files(run):
            name = path.name.removesuffix(SUFFIX)
            found[name] = max(found.get(name, 0), path.stat().st_size)
        return found

    def append(self, run: str, name: str, *, offset: int, data: bytes) -> int:
        """Appends a piece at ``offset``; what is here already is not written again. Returns how many bytes are here then.

        Raises:
            InvalidInput: kinds ``bad-journal`` and ``bad-parameter``.
            PermissionDenied: kind ``foreign-run``, for a run of another project.
            Conflict: kind ``journal-gap``, if something before the piece is missing.
        """
        path = self._path(run, name)
        if len(data) > LARGEST_PIECE:
            raise InvalidInput(f"a piece of a journal has at most {LARGEST_PIECE >> 20} MiB", kind="bad-journal", hint="Send it in smaller ones.")
        with self._locks[hash(run) % _LOCKS]:
            here = self.sizes(run).get(name, 0)
            if offset > here:
                raise _gap(here, offset)
            new = data[here - offset :]
            if not new:
                return here
            if not here and name != journal.OUTPUT_LOG:
                self._check_begin(run, data)
            try:
                _append(path, here, new)
            except FileNotFoundError:  # it was cleared away just now
                raise _gap(0, offset) from None
            except OSError as error:
                raise Unavailable(
                    f"the journal cannot be kept: {error.strerror}", kind="disk-full" if error.errno == 28 else "journal-unavailable"
                ) from error
            return here + len(new)

    def _path(self, run: str, name: str) -> Path:
        self._check_run(run)
        if name != journal.OUTPUT_LOG and not JOURNAL_ID.match(name):
            raise InvalidInput(f"{name!r:.80} is no journal", kind="bad-journal")
        return self._site.layout.journals / run / (name if name == journal.OUTPUT_LOG else name + SUFFIX)

    def _check_run(self, run: str) -> None:
        if not RUN_ID.match(run):
            raise InvalidInput(f"{run!r:.80} is no run's id", kind="bad-journal", hint="A run's id has 32 hex digits.")
        with self._site.ledger.read() as connection:
            project = connection.execute(select(runs.c.project_id).where(runs.c.id == run)).scalar_one_or_none()
        if project not in {None, self._site.project_id}:
            raise PermissionDenied(f"the run {run[:8]} is not of this project", kind="foreign-run")

    def _check_begin(self, run: str, data: bytes) -> None:
        """The first piece of a journal holds its head, which must name this run."""
        try:
            begin = next((entry for entry, _behind in read_entries(data, 0, "the journal")), {})
        except (Integrity, ValueError) as error:
            raise InvalidInput(f"this is no journal: {error}", kind="bad-journal") from error
        if begin.get("k") != journal.BEGIN or begin.get("run") != run:
            raise InvalidInput(f"this is no journal of the run {run[:8]}", kind="bad-journal")

    def _files(self, run: str) -> list[Path]:
        folder = self._site.layout.journals / run
        try:
            return [path for path in folder.iterdir() if path.suffix == SUFFIX or path.name == journal.OUTPUT_LOG]
        except FileNotFoundError:
            return []


def _gap(here: int, offset: int) -> Conflict:
    return Conflict(f"{here} bytes of this journal are here, and the piece begins at {offset}", kind="journal-gap", hint="Send what is between.")


def _append(path: Path, offset: int, data: bytes) -> None:
    """Writes behind what is here, and waits until the disk has it. A torn piece of a dead writer is written over.

    Raises:
        FileNotFoundError: if the file is gone, or its folder was taken away in this moment: nothing may be written behind a hole.
    """
    new = offset == 0
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT if new else 0), 0o644)
    try:
        view, at = memoryview(data), offset
        while view:
            written = os.pwrite(descriptor, view, at)
            view, at = view[written:], at + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        sync_folder(path.parent)
