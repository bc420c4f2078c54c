"""What a rerun finds mounted: the versions that the run read through mounts, at the folders where those were."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lineal.errors import LinealError
from lineal.workspace.mounting import mount_version, unmount
from lineal.workspace.mounts import is_served, read_mounts

if TYPE_CHECKING:
    from lineal.records.dataset import DatasetVersion
    from lineal.records.run import Run
    from lineal.workspace.interface import Datasets
    from lineal.workspace.site import Site


@contextmanager
def mounted_again(site: Site, datasets: Datasets, run: Run, *, project: Path, instead: Mapping[str, str]) -> Iterator[list[str]]:
    """Mounts for the block what the run read through mounts, and gives what could not be had, one phrase each.

    Args:
        project: the checkout that takes the project's place: what was mounted inside the project is mounted there.
        instead: references of versions that stand in, by dataset name.
    """
    missing: list[str] = []
    made: list[Path] = []
    for folder, recorded in dict.fromkeys((use.through, use.dataset) for use in run.inputs if use.through):
        place = _place(site, folder, project)
        try:
            version = datasets.get(instead.get(recorded.partition("@")[0], f"data:{recorded}"))
            if not _is_there(site, version, place):
                mount_version(site, version, place)
                made.append(place)
        except LinealError as error:
            missing.append(f"{recorded}, which was mounted at {folder} ({error.message})")
    try:
        yield missing
    finally:
        for place in made:
            with suppress(LinealError):  # somebody took it away
                unmount(site, place, force=True)


def _place(site: Site, folder: str, project: Path) -> Path:
    root = os.path.realpath(site.layout.root)
    return project / os.path.relpath(folder, root) if folder.startswith(root + os.sep) else Path(folder)


def _is_there(site: Site, version: DatasetVersion, place: Path) -> bool:
    return any(mount.folder == os.fspath(place) and mount.commit == version.commit and is_served(mount) for mount in read_mounts(site))
