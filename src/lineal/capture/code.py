"""Which code a run is made of: git's commit and what differed from it, redacted. Git is asked a few bounded questions; it may be absent."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lineal.records.redaction import Redactor

CODE_ENDINGS = (".py", ".pyw", ".pyx", ".ipynb", ".r", ".R", ".Rmd", ".jl", ".sh", ".bash", ".pl", ".js", ".ts", ".lua", ".scala", ".sql", ".m")

_SECONDS = 5.0
_LARGEST_DIFF = 16 * 1024 * 1024
_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/@]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """What git says of a folder.

    Attributes:
        top: the repository's folder, or empty outside one.
        diff: redacted difference of the whole working tree to the commit, staged changes included.
        untracked: paths from the asked folder on that git does not know and does not ignore.
        problem: why the answer is incomplete, or empty.
    """

    top: str = ""
    commit: str = ""
    branch: str = ""
    remote: str = ""
    diff: bytes = b""
    untracked: tuple[str, ...] = ()
    problem: str = ""


def read_git_state(folder: Path, *, redactor: Redactor) -> GitState:
    """The state of the repository that ``folder`` lies in; an empty one outside git."""
    try:
        top = _ask(folder, "rev-parse", "--show-toplevel").strip()
        if not top:
            return GitState()
        commit = _ask(folder, "rev-parse", "--verify", "--quiet", "HEAD").strip()
        branch = _ask(folder, "symbolic-ref", "--quiet", "--short", "HEAD").strip()
        remote = _ask(folder, "config", "--get", "remote.origin.url").strip()
        untracked = _ask(folder, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
        diff = _ask(folder, "diff", "--binary", "--no-color", "--no-ext-diff", "HEAD") if commit else b""
    except subprocess.TimeoutExpired:
        return GitState(problem=f"git did not answer within {_SECONDS:.0f} s, so the commit is unknown")
    problem = ""
    if len(diff) > _LARGEST_DIFF:
        diff, problem = b"", f"the uncommitted diff has {len(diff):,} bytes and was not kept"
    return GitState(
        top=os.fsdecode(top),
        commit=commit.decode("ascii", "replace"),
        branch=os.fsdecode(branch),
        remote=without_credentials(os.fsdecode(remote)),
        diff=redactor.data(diff),
        untracked=tuple(os.fsdecode(path) for path in untracked if path),
        problem=problem,
    )


def without_credentials(url: str) -> str:
    """A remote's URL without user and password.

    >>> without_credentials("https://ada:secret@example.org/r.git")
    'https://example.org/r.git'
    """
    return _USERINFO.sub(r"\1", url) if not url.startswith("ssh://") else re.sub(r"^(ssh://[^/:@]*):[^/@]*@", r"\1@", url)


def is_code(path: str) -> bool:
    """Whether a file is code by its ending."""
    return path.endswith(CODE_ENDINGS)


def source_of(path: bytes) -> bytes:
    """The source file behind a compiled Python module, else the path itself.

    >>> source_of(b"/p/lib/__pycache__/net.cpython-311.opt-1.pyc")
    b'/p/lib/net.py'
    """
    folder, _slash, name = path.rpartition(b"/")
    if not name.endswith(b".pyc") and b".pyc." not in name:
        return path
    stem = name.partition(b".")[0]
    return folder.removesuffix(b"/__pycache__") + b"/" + stem + b".py" if folder.endswith(b"/__pycache__") else folder + b"/" + stem + b".py"


def _ask(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false", "--no-optional-locks", "--literal-pathspecs", *arguments]
    try:
        answer = subprocess.run(command, cwd=folder, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return b""
    return answer.stdout if answer.returncode == 0 else b""
