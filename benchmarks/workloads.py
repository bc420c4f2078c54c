"""The data that is versioned, the same at every run: many small files, and long ones into which a row is put.

``LINEAL_BENCH_SCALE`` (1 unless it is set) makes all of it that much smaller, for a look that takes a minute.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

SCALE = float(os.environ.get("LINEAL_BENCH_SCALE", "1"))
FILE_SIZE = 4096
A_FOLDER = 1000
"""Files in one folder."""
CLASSES = ("car", "truck", "person", "bicycle", "traffic light")
MB = 1_000_000


def scaled(number: int, *, least: int = 1) -> int:
    """A number of things, or bytes, at the scale of this run."""
    return max(least, round(number * SCALE))


def write_small_files(folder: Path, numbers: Iterable[int], *, seed: int = 1) -> None:
    """Labels of images: a box and a class for each thing in it, as JSON lines with numbers that do not repeat; folders of a thousand."""
    for number in numbers:
        path = folder / f"{number // A_FOLDER:03d}" / f"{number % A_FOLDER:04d}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_labels(number, random.Random(number * 10 + seed)))


def write_tiny_files(folder: Path, count: int) -> None:
    """A file of a line for each number, in folders of a thousand."""
    for number in range(count):
        if number % A_FOLDER == 0:
            (folder / f"{number // A_FOLDER:04d}").mkdir(parents=True)
        with open(folder / f"{number // A_FOLDER:04d}" / f"{number % A_FOLDER:04d}.txt", "wb") as file:
            file.write(b"image %d has %d things\n" % (number, number * 7919 % 23))


def write_table(path: Path, size: int) -> None:
    """Rows like those of an event log: a time, a few categories, a few numbers."""
    draw = random.Random(3)
    written = number = 0
    with path.open("wb") as file:
        file.write(b"id,time,kind,place,value,score\n")
        while written < size:
            lines = []
            for _ in range(20_000):
                number += 1
                kind, place = draw.choice((b"click", b"view", b"buy")), draw.randrange(1000)
                lines.append(b"%d,2013-01-01T%06d,%s,p%03d,%.4f,%d\n" % (number, number % 86_400, kind, place, draw.random(), draw.getrandbits(32)))
            written += file.write(b"".join(lines))
        file.truncate(size)


def write_random(path: Path, size: int) -> None:
    """Bytes that no program makes smaller."""
    draw = random.Random(4)
    with path.open("wb") as file:
        for start in range(0, size, 1 << 20):
            file.write(draw.randbytes(min(1 << 20, size - start)))


def insert_row(path: Path) -> None:
    """Puts a row into the middle; everything behind it moves."""
    data = path.read_bytes()
    middle = data.index(b"\n", len(data) // 2) + 1
    with path.open("wb") as file:
        file.write(data[:middle])
        file.write(b"0,2013-01-01T000000,inserted,p000,0.0000,0\n")
        file.write(memoryview(data)[middle:])


def _labels(number: int, draw: random.Random) -> bytes:
    lines = [
        f'{{"image": {number}, "class": "{draw.choice(CLASSES)}", "box": [{", ".join(f"{draw.random() * 1000:.2f}" for _ in range(4))}], '
        f'"score": {draw.random():.4f}}}\n'
        for _ in range(60)
    ]
    return "".join(lines).encode()[: FILE_SIZE - 1] + b"\n"
