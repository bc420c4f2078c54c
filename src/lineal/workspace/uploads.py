"""Files that arrive in parts: each part is a file in a folder of its upload, until the last one is there and they become one file of a run."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.errors import Conflict, InvalidInput, NotFound
from lineal.records.ids import RUN_ID
from lineal.store.durable import replacing

if TYPE_CHECKING:
    from lineal.workspace.interface import Requested
    from lineal.workspace.site import Site

MOST_PARTS = 10_000
KEPT_SECONDS = 24 * 3600
"""So long a part may be waited for; then the upload counts as abandoned."""
_ABOUT, _DONE, _WHOLE = "upload.json", "done", "whole"


class LocalUploads:
    """Uploads that go on, in a folder of the project: they outlive a restart of the server. Thread safe."""

    def __init__(self, site: Site, requested: Requested) -> None:
        self._site = site
        self._requested = requested
        self._lock = threading.Lock()
        self._joining: set[str] = set()

    def begin(self, run: str, path: str, parts: int, *, owner: str) -> str:
        """Begins an upload of a file in ``parts`` parts to a path of a run, and says its id; what was abandoned is cleared away.

        Raises:
            InvalidInput: kind ``bad-upload``.
        """
        if not 0 < parts <= MOST_PARTS:
            raise InvalidInput(f"an upload has 1 to {MOST_PARTS} parts", kind="bad-upload", hint="Send larger parts.")
        self._clear()
        identifier = self._site.entropy(16).hex()
        folder = self._place / identifier
        folder.mkdir(parents=True, mode=0o700)
        with replacing(folder / _ABOUT) as stream:
            stream.write(json.dumps({"run": run, "path": path, "parts": parts, "owner": owner}).encode())
        return identifier

    def scratch(self, identifier: str, number: int, *, owner: str) -> Path:
        """A folder in which a part may be received. Raises NotFound kind ``unknown-upload``, InvalidInput kind ``bad-upload``."""
        about = self._about(identifier, owner)
        if not 0 < number <= about["parts"]:
            raise InvalidInput(f"the upload has the parts 1 to {about['parts']}", kind="bad-upload")
        return self._place / identifier

    def keep(self, identifier: str, number: int, received: Path, digest: str) -> None:
        """Makes what was received the part of that number, in the place of what was there."""
        folder = self._place / identifier
        received.replace(folder / f"{number}.part")
        (folder / f"{number}.digest").write_text(digest, encoding="ascii")

    def complete(self, identifier: str, digests: Mapping[int, str], *, owner: str) -> None:
        """Makes the parts the run's file; it is durable when this returns. Doing it twice is doing it once.

        Args:
            digests: of each part by number, as they were told when it was received.

        Raises:
            NotFound: kind ``unknown-upload``. InvalidInput: kind ``bad-upload``, if a part is missing or another one than is said.
            Conflict: kind ``upload-busy``, while somebody else does it.
        """
        about, folder = self._about(identifier, owner), self._place / identifier
        with self._lock:
            if identifier in self._joining:
                raise Conflict("the upload is being completed", kind="upload-busy", hint="Ask again.")
            self._joining.add(identifier)
        try:
            if not (folder / _DONE).exists():
                self._check(folder, about["parts"], digests)
                self._requested.keep_file(about["run"], about["path"], self._joined(folder, about["parts"]))
                (folder / _DONE).touch()
                for path in (*folder.glob("*.part"), folder / _WHOLE):
                    path.unlink()
        finally:
            with self._lock:
                self._joining.discard(identifier)

    def abort(self, identifier: str, *, owner: str) -> None:
        """Forgets an upload; one that is not there is no error."""
        try:
            self._about(identifier, owner)
        except NotFound:
            return
        shutil.rmtree(self._place / identifier, ignore_errors=True)

    @property
    def _place(self) -> Path:
        return self._site.layout.temporary / "uploads"

    def _about(self, identifier: str, owner: str) -> dict[str, Any]:
        try:
            about: dict[str, Any] = json.loads((self._place / identifier / _ABOUT).read_bytes()) if RUN_ID.match(identifier) else {}
        except FileNotFoundError:
            about = {}
        if about.get("owner") != owner:
            raise NotFound("there is no such upload", kind="unknown-upload", hint="Begin it anew: it may have been given up after a day.")
        return about

    def _check(self, folder: Path, parts: int, digests: Mapping[int, str]) -> None:
        for number in range(1, parts + 1):
            path = folder / f"{number}.digest"
            if not path.exists() or digests.get(number, "") != path.read_text(encoding="ascii"):
                raise InvalidInput(f"part {number} of {parts} is missing or is not the one that was sent", kind="bad-upload", hint="Send it again.")

    def _joined(self, folder: Path, parts: int) -> Path:
        """One file of all parts. Where that was begun before it begins anew: parts go only when the run has the file."""
        whole = folder / _WHOLE
        with whole.open("wb") as stream:
            for number in range(1, parts + 1):
                with (folder / f"{number}.part").open("rb") as part:
                    shutil.copyfileobj(part, stream, 1 << 20)
        return whole

    def _clear(self) -> None:
        """Removes uploads of which nothing was heard for long."""
        if not self._place.exists():
            return
        oldest = time.time() - KEPT_SECONDS
        for folder in self._place.iterdir():
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
