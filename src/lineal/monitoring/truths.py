"""True outcomes that came later, beside the predictions of a deployment: append-only, durable, the last word counts."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from lineal.errors import Integrity, LinealError, Unavailable
from lineal.records.frames import HEAD_SIZE, TRUTHS, check_head, frame, head, read_frames
from lineal.store.durable import sync_folder

FILE = "truths.log"
CHUNK = 65_536
"""Rows per frame: about 2 MB."""

Ids = npt.NDArray[np.bytes_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One outcome.

    Attributes:
        id: UUID text of the prediction.
        label: the true value, in the type of the model's output.
        known_at: when it was known, microseconds UTC; None where nobody said, then the time of recording counts.
    """

    id: str
    label: Any
    known_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthColumns:
    """What is known of some predictions, in their order.

    Attributes:
        known: whether the truth is known.
        labels: the truth, None where unknown.
        known_at: microseconds UTC, 0 where unknown.
    """

    known: npt.NDArray[np.bool_]
    labels: list[Any]
    known_at: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of some truths.

    Attributes:
        new: predictions that had no truth.
        replaced: predictions whose truth became another.
        same: predictions whose truth was that already; nothing was written for them.
    """

    new: int
    replaced: int
    same: int


class _Frame(msgspec.Struct, frozen=True):
    """The payload of a frame: ``ids`` are 16 bytes each, ``known_at`` little-endian int64, as many as labels."""

    ids: bytes
    labels: list[Any]
    known_at: bytes
    recorded_at: int


class TruthLog:
    """The truths in a folder. Safe against a writer that dies, and against a second one; readers never wait.

    A frame holds up to `CHUNK` rows. Adding the same rows again writes nothing, so that an addition that was cut short is simply repeated;
    of several truths for a prediction the one written last counts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE

    def add(self, rows: Sequence[Truth], *, now: int) -> Added:
        """Appends what is not known already; durable on return. Of several rows for one id the last counts.

        Args:
            now: microseconds UTC, for the record and where a row does not say when it was known.

        Raises:
            Unavailable: kind ``disk-full`` or ``truths-unwritable``; nothing was kept then.
            Integrity: kind ``damaged-journal``, if what is there cannot be read.
        """
        wanted = list({row.id: row for row in rows}.values())
        with self._locked() as file:
            known = _Index.of(_whole_frames(file, self._path.name))
            before = known.lookup([row.id for row in wanted])
            fresh = [row for place, row in enumerate(wanted) if not _same(row, before, place)]
            self._append(file, fresh, now)
        had = int(before.known.sum())
        same = len(wanted) - len(fresh)
        return Added(new=len(wanted) - had, replaced=had - same, same=same)

    def lookup(self, ids: Sequence[str]) -> dict[str, Truth]:
        """The truths of these predictions, by id as it was asked for; those without one are left out."""
        found = self.columns(ids)
        rows = zip(ids, found.known.tolist(), found.labels, found.known_at.tolist(), strict=True)
        return {identifier: Truth(id=identifier, label=label, known_at=known_at) for identifier, known, label, known_at in rows if known}

    def columns(self, ids: Sequence[str]) -> TruthColumns:
        """What is known of these predictions, in their order; for many at once."""
        return self._index().lookup(ids)

    def count(self) -> int:
        """How many predictions have a truth."""
        return len(self._index().ids)

    def _index(self) -> _Index:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return _Index.of([])
        return _Index.of(list(_frames(data, self._path.name)))

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        with _translated(self._path):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _append(self, file: BinaryIO, rows: Sequence[Truth], now: int) -> None:
        if not rows:
            return
        end = file.seek(0, os.SEEK_END)
        pieces = [] if end else [head(TRUTHS)]
        pieces += [frame(_payload(rows[start : start + CHUNK], now)) for start in range(0, len(rows), CHUNK)]
        with _translated(self._path):
            try:
                _write_all(file, b"".join(pieces))
                os.fsync(file.fileno())
                sync_folder(self._folder)
            except OSError:
                file.truncate(end)  # nothing half done: the whole file of truths can be given again
                raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """Truths sorted by id, the last word of each."""

    ids: Ids
    labels: list[Any]
    place: npt.NDArray[np.intp]
    known_at: npt.NDArray[np.int64]

    @classmethod
    def of(cls, frames: Sequence[_Frame]) -> _Index:
        ids = np.frombuffer(b"".join(part.ids for part in frames), dtype="S16")
        known_at = np.frombuffer(b"".join(part.known_at for part in frames), dtype="<i8")
        # The first of the reversed is the last of each.
        different, first = np.unique(ids[::-1], return_index=True)
        place = len(ids) - 1 - first
        return cls(ids=different, labels=[label for part in frames for label in part.labels], place=place, known_at=known_at[place])

    def lookup(self, ids: Sequence[str]) -> TruthColumns:
        wanted = _raw_ids(ids)
        if not len(self.ids):
            none = np.zeros(len(wanted), dtype=np.bool_)
            return TruthColumns(known=none, labels=[None] * len(wanted), known_at=np.zeros(len(wanted), dtype=np.int64))
        spot = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        known = self.ids[spot] == wanted
        places = np.where(known, self.place[spot], -1).tolist()
        return TruthColumns(
            known=known,
            labels=[None if place < 0 else self.labels[place] for place in places],
            known_at=np.where(known, self.known_at[spot], 0),
        )


def _raw_ids(ids: Sequence[str]) -> Ids:
    data = bytes.fromhex("".join(ids).replace("-", ""))
    if len(data) != 16 * len(ids):
        raise ValueError("an id is not a UUID")
    return np.frombuffer(data, dtype="S16")


def _same(row: Truth, before: TruthColumns, place: int) -> bool:
    if not before.known[place]:
        return False
    label = before.labels[place]
    return type(label) is type(row.label) and bool(label == row.label) and row.known_at in {None, int(before.known_at[place])}


def _payload(rows: Sequence[Truth], now: int) -> bytes:
    known_at = np.array([now if row.known_at is None else row.known_at for row in rows], dtype="<i8")
    ids = bytes.fromhex("".join(row.id for row in rows).replace("-", ""))
    return msgspec.msgpack.encode(_Frame(ids=ids, labels=[row.label for row in rows], known_at=known_at.tobytes(), recorded_at=now))


def _whole_frames(file: BinaryIO, name: str) -> list[_Frame]:
    """The frames of an open file; a torn end, left by a writer that died, is cut off."""
    file.seek(0)
    data = file.read()
    if not check_head(data, TRUTHS, name):
        file.truncate(0)
        return []
    found, end = [], HEAD_SIZE
    for payload, after in read_frames(data, HEAD_SIZE, name):
        found.append(_decoded(payload, name))
        end = after
    if end < len(data):
        file.truncate(end)
    return found


def _frames(data: bytes, name: str) -> Iterator[_Frame]:
    if check_head(data, TRUTHS, name):
        for payload, _end in read_frames(data, HEAD_SIZE, name):
            yield _decoded(payload, name)


def _decoded(payload: bytes, name: str) -> _Frame:
    try:
        found = msgspec.msgpack.decode(payload, type=_Frame)
    except msgspec.MsgspecError as error:
        raise _damaged(name, str(error)) from error
    if not len(found.ids) == 16 * len(found.labels) == 2 * len(found.known_at):
        raise _damaged(name, "columns of a block differ in length")
    return found


def _damaged(name: str, reason: str) -> Integrity:
    return Integrity(f"{name} is damaged: {reason}", kind="damaged-journal", hint="See what is left with: lineal fsck")


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> LinealError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Unavailable(
            f"the disk that holds {path} is full; no outcome was added", kind="disk-full", hint="Free space, then give the file again."
        )
    return Unavailable(
        f"outcomes cannot be written to {path}: {error.strerror}", kind="truths-unwritable", hint="Check its rights with: lineal doctor"
    )
