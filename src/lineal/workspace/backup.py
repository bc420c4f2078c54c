"""A server's whole data in one file, and back: the ledger row by row, so that it comes up on either database, and the files of stores and journals."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from sqlalchemy import LargeBinary, Table, select, text

from lineal.errors import Conflict, Integrity, InvalidInput, InvalidState, Unavailable
from lineal.ledger import schema
from lineal.ledger.database import Ledger
from lineal.ledger.portable import pieces
from lineal.store.backends.address import FOLDER, Address
from lineal.store.repository import Repository
from lineal.workspace.interface import Progress, silent

FORMAT = 1
HEAD, ROWS, FILES, SUMS = "backup.json", "ledger/", "files/", "sums.json"
_LEFT_OUT = frozenset({"server.lock", "ledger.db", "ledger.db-wal", "ledger.db-shm"})
_CACHES = frozenset({"cache", "tmp", "stat.db", "copies", "sending.lock"})
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """What a backup holds.

    Attributes:
        store: where the bytes are that it does not hold, because they lie in a bucket; empty where it holds them.
    """

    path: str
    rows: int
    files: int
    bytes: int
    store: str = ""


def back_up(folder: Path, ledger: Ledger, target: Path, *, store: str = "", progress: Progress = silent) -> BackedUp:
    """Writes a backup that only its owner can read; the server may run meanwhile. The file is whole, or not there at all.

    Order: journals, then the ledger in one snapshot, so that what is read in between is in one of both; then the few values of the stores that
    change, then the files that these and the rows name, which only grow.

    Raises:
        Conflict: kind ``file-exists``. Unavailable: kind ``backup-failed``.
    """
    if target.exists():
        raise Conflict(f"{target} is there already", kind="file-exists", hint="Name another file.")
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as tar:
            sums: dict[str, str] = {}
            head = {"format": FORMAT, "ledger": schema.FORMAT_VERSION, "store": store}
            _add_bytes(tar, HEAD, json.dumps(head).encode(), sums)
            first = _add_files(tar, folder, _journals(folder), sums, progress)
            rows = _add_rows(tar, ledger, sums, progress)
            second = _add_files(tar, folder, _values(folder), sums, progress)
            third = _add_files(tar, folder, _files(folder), sums, progress)
            files, size = (sum(parts) for parts in zip(first, second, third, strict=True))
            _add_bytes(tar, SUMS, json.dumps(sums).encode(), {})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise Unavailable(
            f"the backup cannot be written to {target}: {error.strerror}", kind="backup-failed", hint="Free space, or name another place."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return BackedUp(path=str(target), rows=rows, files=files, bytes=size, store=store)


def restore(source: Path, folder: Path, open_ledger: Callable[[Path], Ledger], *, progress: Progress = silent) -> BackedUp:
    """Puts a backup into an empty data folder and an empty ledger, after every part was compared with its checksum.

    The folder is there when everything is in it, and not before. The stores' indexes are made anew from their packs: those of a server that ran
    may have been merged while the backup was taken.

    Args:
        open_ledger: opens the ledger that is filled, given the folder that is being made.

    Raises:
        InvalidInput: kind ``bad-backup``. Integrity: kind ``damaged-backup``. Conflict: kind ``folder-not-empty`` or ``ledger-not-empty``.
        InvalidState: kind ``newer-format``.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise Conflict(f"the folder {folder} is not empty", kind="folder-not-empty", hint="Name one that is empty or does not exist.")
    try:
        with tarfile.open(source, "r") as tar:
            head, sums = _checked_head(tar, source)
            _check_sums(tar, sums, progress)
            rows, files, size = _put(tar, folder, open_ledger, progress)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise InvalidInput(f"there is no file {source}", kind="bad-backup", hint="Name the file that lineal backup wrote.") from error
        raise Unavailable(
            f"the backup cannot be restored to {folder}: {error.strerror}", kind="backup-failed", hint="Free space, then try again."
        ) from error
    except (tarfile.TarError, EOFError) as error:
        raise Integrity(f"{source} is damaged: {error}", kind="damaged-backup", hint="Take another backup.") from error
    return BackedUp(path=str(source), rows=rows, files=files, bytes=size, store=str(head.get("store", "")))


def _put(tar: tarfile.TarFile, folder: Path, open_ledger: Callable[[Path], Ledger], progress: Progress) -> tuple[int, int, int]:
    """Fills a folder beside the one that is wanted, and gives it that one's name at the end; what breaks off leaves nothing.

    Rows of a ledger elsewhere count only when the folder has its name: the last thing in their transaction is that it gets it.
    """
    making = folder.with_name(f".{folder.name}.restoring")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        files, size = _put_files(tar, making, progress)
        for store in sorted((making / "store").glob("*")):
            Repository.mend_index(Address(scheme=FOLDER, path=str(store)))
        ledger = open_ledger(making)
        inside = ledger.engine.dialect.name == "sqlite"  # in the folder, which is moved when the ledger is closed
        try:
            rows = _put_rows(tar, ledger, progress, last=(lambda: None) if inside else (lambda: _name(making, folder)))
        except BaseException:
            if not making.exists() and folder.exists():  # named, and then the rows could not be kept
                folder.rename(making)
            raise
        finally:
            ledger.close()
        if inside:
            _name(making, folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return rows, files, size


def _name(making: Path, folder: Path) -> None:
    if folder.is_dir():
        folder.rmdir()
    making.rename(folder)


def _add_rows(tar: tarfile.TarFile, ledger: Ledger, sums: dict[str, str], progress: Progress) -> int:
    rows = 0
    tables = schema.metadata.sorted_tables
    with ledger.snapshot() as connection, tempfile.TemporaryDirectory() as scratch:
        for number, table in enumerate(tables):
            progress("reading the ledger", number, len(tables))
            path = Path(scratch) / f"{table.name}.jsonl"
            with path.open("wb") as file:
                for row in connection.execution_options(yield_per=1000).execute(select(table)).mappings():
                    file.write(json.dumps(_plain(table, row), separators=(",", ":")).encode() + b"\n")
                    rows += 1
            _add_file(tar, f"{ROWS}{path.name}", path, sums)
    return rows


def _add_files(tar: tarfile.TarFile, folder: Path, paths: Iterable[Path], sums: dict[str, str], progress: Progress) -> tuple[int, int]:
    files = size = 0
    for path in paths:
        name = FILES + path.relative_to(folder).as_posix()
        if name in sums:
            continue
        try:
            size += _add_file(tar, name, path, sums)
        except FileNotFoundError:
            continue  # a journal that was read in, or a shard that was merged meanwhile
        files += 1
        if not files % 256:
            progress("copying files", files, 0)
    return files, size


def _journals(folder: Path) -> Iterator[Path]:
    """What runs wrote and nobody has read in yet."""
    yield from sorted(path for path in folder.glob("projects/*/.lineal/journals/*/*") if path.is_file())


def _values(folder: Path) -> Iterator[Path]:
    """What of the stores changes: names of versions and the like."""
    yield from sorted(path for part in ("refs", "keep", "projects") for path in folder.glob(f"store/*/{part}/**/*") if path.is_file())


def _files(folder: Path) -> Iterator[Path]:
    """Everything else; what the first passes took is left out by its name."""
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        cached = len(inner.parts) > 3 and inner.parts[0] == "projects" and inner.parts[2] == ".lineal" and inner.parts[3] in _CACHES
        if inner.parts[0] not in _LEFT_OUT and not cached and path.is_file() and not path.is_symlink():
            yield path


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes, sums: dict[str, str]) -> None:
    import io

    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
    sums[name] = hashlib.sha256(data).hexdigest()


class _Summed:
    """A file that is read once, with the sum of what was read; one that grows meanwhile is taken as long as it was."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size
        self.sum = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        """The next bytes."""
        wanted = self._left if count < 0 else min(count, self._left)
        data = self._file.read(wanted)
        if len(data) < wanted:
            data += bytes(wanted - len(data))  # cut meanwhile; the sum is that of what the backup holds
        self._left -= len(data)
        self.sum.update(data)
        return data


def _add_file(tar: tarfile.TarFile, name: str, path: Path, sums: dict[str, str]) -> int:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        summed = _Summed(file, size)
        tar.addfile(info, cast("BinaryIO", summed))
        sums[name] = summed.sum.hexdigest()
    return size


def _checked_head(tar: tarfile.TarFile, source: Path) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    try:
        head = json.loads(_member(tar, HEAD).read())
        sums = json.loads(_member(tar, SUMS).read())
        newer = int(head["format"]) > FORMAT or int(head["ledger"]) > schema.FORMAT_VERSION
        older = int(head["ledger"]) < schema.FORMAT_VERSION
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInput(f"{source} is no backup of a server", kind="bad-backup", hint="Name the file that lineal backup wrote.") from error
    if newer or older:
        which = "a newer" if newer else "an older"
        raise InvalidState(f"{source} was made by {which} Lineal", kind="newer-format", hint="Restore it with the Lineal that made it, then upgrade.")
    return head, sums


def _check_sums(tar: tarfile.TarFile, sums: Mapping[str, str], progress: Progress) -> None:
    for number, (name, expected) in enumerate(sums.items()):
        if not number % 256:
            progress("checking the backup", number, len(sums))
        found, member = hashlib.sha256(), _member(tar, name)
        while piece := member.read(_PIECE):
            found.update(piece)
        if found.hexdigest() != expected:
            raise Integrity(f"{name} in the backup is damaged", kind="damaged-backup", hint="Take another backup.")


def _put_rows(tar: tarfile.TarFile, ledger: Ledger, progress: Progress, *, last: Callable[[], None]) -> int:
    """Fills the tables in one transaction, at whose end ``last`` is called."""
    rows = 0
    tables = schema.metadata.sorted_tables
    with ledger.write() as connection:
        if connection.execute(select(schema.projects.c.id).limit(1)).first() is not None:
            raise Conflict("the ledger is not empty", kind="ledger-not-empty", hint="Restore into a database that holds nothing.")
        for number, table in enumerate(tables):
            progress("writing the ledger", number, len(tables))
            if table.name == "meta":
                continue
            lines = (_row(table, line) for line in _member(tar, f"{ROWS}{table.name}.jsonl"))
            for piece in pieces(lines, size=1000):
                connection.execute(table.insert(), list(piece))
                rows += len(piece)
        if connection.dialect.name == "postgresql":  # where the next event's number comes from a counter beside the table
            counter = "SELECT setval(pg_get_serial_sequence('events', 'sequence'), GREATEST((SELECT MAX(sequence) FROM events), 1))"
            connection.execute(text(counter))
        last()
    return rows


def _put_files(tar: tarfile.TarFile, folder: Path, progress: Progress) -> tuple[int, int]:
    files = size = 0
    for info in tar:
        if not info.name.startswith(FILES):
            continue
        inner = Path(info.name.removeprefix(FILES))
        if inner.is_absolute() or ".." in inner.parts or not info.isfile():
            raise Integrity(f"{info.name} in the backup would lie elsewhere", kind="damaged-backup", hint="Take another backup.")
        path = folder / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        source = cast("BinaryIO", tar.extractfile(info))
        with path.open("wb") as file:
            while piece := source.read(_PIECE):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        files, size = files + 1, size + info.size
        if not files % 256:
            progress("writing files", files, 0)
    return files, size


def _member(tar: tarfile.TarFile, name: str) -> BinaryIO:
    found = tar.extractfile(name)
    if found is None:
        raise KeyError(name)
    return cast("BinaryIO", found)


def _plain(table: Table, row: Mapping[Any, Any]) -> dict[str, Any]:
    found = {}
    for column in table.columns:
        value = row[column.name]
        if isinstance(column.type, LargeBinary) and value is not None:
            value = base64.b64encode(value).decode()
        found[column.name] = value
    return found


def _row(table: Table, line: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line)
    for column in table.columns:
        if isinstance(column.type, LargeBinary) and found.get(column.name) is not None:
            found[column.name] = base64.b64decode(found[column.name])
    return found
