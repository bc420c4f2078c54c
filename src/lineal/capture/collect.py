"""From what was seen to what is kept: each file of a run becomes a `FILE` entry, digested and, up to a bound, stored.

What was read is an input, unless this run had written it first; what was written and is still there is an output. Code is neither. Each step is
idempotent: what has an entry already is not done again, so that a collection cut short goes on where it stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lineal.capture.code import is_code
from lineal.capture.sightings import Sighting, Sightings, StatKey, is_folder, look, same_content
from lineal.errors import LinealError
from lineal.records.digest import Digest
from lineal.records.location import PROJECT, RUN, Location, locate
from lineal.records.redaction import Redactor, holds_secret
from lineal.records.roles import guess_role
from lineal.store.digesting import file_digest

if TYPE_CHECKING:
    from lineal.store.repository import Repository
    from lineal.store.sources.places import TrackedFolders
    from lineal.store.statindex import StatIndex

_BATCH_BYTES = 256 * 1024 * 1024
_BATCH_FILES = 2000
_NEVER: StatKey = (0, 0, 0, 0, 0, 0)
_LARGEST_SCANNED = 1024 * 1024
_SECRET_NAMES = (b".env", b".netrc", b".pypirc", b"id_rsa", b"id_ed25519", b"credentials", b".pgpass")
_SECRET_ENDINGS = (b".pem", b".key", b".p12", b".pfx", b".keystore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where paths are seen from, and what is kept.

    Attributes:
        project, home: absolute folders, as bytes.
        state: Lineal's own folder, whose files are nobody's inputs.
        artifacts: folder of what the run keeps of its own accord.
        largest: files above this many bytes are digested but not stored, unless they were declared.
        reachable: whether the paths lead to the run's files from here; not from outside a container that is gone.
    """

    project: bytes
    home: bytes
    state: bytes
    artifacts: bytes
    largest: int
    reachable: bool = True

    def locate(self, path: bytes) -> Location:
        """The path's location; one that leads into the project through a link counts as the project's."""
        if path.startswith(self.artifacts + b"/"):
            return Location(root=RUN, path=path[len(self.artifacts) + 1 :])
        location = locate(path, project=self.project, home=self.home)
        if location.root == PROJECT:
            return location
        real = locate(os.path.realpath(path), project=os.path.realpath(self.project), home=self.home)
        return real if real.root == PROJECT else location


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file to be digested.

    Attributes:
        direction: ``input``, ``output`` or ``code``.
        expected: what it looked like when the run first used it, for inputs.
        rewritten: whether the run itself wrote it after reading it.
    """

    direction: str
    path: bytes
    location: Location
    role: str = ""
    role_origin: str = "guessed"
    declared: bool = False
    expected: StatKey | None = None
    rewritten: bool = False
    note: str = ""

    @property
    def key(self) -> tuple[str, str, bytes]:
        """What names its entry among the run's."""
        return self.direction, self.location.root, self.location.path


@dataclass(slots=True, kw_only=True)
class Collected:
    """What a collection found besides the entries it wrote.

    Attributes:
        code: content ids of the project's code files, by path from the project's folder.
        changed, undeclared, missing: paths for people.
        pending: files that were not digested before the deadline.
    """

    code: dict[str, Digest] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    undeclared: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    secret_code: list[str] = field(default_factory=list)
    pending: int = 0


def plan_items(seen: Sightings, place: Place) -> tuple[Item, ...]:
    """What is to be digested, inputs first; pure but for a look at each file."""
    items: dict[tuple[str, str, bytes], Item] = {}
    for sighting in seen.files.values():
        for item in _items_of(sighting, place):
            known = items.get(item.key)
            if known is None or (item.declared and not known.declared):
                items[item.key] = item
    order = {"input": 0, "code": 1, "output": 2}
    return tuple(sorted(items.values(), key=lambda item: (order[item.direction], item.path)))


def collect_files(
    items: Sequence[Item],
    *,
    place: Place,
    store: Repository,
    known: StatIndex,
    tracked: TrackedFolders,
    redactor: Redactor,
    write: Callable[[Mapping[str, Any]], None],
    deadline: float = float("inf"),
) -> Collected:
    """Digests and stores the items, and writes an entry for each once its bytes are durable.

    Args:
        write: takes the fields of a `FILE` entry.
        deadline: of `time.monotonic`; what is not begun by then is left and counted as pending.
    """
    found = Collected()
    work = _Collection(place=place, store=store, known=known, tracked=tracked, redactor=redactor, found=found)
    for batch in _batches(items):
        if time.monotonic() > deadline:
            found.pending += len(batch)
            continue
        with store.session():  # until the journal names what is stored
            with store.batch():
                entries = [(item, work.digest(item)) for item in batch]
            for item, entry in entries:
                if item.direction == "code":
                    if entry["digest"] is not None:
                        found.code[item.location.text] = entry["digest"]
                else:
                    write(entry)
    found.undeclared.extend(_undeclared(items))
    return found


def missing_outputs(seen: Sightings, place: Place) -> list[str]:
    """Declared outputs that are not there."""
    return [place.locate(sighting.path).text for sighting in seen.files.values() if "output" in sighting.declared and look(sighting.path) is None]


@dataclass(slots=True, kw_only=True)
class _Collection:
    place: Place
    store: Repository
    known: StatIndex
    tracked: TrackedFolders
    redactor: Redactor
    found: Collected

    def digest(self, item: Item) -> dict[str, Any]:
        """The fields of the item's entry."""
        if not self.place.reachable:
            return _entry(item, digest=None, size=0, restorable=False, note="it lay in a place that was gone before it was digested")
        now = look(item.path)
        if item.direction == "input" and item.expected is not None and not same_content(item.expected, now):
            return self._changed_input(item)
        if now is None:
            return _entry(item, digest=None, size=0, restorable=False, note=item.note or "it is not there any more")
        return self._present(item, now)

    def _present(self, item: Item, now: StatKey) -> dict[str, Any]:
        if item.direction == "code" and self._secret_code(item):
            return _entry(
                item, digest=file_digest(item.path), size=now[2], restorable=False, note="it holds what looks like a secret, so it is not kept"
            )
        if _is_secret_file(item.path):
            return _entry(item, digest=None, size=now[2], restorable=False, note="its name says that it holds secrets, so it is not kept")
        try:
            status = os.stat(item.path)
            return self._fixed(item, status) or self._kept(item, status)
        except (LinealError, OSError) as error:
            self.found.changed.append(item.location.text)
            reason = error.message if isinstance(error, LinealError) else str(error.strerror)
            return _entry(item, digest=None, size=now[2], restorable=False, note=reason)

    def _fixed(self, item: Item, status: os.stat_result) -> dict[str, Any] | None:
        """The entry of an input that a fixed point has recorded as it is: neither read nor stored."""
        facts = self.tracked.facts(item.path, status) if item.direction == "input" else None
        if facts is None:
            return None
        return {**_entry(item, digest=facts.digest, size=status.st_size, restorable=False, note=item.note), "facts": facts.document()}

    def _kept(self, item: Item, now: os.stat_result) -> dict[str, Any]:
        digest = self.known.known(item.path, now)
        too_large = now.st_size > self.place.largest and not item.declared
        if digest is not None and ((held := self.store.contains(digest)) or too_large):
            return _entry(item, digest=digest, size=now.st_size, restorable=held, note=item.note)
        if too_large:
            digest = file_digest(item.path)
            self.known.remember(item.path, now, digest)
            return _entry(item, digest=digest, size=now.st_size, restorable=False, note=item.note or "it is larger than what is kept")
        stored = self.store.put_file(item.path)
        self.known.remember(item.path, now, stored.digest)
        return _entry(item, digest=stored.digest, size=stored.size, restorable=True, note=item.note)

    def _changed_input(self, item: Item) -> dict[str, Any]:
        """An input that is not what it was when the run first read it: its old content is known only where somebody digested it before."""
        expected = item.expected or (0,) * 6
        fixed = self._fixed(item, _stat_result(expected))
        if fixed is not None:
            return fixed
        digest = self.known.known(item.path, _stat_result(expected))
        if not item.rewritten:
            self.found.changed.append(item.location.text)
        note = "the run wrote it after reading it" if item.rewritten else "it changed while the run was reading it"
        restorable = digest is not None and self.store.contains(digest)
        return _entry(item, digest=digest, size=expected[2], restorable=restorable, note=note)

    def _secret_code(self, item: Item) -> bool:
        try:
            with open(item.path, "rb") as file:
                held = holds_secret(file.read(_LARGEST_SCANNED), self.redactor)
        except OSError:
            return False
        if held:
            self.found.secret_code.append(item.location.text)
        return held


def _items_of(sighting: Sighting, place: Place) -> Iterator[Item]:
    now = look(sighting.path)
    for direction, role in sighting.declared.items():
        if direction == "output" and now is None:
            continue  # it was never written: `missing_outputs` tells
        for path in _files_below(sighting.path, now, place):
            yield _declared(sighting, direction, role, path=path, place=place)
    if not sighting.declared or set(sighting.declared) == {"output"}:
        yield from _seen_items(sighting, now, place)
    elif set(sighting.declared) == {"input"} and _was_written(sighting, now):
        yield _seen("output", sighting, sighting.path, place)


def _seen_items(sighting: Sighting, now: StatKey | None, place: Place) -> Iterator[Item]:
    """What an undeclared use of a path makes it."""
    written = _was_written(sighting, now)
    if now is not None and written and "output" not in sighting.declared:
        for path in _files_below(sighting.path, now, place):
            yield _seen("output", sighting, path, place)
    if _was_read_first(sighting) and not (written and sighting.read_at is None):
        if now is not None and is_folder(now):
            for path in _files_below(sighting.path, now, place):
                yield _seen("input", sighting, path, place)
            return
        yield _seen("input", sighting, sighting.path, place)


def _was_written(sighting: Sighting, now: StatKey | None) -> bool:
    """Whether the path was opened to be written, or named, and is not what it was before."""
    if now is None or (sighting.written_at is None and not sighting.named):
        return False
    return not same_content(sighting.before, now)


def _was_read_first(sighting: Sighting) -> bool:
    if sighting.named and sighting.read_at is None and sighting.written_at is None:
        return sighting.before is not None
    if sighting.read_at is None:
        return False
    return sighting.written_at is None or sighting.read_at <= sighting.written_at


def _seen(direction: str, sighting: Sighting, path: bytes, place: Place) -> Item:
    location = place.locate(path)
    if direction == "input" and is_code(location.text):
        code = location.root == PROJECT
        return Item(direction="code" if code else "input", path=path, location=location, role="code", expected=None)
    named = sighting.named and sighting.read_at is None and sighting.written_at is None
    return Item(
        direction=direction,
        path=path,
        location=location,
        role=guess_role(location.text),
        expected=_expected(sighting) if direction == "input" and path == sighting.path else None,
        rewritten=sighting.written_at is not None,
        note="it was named in the arguments of a program that cannot be watched" if named else "",
    )


def _expected(sighting: Sighting) -> StatKey | None:
    """What the input looked like; what the run itself wrote later is surely not that any more, even where nobody looked before."""
    return _NEVER if sighting.before is None and sighting.written_at is not None else sighting.before


def _declared(sighting: Sighting, direction: str, role: str, *, path: bytes, place: Place) -> Item:
    location = place.locate(path)
    return Item(
        direction=direction,
        path=path,
        location=location,
        role=role or guess_role(location.text),
        role_origin="declared" if role else "guessed",
        declared=True,
        expected=_expected(sighting) if direction == "input" and path == sighting.path and sighting.read_at is not None else None,
        rewritten=sighting.written_at is not None,
    )


def _files_below(path: bytes, now: StatKey | None, place: Place) -> Iterator[bytes]:
    """The path itself, or every file below it where it is a folder; links to folders are not followed."""
    if now is None or not is_folder(now):
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in {b".git", b"__pycache__"} and os.path.join(folder, name) != place.state)
        for name in sorted(names):
            below = os.path.join(folder, name)
            key = look(below)
            if key is not None and not is_folder(key):
                yield below


def _undeclared(items: Sequence[Item]) -> list[str]:
    outputs = [item for item in items if item.direction == "output"]
    if not any(item.declared for item in outputs):
        return []
    return [item.location.text for item in outputs if not item.declared]


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        now = look(item.path)
        batch.append(item)
        size += now[2] if now else 0
        if size > _BATCH_BYTES or len(batch) >= _BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _entry(item: Item, *, digest: Digest | None, size: int, restorable: bool, note: str) -> dict[str, Any]:
    return {
        "direction": item.direction,
        "root": item.location.root,
        "path": item.location.path,
        "digest": digest,
        "size": size,
        "kind": "file",
        "role": item.role,
        "role_origin": item.role_origin,
        "declared": item.declared,
        "restorable": restorable,
        "note": note,
    }


def _is_secret_file(path: bytes) -> bool:
    name = os.path.basename(path)
    return name in _SECRET_NAMES or name.startswith(b".env.") or name.endswith(_SECRET_ENDINGS)


def _stat_result(key: StatKey) -> os.stat_result:
    """A stat made of the facts that were noted, to ask the stat index with."""
    device, inode, size, modified, changed, mode = key
    ten = (mode, inode, device, 1, 0, 0, size, 0, modified // 1_000_000_000, changed // 1_000_000_000)
    return os.stat_result(ten, {"st_mtime_ns": modified, "st_ctime_ns": changed, "st_atime_ns": 0})
