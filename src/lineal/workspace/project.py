"""A project: the folder that holds ``.lineal/``. Making one, and finding the one that a folder belongs to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineal.errors import Integrity, InvalidInput, InvalidState, NotFound
from lineal.workspace.site import Layout

FORMAT = 3
"""The format of ledger and store that this Lineal writes; equal to the ledger's own number."""

STATE = ".lineal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project on this machine.

    Attributes:
        id: 32 hex digits, fixed when it was made.
        name: for people.
        layout: where its parts lie.
    """

    id: str
    name: str
    layout: Layout


def create_project(folder: Path, *, name: str = "", configuration: str = "", entropy: Callable[[int], bytes] = os.urandom) -> Project:
    """Makes ``folder`` a project, or gives the one that it already is; what exists is never overwritten.

    Args:
        name: the folder's own name unless given.
        configuration: text of a new ``lineal.toml``; none is written where it is empty.

    Raises:
        InvalidInput: kind ``bad-project-name``, or ``not-a-folder`` if there is a file in the way.
    """
    folder = folder.absolute()
    name = name or folder.resolve().name or "project"
    if not name.isprintable() or "/" in name:
        raise InvalidInput(f"{name!r} is no name for a project", kind="bad-project-name", hint="Give one with: lineal init --name NAME")
    layout = Layout(root=folder)
    if not layout.format.exists():
        _write_new(layout, name, entropy(16).hex(), configuration)
    return load_project(layout)


def _write_new(layout: Layout, name: str, identifier: str, configuration: str) -> None:
    try:
        layout.state.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInput(f"{layout.root} is not a folder", kind="not-a-folder", hint="Name a folder, or none for this one.") from error
    _ignore_state(layout.root)
    toml = layout.root / "lineal.toml"
    if configuration and not toml.exists():
        toml.write_text(configuration, encoding="utf-8")
    temporary = layout.format.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps({"format": FORMAT, "project": identifier, "name": name}, indent=1) + "\n", encoding="utf-8")
    temporary.replace(layout.format)


def _ignore_state(root: Path) -> None:
    ignore = root / ".gitignore"
    lines = ignore.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if ignore.exists() else []
    if not {f"{STATE}/", STATE, f"/{STATE}/", f"/{STATE}"} & {line.strip() for line in lines}:
        text = "\n".join([*lines, f"{STATE}/", ""])
        ignore.write_text(text, encoding="utf-8", errors="surrogateescape")


def find_project(start: Path, *, home: Path | None = None) -> Project:
    """The project that ``start`` lies in: the nearest folder upwards that holds ``.lineal/``.

    In a linked git worktree that has none, it is the main worktree's: its records, with the paths of the worktree.

    Args:
        home: the project's folder, where it is named outright and not looked for.

    Raises:
        NotFound: kind ``no-project``.
        InvalidState: kind ``newer-format``.
        Integrity: kind ``damaged-project``.
    """
    if home is not None:
        layout = Layout(root=home.parent if home.name == STATE else home)
        if not layout.format.exists():
            raise NotFound(f"{home} is no Lineal project", kind="no-project", hint="Correct LINEAL_WORKSPACE, or make one there with: lineal init")
        return load_project(layout)
    start = start.absolute()
    for folder in (start, *start.parents):
        layout = Layout(root=folder)
        if layout.format.exists():
            return load_project(layout)
        found = _through_worktree(folder, start)
        if found:
            return load_project(found)
    raise NotFound(f"{start} is in no Lineal project", kind="no-project", hint="Make one here with: lineal init")


def _through_worktree(top: Path, start: Path) -> Layout | None:
    main = _main_worktree(top)
    if main is None:
        return None
    for folder in (start, *start.parents):
        state = main / folder.relative_to(top) / STATE
        if (state / "format.json").exists():
            return Layout(root=folder, state_folder=state)
        if folder == top:
            return None
    return None


def _main_worktree(top: Path) -> Path | None:
    """The main worktree of the linked one at ``top``; Source: gitrepository-layout(5), ``gitdir`` and ``commondir``."""
    try:
        text = (top / ".git").read_text(encoding="utf-8", errors="surrogateescape")
        folder = (top / text.removeprefix("gitdir:").strip()).resolve()
        common = (folder / (folder / "commondir").read_text(encoding="utf-8").strip()).resolve()
    except OSError:
        return None
    return common.parent if common.name == ".git" else None


def load_project(layout: Layout) -> Project:
    """Reads what ``format.json`` says; errors are `find_project`'s."""
    body = _read_format(layout.format)
    version = body.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise InvalidState(
            f"{layout.root} has format {version}, made by a newer Lineal; this one reads up to {FORMAT}",
            kind="newer-format",
            hint="Upgrade with: pip install --upgrade lineal",
        )
    identifier, name = body.get("project"), body.get("name")
    if not (isinstance(version, int) and isinstance(identifier, str) and isinstance(name, str)):
        raise _damaged(layout.format, "it does not name format, project and name")
    return Project(id=identifier, name=name, layout=layout)


def _read_format(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(body, dict):
        raise _damaged(path, "it is no object")
    return body


def _damaged(path: Path, reason: str) -> Integrity:
    return Integrity(
        f"{path} is damaged: {reason}", kind="damaged-project", hint="Put it back from a backup; the project's id is in the ledger, too."
    )
