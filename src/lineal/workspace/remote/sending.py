"""Brings what was recorded here to the server: first the contents that journals name, then the journals' bytes.

The server appends bytes at their offset and acknowledges them once they are durable, so that whatever dies and whenever, each byte is there once. What was
acknowledged is noted beside the journals; without the note the server is asked.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.capture.identity import proven_dead
from lineal.capture.journal import SUFFIX, decode_entry, read_entries
from lineal.capture.tracers.inject import lineal_hook
from lineal.errors import Integrity, LinealError, PermissionDenied, Unavailable
from lineal.records import frames, journal
from lineal.records.digest import Digest
from lineal.records.ids import RUN_ID
from lineal.records.sending import Sent, Unsent
from lineal.store.durable import replacing
from lineal.workspace.interface import Progress, silent

if TYPE_CHECKING:
    from lineal.store.repository import Repository
    from lineal.workspace.remote.client import Client
    from lineal.workspace.site import Site

PIECE = 4 << 20
"""Bytes of a journal in one request."""
WINDOW = 32 << 20
"""Bytes of one journal that are looked through and sent before others have their turn."""
TOGETHER = 64 << 20
"""Bytes of all journals that are held at once."""
_LARGEST = frames.LARGEST_PAYLOAD + 64
WORKERS = 4
LONGEST_PAUSE = 3.0
"""Seconds between two tries at most, while there is no network: when it is back, what has gathered must not wait for long."""
SILENCE = 20.0
"""Seconds after which a server that says nothing is asked anew: a connection that a network has forgotten may never say anything again."""
BUSY = "another process is sending"
NOTE = "sent.json"
LOCK = "sending.lock"
_GAP = "journal-gap"
_TAIL = 64
"""Bytes in which the entry that closes a journal lies."""
_DIGEST = re.compile(r"blake3:[0-9a-f]{64}\Z")
_MEDIA = "application/octet-stream"


@dataclass(slots=True)
class _Piece:
    """New bytes of one file of a run."""

    folder: Path
    path: Path
    start: int
    data: bytes
    named: list[Digest]

    @property
    def run(self) -> str:
        """The run's id."""
        return self.folder.name

    @property
    def name(self) -> str:
        """How the server calls the file."""
        return self.path.name.removesuffix(SUFFIX)


@dataclass(slots=True)
class _Pass:
    """One look over all runs."""

    pieces: list[_Piece] = field(default_factory=list)
    more: bool = False

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return sum(len(piece.data) for piece in self.pieces)


class Sender:
    """Sends the runs of one project folder. Safe among processes: one sends at a time, and what it did not see the next one does.

    Args:
        client: of the server's project.
        far: gives that project's store.
    """

    def __init__(self, site: Site, client: Client, far: Callable[[], Repository]) -> None:
        self._site = site
        self._client = client
        self._far = far
        self._problems: dict[str, str] = {}
        self._rewound: set[str] = set()
        self._mine = threading.Lock()

    def send(self, *, only: str = "", deadline: float = float("inf"), progress: Progress = silent) -> Sent:
        """Sends what is new, as far as time allows; no network is no error, and is told in the answer.

        Args:
            only: id of the one run that is meant.
            deadline: of `time.monotonic`.
        """
        runs: set[str] = set()
        counted = Sent()
        reason = ""
        self._rewound.clear()
        with self._alone() as alone:
            if not alone:
                return Sent(left=self.unsent(), reason=BUSY)
            try:
                while time.monotonic() < deadline:
                    found = self._gather(only)
                    if not found.pieces:
                        break
                    counted = _added(counted, self._deliver(found, progress))
                    runs |= {piece.run for piece in found.pieces}
                    if not found.more:
                        break
            except LinealError as error:  # what is about all runs: one's own refusal holds up that run only
                reason = error.message
            for folder in self._folders(only):
                self._forget_if_whole(folder)
        return Sent(
            runs=len(runs), bytes=counted.bytes, objects=counted.objects, content_bytes=counted.content_bytes, left=self.unsent(), reason=reason
        )

    def unsent(self) -> tuple[Unsent, ...]:
        """Runs with something that has not travelled, the longest waiting first. Asks nobody."""
        found = []
        for folder in self._folders():
            note = _note(folder)
            sizes = {path: _size(path) for path in _files(folder)}
            missing = {path: size - note.get(path.name, 0) for path, size in sizes.items() if size > note.get(path.name, 0)}
            if missing:
                since = min(_written(path) for path in missing)
                found.append(Unsent(run=folder.name, bytes=sum(missing.values()), since=since, problem=self._problems.get(folder.name, "")))
        return tuple(sorted(found, key=lambda run: run.since))

    def _gather(self, only: str) -> _Pass:
        """What is new in every run, up to a window of each file, and the contents that it names."""
        found = _Pass()
        for folder in self._folders(only):
            if folder.name in self._problems and not only:
                continue
            note = self._known(folder)
            for path in _files(folder):
                start = note.get(path.name, 0)
                data, named = _whole(path, start)
                if data:
                    found.pieces.append(_Piece(folder, path, start, data, named))
                    found.more = found.more or len(data) > WINDOW // 2
            if found.size >= TOGETHER:
                found.more = True
                break
        return found

    def _deliver(self, found: _Pass, progress: Progress) -> Sent:
        carried = self._carry(found, progress)
        by_run: dict[str, list[_Piece]] = {}
        for piece in found.pieces:
            by_run.setdefault(piece.run, []).append(piece)
        total, done = found.size, 0
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="lineal-sending") as workers:
            for sent in workers.map(partial(self._run, found), by_run.values()):
                done += sent
                progress("sending runs", done, total)
        return Sent(bytes=done, objects=carried.objects, content_bytes=carried.content_bytes)

    def _carry(self, found: _Pass, progress: Progress) -> Sent:
        """Brings the contents of all runs at once; where one of them cannot be read, run by run, so that it holds up its own run only."""
        try:
            return self._contents(found.pieces, progress)
        except LinealError as error:
            if not _is_about_run(error):
                raise
        carried = Sent()
        for piece in found.pieces:
            try:
                carried = _added(carried, self._contents([piece], progress))
            except LinealError as error:
                if not _is_about_run(error):
                    raise
                self._problems[piece.run] = error.message
        found.pieces = [piece for piece in found.pieces if piece.run not in self._problems]
        return carried

    def _contents(self, pieces: Sequence[_Piece], progress: Progress) -> Sent:
        named = dict.fromkeys(digest for piece in pieces for digest in piece.named)
        if not named:
            return Sent()
        carried = self._site.store.send_each(named, self._far(), step=lambda done, total: progress("sending contents", done, total))
        return Sent(objects=carried.objects, content_bytes=carried.bytes)

    def _run(self, found: _Pass, pieces: Sequence[_Piece]) -> int:
        """Sends the pieces of one run; one that the server refuses holds up that run only, and is told."""
        sent = 0
        for piece in pieces:
            try:
                sent += self._piece(piece)
            except LinealError as error:
                if not _is_about_run(error):
                    raise
                if error.kind == _GAP and piece.run not in self._rewound:
                    self._rewind(piece)
                    found.more = True
                else:
                    self._problems[piece.run] = error.message
                break
            self._problems.pop(piece.run, None)
        return sent

    def _rewind(self, piece: _Piece) -> None:
        """Has what was noted follow the server, which has less: it was set back to an older state, or has cleared a run away that was silent for long."""
        self._rewound.add(piece.run)
        (piece.folder / NOTE).unlink(missing_ok=True)

    def _piece(self, piece: _Piece) -> int:
        end = piece.start
        while end < piece.start + len(piece.data):
            data = piece.data[end - piece.start :][:PIECE]
            answer = self._client.upload(f"/journals/{piece.run}/{piece.name}", data, media=_MEDIA, seconds=SILENCE, offset=str(end))
            end = int(answer["end"])
            _write_note(piece.folder, {**_note(piece.folder), piece.path.name: end})
        return len(piece.data)

    def _known(self, folder: Path) -> Mapping[str, int]:
        """How much of each file the server has: what was noted, else what it says."""
        if (folder / NOTE).exists():
            return _note(folder)
        there = self._client.get(f"/journals/{folder.name}")["journals"]
        found = {path.name: int(there.get(path.name.removesuffix(SUFFIX), 0)) for path in _files(folder)}
        _write_note(folder, found)
        return found

    def _forget_if_whole(self, folder: Path) -> None:
        """Removes what the server has wholly, once nobody writes there any more."""
        if (folder / journal.UNCOLLECTED).exists():
            return
        note = _note(folder)
        files = list(_files(folder))
        if not files or any(_size(path) > note.get(path.name, 0) for path in files):
            return
        if all(_is_over(path) for path in files if path.suffix == SUFFIX):
            import shutil

            shutil.rmtree(folder, ignore_errors=True)

    def _folders(self, only: str = "") -> list[Path]:
        try:
            names = sorted(os.listdir(self._site.layout.journals))
        except FileNotFoundError:
            return []
        return [self._site.layout.journals / name for name in names if RUN_ID.match(name) and (not only or name == only)]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other thread or process sends for this project now."""
        if not self._mine.acquire(blocking=False):
            yield False
            return
        descriptor = -1
        try:
            self._site.layout.state.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._site.layout.state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            if descriptor >= 0:
                os.close(descriptor)
            self._mine.release()


class BackgroundSending:
    """Sends a run while it goes on, from a thread of the process that records it, and what is left at its end within bounds.

    Args:
        sender: makes what sends, in that thread.
        run: its id; empty for whatever is recorded in the folder.
    """

    def __init__(self, sender: Callable[[], Sender], run: str, *, seconds: float = 1.5) -> None:
        self._sender = sender
        self._run = run
        self._seconds = seconds
        self._over = threading.Event()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._work, name="lineal-sending", daemon=True)
        self._thread.start()

    def finish(self, seconds: float) -> Sent:
        """Sends everything that is here, for at most so long."""
        if os.getpid() != self._pid:
            return Sent()
        self._over.set()
        self._thread.join(seconds)
        return self._sender().send(deadline=time.monotonic() + seconds)

    def stop(self) -> None:
        """Begins nothing new; what is being sent just now goes on beside."""
        self._over.set()

    def _work(self) -> None:
        pause = self._seconds
        lineal_hook.exempt.add(threading.get_ident())
        try:
            while not self._over.wait(pause):
                pause = next_pause(pause, self._send(), usual=self._seconds)
        finally:
            lineal_hook.exempt.discard(threading.get_ident())

    def _send(self) -> Sent:
        try:
            return self._sender().send(only=self._run)
        except Exception:  # noqa: BLE001 - a run must not end because its figures do not travel; they stay here and are told
            return Sent(reason="failed")


def next_pause(pause: float, sent: Sent, *, usual: float) -> float:
    """Seconds until the next try: the usual, unless this one failed for want of a server.

    >>> next_pause(1.0, Sent(), usual=1.0), next_pause(1.0, Sent(reason="no route"), usual=1.0), next_pause(8.0, Sent(reason=BUSY), usual=1.0)
    (1.0, 2.0, 1.0)
    """
    return min(pause * 2, LONGEST_PAUSE) if sent.reason not in {"", BUSY} else usual


def _added(one: Sent, other: Sent) -> Sent:
    return Sent(bytes=one.bytes + other.bytes, objects=one.objects + other.objects, content_bytes=one.content_bytes + other.content_bytes)


def _files(folder: Path) -> Iterator[Path]:
    """Journals, the owner's first, and the output."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    yield from (folder / name for name in names if name.endswith(SUFFIX) or name == journal.OUTPUT_LOG)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns // 1000
    except FileNotFoundError:
        return time.time_ns() // 1000


def _bytes(path: Path, start: int, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(most)
    except FileNotFoundError:
        return b""


def _whole(path: Path, start: int) -> tuple[bytes, list[Digest]]:
    """The new whole entries of a journal, as bytes, and the contents that they name; what a dead writer tore off goes along, too."""
    data = _bytes(path, start, WINDOW)
    if path.suffix != SUFFIX or not data:
        return data, []
    end, named = _entries(data, start, path.name)
    if not end and len(data) == WINDOW:  # one entry that is larger than that
        data = _bytes(path, start, _LARGEST)
        end, named = _entries(data, start, path.name)
    torn = end < len(data) and start + len(data) >= _size(path) and _is_over(path)
    return (data if torn else data[:end]), named


def _entries(data: bytes, start: int, name: str) -> tuple[int, list[Digest]]:
    """Where the whole entries end that a part of a journal begins with, and the contents that they name."""
    head = b"" if not start else frames.head(frames.JOURNAL)
    end = 0
    named: list[Digest] = []
    with contextlib.suppress(Integrity):  # damage is told by whoever reads the journal in
        for entry, behind in read_entries(head + data, 0, name):
            end = behind - len(head)
            if entry["k"] != journal.POINTS:
                named += _digests(entry)
    return end, named


def _digests(value: Any) -> Iterator[Digest]:
    if isinstance(value, str):
        if _DIGEST.match(value):
            yield Digest(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _digests(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _digests(item)


def _is_over(path: Path) -> bool:
    """Whether a journal was closed, or whoever wrote it is proven gone."""
    size = _size(path)
    last = frames.last_frame(_bytes(path, max(0, size - _TAIL), _TAIL))
    if last and decode_entry(last).get("k") == journal.CLOSED:
        return True
    begin: Mapping[str, Any] = {}
    with contextlib.suppress(Integrity):
        begin = next((entry for entry, _behind in read_entries(_bytes(path, 0, WINDOW), 0, path.name)), {})
    return bool(begin) and proven_dead(begin)


def _is_about_run(error: LinealError) -> bool:
    """Whether one run is refused, and not everything: without a network, with an expired token or a server in trouble all of them wait."""
    if isinstance(error, PermissionDenied):
        return error.kind == "foreign-run"
    return not isinstance(error, Unavailable) and type(error) is not LinealError


def _note(folder: Path) -> dict[str, int]:
    try:
        found = json.loads((folder / NOTE).read_bytes())
        return {str(name): int(size) for name, size in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _write_note(folder: Path, note: Mapping[str, int]) -> None:
    with contextlib.suppress(OSError), replacing(folder / NOTE) as stream:  # without it the server is asked
        stream.write(json.dumps(dict(note)).encode())
