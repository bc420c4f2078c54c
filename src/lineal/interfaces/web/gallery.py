"""The files of a run for its pages: as a tree, and its images with those of a series in one place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lineal.interfaces.shown import shown_as
from lineal.records.run import FileUse

_STEP = re.compile(r"(?:step|epoch|iter(?:ation)?)[%_=\- ]*(\d{1,12})", re.IGNORECASE)
_STAMP = re.compile(r"%timestamp%\d+(?:%[0-9a-fA-F-]{32,36})?")
"""What MLflow's `log_image` puts behind the step."""
_NUMBER = re.compile(r"(\d{1,12})(?=\D*$)")


@dataclass(slots=True)
class Folder:
    """A folder of a run's files: folders by name, and files."""

    name: str
    folders: dict[str, Folder] = field(default_factory=dict)
    files: list[FileUse] = field(default_factory=list)

    def holds(self, path: str) -> bool:
        """Whether a file lies in it, at whatever depth."""
        return any(use.path == path for use in self.files) or any(folder.holds(path) for folder in self.folders.values())


def tree(name: str, uses: Iterable[FileUse]) -> Folder:
    """The files as folders in folders."""
    top = Folder(name)
    for use in uses:
        place = top
        parts = [use.path] if "://" in use.path else use.path.strip("/").split("/")
        for part in parts[:-1]:
            place = place.folders.setdefault(part, Folder(part))
        place.files.append(use)
    return top


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Images that differ only in their step, in its order; or one alone, whose step is None."""

    name: str
    steps: tuple[tuple[int | None, FileUse], ...]


def images(uses: Iterable[FileUse]) -> Sequence[Images]:
    """The images among the files that can be shown, those of a series together."""
    groups: dict[str, list[tuple[int | None, FileUse]]] = {}
    for use in uses:
        shown = shown_as(use.path)
        if shown is None or shown.kind != "image" or not use.restorable or use.digest is None:
            continue
        name, step = _stepped(use.path)
        groups.setdefault(name, []).append((step, use))
    found = []
    for name, members in groups.items():
        if len(members) > 1 and len({step for step, _use in members}) == len(members):
            found.append(Images(name=name, steps=tuple(sorted(members, key=lambda member: member[0] or 0))))
        else:
            found += [Images(name=use.path, steps=((None, use),)) for _step, use in members]
    return found


def _stepped(path: str) -> tuple[str, int | None]:
    """The path without its step, and the step.

    >>> _stepped("plots/roc_step_012.png"), _stepped("a/epoch=3/x.png"), _stepped("cat.png")
    (('plots/roc_step_#.png', 12), ('a/epoch=#/x.png', 3), ('cat.png', None))
    >>> _stepped("images/dog%step%2%timestamp%1732550400000%0b8d9bb8-2ad9-4bb3-a6f4-d3c3d5d2a6f1.png")
    ('images/dog%step%#.png', 2)
    """
    path = _STAMP.sub("", path)
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    for pattern, text in ((_STEP, path), (_NUMBER, stem)):
        match = pattern.search(text)
        if match:
            general = f"{text[: match.start(1)]}#{text[match.end(1) :]}"
            return general if text is path else f"{folder}{slash}{general}{dot}{ending}", int(match[1])
    return path, None
