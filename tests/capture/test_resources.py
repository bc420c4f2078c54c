from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

from lineal.capture.resources import ResourceWatch, read_graphics
from lineal.records import resources


class Notes:
    def __init__(self) -> None:
        self.all: list[tuple[Mapping[str, float], int]] = []

    def __call__(self, figures: Mapping[str, float], number: int) -> None:
        self.all.append((figures, number))

    def wait(self, count: int) -> None:
        deadline = time.monotonic() + 20
        while len(self.all) < count and time.monotonic() < deadline:
            time.sleep(0.02)


def test_a_process_and_what_it_started_are_watched() -> None:
    busy = "import subprocess,sys; subprocess.run([sys.executable, '-c', 'while True: x = bytearray(50_000_000)'])"
    child = subprocess.Popen([sys.executable, "-c", busy], start_new_session=True)
    notes = Notes()
    watch = ResourceWatch(notes, seconds=0.3, process=child.pid)
    try:
        notes.wait(3)
    finally:
        watch.stop()
        import os
        import signal

        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    figures, number = notes.all[2]
    assert number == 2
    assert figures[resources.CPU] > 10
    assert figures[resources.MEMORY] > 10_000_000
    assert set(figures) >= {resources.DISK_READ, resources.DISK_WRITTEN, resources.RECEIVED, resources.SENT}
    assert all(resources.is_resource(key) for key in figures)


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_short_run_has_no_sample(seconds: float) -> None:
    notes = Notes()
    watch = ResourceWatch(notes, seconds=seconds)
    time.sleep(0.1)
    watch.stop()
    assert notes.all == []


def test_a_process_that_is_gone_ends_the_watch_without_a_word() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    notes = Notes()
    ResourceWatch(notes, seconds=0.05, process=child.pid)
    time.sleep(0.3)
    assert notes.all == []


def test_a_driver_may_not_know_everything() -> None:
    assert read_graphics("0, 37, 1024\n1, [N/A], 0\nnonsense\n") == {
        "system/gpu_0_percent": 37.0,
        "system/gpu_0_memory_bytes": float(1 << 30),
        "system/gpu_1_memory_bytes": 0.0,
    }
