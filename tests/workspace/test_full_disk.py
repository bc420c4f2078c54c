"""Adding data in a project on a real small file system that fills up, at every write in turn."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lineal.errors import Unavailable
from lineal.workspace.execution import execute
from lineal.workspace.interface import RunRequest
from lineal.workspace.site import Layout, Site
from lineal.workspace.versioning import LocalDatasets

ROOM = 6 * 1024 * 1024
PAGE = 4096


@pytest.fixture
def small_disk(new_disk: Callable[[str], Path]) -> Path:
    return new_disk(str(ROOM))


def opened(root: Path) -> Site:
    layout = Layout(root=root)
    layout.state.mkdir(parents=True, exist_ok=True)
    return Site(layout=layout, project_id="f" * 32, project="p", ledger_url=f"sqlite:///{layout.ledger}", actor="ada", settings={})


def add(root: Path) -> tuple[int, Unavailable | None]:
    """The newest version's number after trying to add, as a new process would, and what stopped it."""
    site = opened(root)
    try:
        return LocalDatasets(site).add(root / "data").number, None
    except Unavailable as error:
        return 0, error
    finally:
        site.close()


def test_wherever_a_full_disk_stops_an_add_earlier_versions_stand_and_the_next_add_succeeds(small_disk: Path) -> None:
    data = small_disk / "data"
    data.mkdir()
    stopped: list[Unavailable] = []
    numbers = [add(small_disk)[0]]
    for pages in range(0, 60, 2):
        for place in range(4):
            (data / f"{place}.bin").write_bytes(os.urandom(5000))
        filler = small_disk / "filler"
        status = os.statvfs(small_disk)
        filler.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - pages * PAGE)))
        number, error = add(small_disk)
        if error is not None:
            stopped.append(error)
        filler.unlink()
        number, error = add(small_disk)
        assert error is None
        numbers.append(number)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(stopped) > 5
    assert {(error.kind, error.exit_code) for error in stopped} == {("disk-full", 6)}
    site = opened(small_disk)
    assert site.store.verify().sound
    assert all(report.sound for report in LocalDatasets(site).verify())
    site.close()


def test_a_run_that_cannot_be_recorded_is_not_begun_and_leaves_nothing(small_disk: Path) -> None:
    opened(small_disk).close()
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        while True:
            try:
                os.write(file.fileno(), bytes(PAGE))
            except OSError:
                break
    site = opened(small_disk)
    request = RunRequest(command=(sys.executable, "-c", "open('ran', 'w')"), folder=small_disk)
    with pytest.raises(Unavailable) as caught:
        execute(site, request)
    assert caught.value.kind == "disk-full"
    filler.unlink()
    assert not (small_disk / "ran").exists()
    assert list(site.layout.journals.glob("*")) == []
    site.close()
