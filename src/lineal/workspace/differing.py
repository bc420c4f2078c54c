"""How two runs differ in their texts: code from the store and from git, the uncommitted diff, and the log. Everything is bounded."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from lineal.records.difference import RunDifference, differ
from lineal.records.text_diff import TextDiff, lines_of, text_diff

if TYPE_CHECKING:
    from lineal.records.digest import Digest
    from lineal.records.run import Run

MOST_FILES = 100
LARGEST_FILE = 1_000_000
MOST_LINES = 20_000
SHOWN_LINES = 1_500
LOG_BYTES = 1_000_000
LOG_LINES = 5_000
_SECONDS = 10.0
_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")


class Contents(Protocol):
    """Where the bytes of recorded files lie; `lineal.store.repository.Repository` is one."""

    def contains(self, digest: Digest) -> bool:
        """Whether they are there."""

    def open_content(self, digest: Digest) -> BinaryIO:
        """The bytes, as a file to read."""


def difference(before: Run, after: Run, *, contents: Contents, logs: tuple[Iterator[bytes], Iterator[bytes]] | None, folder: Path) -> RunDifference:
    """All that differs between two runs.

    Args:
        logs: what both printed; None to leave that out.
        folder: the project's, where git is asked for commits that it has.
    """
    found = differ(before, after)
    code, notes = _code(before, after, contents)
    uncommitted = _uncommitted(before, after, contents)
    log = _log(*logs) if logs is not None else None
    return with_commits(replace(found, code=code, uncommitted=uncommitted, log=log, notes=(*found.notes, *notes)), before, after, folder)


def with_commits(found: RunDifference, before: Run, after: Run, folder: Path) -> RunDifference:
    """The same with files that no run executed and that differ between both commits, where git in ``folder`` has them."""
    commits = (before.code.commit, after.code.commit)
    if not all(_COMMIT.match(commit) for commit in commits) or commits[0] == commits[1]:
        return found
    names = _git(folder, "diff", "--name-only", "--no-renames", "--relative", "-z", *commits, "--")
    if names is None:
        missing = "the files that no run executed are not compared: git here does not have both commits"
        return found if missing in found.notes else replace(found, notes=(*found.notes, missing))
    known = {*before.code.files, *after.code.files, *(diff.path for diff in found.code)}
    wanted = [name for name in map(os.fsdecode, names.split(b"\0")) if name and name not in known]
    room = max(0, MOST_FILES - len(found.code))
    added = [diff for name in wanted[:room] if (diff := _committed(folder, commits, name)) is not None]
    notes = (f"{len(wanted) - room:,} further files differ between the commits",) if len(wanted) > room else ()
    kept = tuple(note for note in found.notes if not note.startswith("the files that no run executed"))
    return replace(found, code=(*found.code, *added), notes=(*kept, *notes))


def _code(before: Run, after: Run, contents: Contents) -> tuple[tuple[TextDiff, ...], tuple[str, ...]]:
    old, new = before.code.files, after.code.files
    paths = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
    same = bool(before.code.commit) and before.code.commit == after.code.commit and not (before.code.dirty or after.code.dirty)
    found = tuple(diff for path in paths[:MOST_FILES] if (diff := _file(path, old, new, contents, same_commit=same)) is not None)
    return found, (f"{len(paths) - MOST_FILES:,} further code files differ",) if len(paths) > MOST_FILES else ()


def _file(path: str, before: Mapping[str, Digest], after: Mapping[str, Digest], contents: Contents, *, same_commit: bool) -> TextDiff | None:
    if same_commit and not (path in before and path in after):
        return TextDiff(path=path, change="added" if path in after else "removed", note="executed by this run only; the commit is the same")
    sides = [_content(files.get(path), contents) for files in (before, after)]
    found = _texts(path, sides[0], sides[1])
    return None if found is None else replace(found, before=before.get(path), after=after.get(path))


def _content(digest: Digest | None, contents: Contents) -> bytes | str | None:
    """The bytes, or why they cannot be had; None for a file that is not there."""
    if digest is None:
        return None
    if not contents.contains(digest):
        return "its bytes are not in the store"
    with contents.open_content(digest) as stream:
        data = stream.read(LARGEST_FILE + 1)
    return data if len(data) <= LARGEST_FILE else f"larger than {LARGEST_FILE:,} bytes"


def _texts(path: str, before: bytes | str | None, after: bytes | str | None) -> TextDiff | None:
    change = "added" if before is None else "removed" if after is None else "modified"
    sides: list[list[str] | None] = []
    for content in (before, after):
        if isinstance(content, str):
            return TextDiff(path=path, change=change, note=content)
        lines = None if content is None else lines_of(content)
        if content is not None and (lines is None or len(lines) > MOST_LINES):
            return TextDiff(path=path, change=change, note="no text" if lines is None else f"more than {MOST_LINES:,} lines")
        sides.append(lines)
    return text_diff(path, sides[0], sides[1], most=SHOWN_LINES)


def _uncommitted(before: Run, after: Run, contents: Contents) -> TextDiff | None:
    if before.code.diff == after.code.diff:
        return None
    sides = [_content(run.code.diff, contents) for run in (before, after)]
    found = _texts("uncommitted changes", sides[0], sides[1])
    return None if found is None else replace(found, before=before.code.diff, after=after.code.diff)


def _log(before: Iterable[bytes], after: Iterable[bytes]) -> TextDiff | None:
    (old, old_cut), (new, new_cut) = _tail(before), _tail(after)
    found = text_diff("log", old, new, most=SHOWN_LINES, keys=True)
    if found is None:
        return None
    cut = f"compared are the last {LOG_LINES:,} lines" if old_cut or new_cut else ""
    return replace(found, note="; ".join(note for note in (found.note, cut) if note))


def _tail(pieces: Iterable[bytes]) -> tuple[Sequence[str], bool]:
    """The last lines of a log, and whether there are more before them."""
    kept, cut = b"", False
    for piece in pieces:
        kept += piece
        if len(kept) > 2 * LOG_BYTES:
            kept, cut = kept[-LOG_BYTES:], True
    cut, kept = cut or len(kept) > LOG_BYTES, kept[-LOG_BYTES:]
    lines = lines_of(kept.replace(b"\0", b"")) or []
    return lines[-LOG_LINES:], cut or len(lines) > LOG_LINES


def _committed(folder: Path, commits: tuple[str, str], name: str) -> TextDiff | None:
    sides = [_blob(folder, commit, name) for commit in commits]
    return _texts(name, sides[0], sides[1])


def _blob(folder: Path, commit: str, name: str) -> bytes | str | None:
    at = f"{commit}:./{name}"
    size = _git(folder, "cat-file", "-s", at)
    if size is None:
        return None
    if int(size) > LARGEST_FILE:
        return f"larger than {LARGEST_FILE:,} bytes"
    return _git(folder, "cat-file", "blob", at)


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git says; None where it says no, is not there, or takes too long."""
    command = ["git", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false", "--no-optional-locks", "--literal-pathspecs", *arguments]
    try:
        answer = subprocess.run(command, cwd=folder, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
