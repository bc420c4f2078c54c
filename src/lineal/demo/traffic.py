"""Production: a spring of flights, replayed against the service with the events' own times, and the outcomes that come in late."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx

from lineal.demo.flights import Flight

LATE_MINUTES = 15
TRUTH_DELAY = dt.timedelta(days=14)
NOT_KNOWN = frozenset({"", "NA"})
UNANSWERABLE = httpx.codes.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A flight with the service's answer to it."""

    flight: Flight
    prediction_id: str
    late: int
    chance: float


def known_when_scheduled(flight: Flight) -> dict[str, Any]:
    """The features of a request: nothing in it happened after the schedule was made."""
    row = flight.row
    day = dt.date(int(row["year"]), flight.month, int(row["day"]))
    return {
        "carrier": row["carrier"],
        "origin": row["origin"],
        "dest": row["dest"],
        "month": flight.month,
        "weekday": day.weekday(),
        "departure": _clock_hours(row["sched_dep_time"]),
        "arrival": _clock_hours(row["sched_arr_time"]),
        "distance": int(row["distance"]),
    }


def replay(url: str, flights: Iterable[Flight], progress: Callable[[int], None]) -> Iterator[Answered]:
    """Sends the flights in the order of their schedule, those of one hour in one request."""
    ordered = sorted(flights, key=lambda flight: (flight.scheduled, flight.line))
    with httpx.Client(base_url=url, timeout=60) as client:
        for _hour, group in groupby(ordered, key=lambda flight: flight.scheduled[:13]):
            batch = list(group)
            yield from _ask(client, batch)
            progress(len(batch))


def refusal(url: str, flight: Flight) -> str:
    """What a service says to a request that lacks what its model needs; empty if it answers all the same."""
    answer = httpx.post(f"{url}/predict", json=_request([flight]), timeout=60)
    return str(answer.json().get("detail", answer.text)) if answer.status_code == UNANSWERABLE else ""


def write_truths(answered: Iterable[Answered], path: Path) -> tuple[int, int]:
    """Writes the outcomes as they became known, two weeks late; flights that never arrived have none.

    Returns:
        How many outcomes there are, and how many flights never get one.
    """
    known = missing = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prediction_id", "label", "known_at"])
        for answer in answered:
            label = outcome(answer.flight)
            if label is None:
                missing += 1
                continue
            known += 1
            at = dt.datetime.fromisoformat(answer.flight.scheduled).replace(tzinfo=dt.UTC) + TRUTH_DELAY
            writer.writerow([answer.prediction_id, label, at.isoformat()])
    return known, missing


def outcome(flight: Flight) -> int | None:
    """1 where it arrived more than 15 minutes late, 0 where not, None where it never arrived."""
    delay = flight.row["arr_delay"]
    return None if delay in NOT_KNOWN else int(float(delay) > LATE_MINUTES)


def _ask(client: httpx.Client, batch: list[Flight]) -> Iterator[Answered]:
    answer = client.post("/predict", json=_request(batch))
    answer.raise_for_status()
    body = answer.json()
    rows = zip(batch, body["prediction_ids"], body["predictions"], body["scores"], strict=True)
    for flight, identifier, late, chance in rows:
        yield Answered(flight=flight, prediction_id=identifier, late=int(late), chance=float(chance))


def _request(batch: list[Flight]) -> dict[str, Any]:
    return {
        "instances": [known_when_scheduled(flight) for flight in batch],
        "event_time": [f"{flight.scheduled}Z" for flight in batch],
        "keys": [f"flights.csv:{flight.line}" for flight in batch],
    }


def _clock_hours(hhmm: str) -> float:
    clock = int(hhmm)
    return round(clock // 100 + clock % 100 / 60, 3)
