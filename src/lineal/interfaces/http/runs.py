"""Runs over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from lineal.errors import InvalidInput
from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import NUMBER, TEXT, WHOLE, Endpoint, parameter, required
from lineal.records.access import Role

MOST_RUNS = 1000
MOST_POINTS = 20_000
COLUMNS = "application/vnd.msgpack"


def search_runs(call: Call) -> Any:
    """The runs that match, and how many there are."""
    return call.workspace.runs.search(
        where=call.query.get("where", ""),
        order=call.query.get("order", ""),
        limit=call.number("limit", 100, most=MOST_RUNS),
        offset=call.number("offset", 0, most=2**53),
    )


def get_run(call: Call) -> Any:
    """One run."""
    return call.workspace.runs.get(call.path["run"])


def get_series(call: Call) -> Any:
    """The points of one metric, one series per rank."""
    points = call.number("points", 1000, least=2, most=MOST_POINTS)
    return {"series": call.workspace.runs.series(call.path["run"], call.need("key"), points=points, **_part(call))}


def _part(call: Call) -> dict[str, int | None]:
    """Which part of a series was asked for."""
    return {"start": call.optional_step("from"), "stop": call.optional_step("to"), "rank": call.optional_step("rank")}


def get_points(call: Call) -> Iterator[bytes]:
    """Every point of one metric, or about as many as were asked for, as columns of numbers."""
    from lineal.workspace.wire import pack_series  # with msgspec

    points = call.number("points", 0, most=2**31)
    return iter((pack_series(call.workspace.runs.series(call.path["run"], call.need("key"), points=points or None, **_part(call))),))


def get_log(call: Call) -> Iterator[bytes]:
    """What the run printed, as far as it is written."""
    return _behind(call.workspace.runs.log(call.path["run"]), call.number("offset", 0, most=2**62))


def _behind(pieces: Iterator[bytes], place: int) -> Iterator[bytes]:
    for piece in pieces:
        if place < len(piece):
            yield piece[place:]
        place = max(0, place - len(piece))


def get_diff(call: Call) -> Iterator[bytes]:
    """The uncommitted diff, secrets taken out."""
    return iter((call.workspace.runs.diff(call.path["run"]).encode("utf-8", "replace"),))


def get_artifact(call: Call) -> BinaryIO:
    """The bytes of one file the run read or wrote."""
    return call.workspace.runs.artifact(call.path["run"], call.need("path"))


def compare_runs(call: Call) -> Any:
    """Two or more runs beside one another."""
    references = [text for text in call.need("runs").split(",") if text]
    if len(references) < 2:
        raise InvalidInput("a comparison takes at least two runs", kind="too-few-runs", hint="?runs=3f2a,91bc")
    return call.workspace.runs.compare(references)


def difference_of_runs(call: Call) -> Any:
    """All that differs between two runs."""
    log = call.query.get("log", "1").lower() not in {"0", "false", "no", "off"}
    return call.workspace.runs.difference(call.need("before"), call.need("after"), log=log)


def preview_note(call: Call) -> Any:
    """A note as it will be shown."""
    from lineal.interfaces.markdown import rendered

    return {"html": rendered(call.optional_field("note") or "")}


def mark_run(call: Call) -> Any:
    """Marks a run as a mistake; an empty reason takes the mark off."""
    return call.workspace.runs.mark_mistake(call.path["run"], call.optional_field("reason") or "")


def annotate_run(call: Call) -> Any:
    """Sets the note and tags."""
    return call.workspace.runs.annotate(call.path["run"], note=call.optional_field("note"), tags=call.optional_texts("tags"))


def ingest(call: Call) -> Any:
    """Brings what was recorded so far into the ledger; the server does that by itself, too, only a moment later."""
    return {"changed": call.workspace.runs.ingest()}


def stop_run(call: Call) -> Any:
    """Stops a running run."""
    return call.workspace.runs.stop(call.path["run"])


_PART = (
    parameter("from", "only this step and later ones", WHOLE),
    parameter("to", "only this step and earlier ones", WHOLE),
    parameter("rank", "only this rank; every one unless given", NUMBER),
)
_PAGE = (parameter("limit", "at most so many", NUMBER), parameter("offset", "leave out so many", NUMBER))

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/runs",
        summary="Search runs",
        handler=search_runs,
        group="runs",
        role=Role.READER,
        query=(parameter("where", "filter, as in `lineal runs --where`"), parameter("order", "key to order by, as in `--order`"), *_PAGE),
    ),
    Endpoint(
        method="GET",
        path="/compare",
        summary="Compare runs",
        handler=compare_runs,
        group="runs",
        role=Role.READER,
        query=(required("runs", "two or more references, with commas between"),),
    ),
    Endpoint(
        method="GET",
        path="/compare/difference",
        summary="All that differs between two runs",
        handler=difference_of_runs,
        group="runs",
        role=Role.READER,
        query=(required("before", "reference of one run"), required("after", "of the other"), parameter("log", "0 leaves the logs out")),
    ),
    Endpoint(method="GET", path="/runs/{run}", summary="One run", handler=get_run, group="runs", role=Role.READER),
    Endpoint(
        method="GET",
        path="/runs/{run}/series",
        summary="The points of a metric",
        handler=get_series,
        group="runs",
        role=Role.READER,
        query=(required("key", "the metric"), parameter("points", "about so many, 1000 unless given; more are decimated", NUMBER), *_PART),
    ),
    Endpoint(
        method="GET",
        path="/runs/{run}/points",
        summary="The points of a metric as columns",
        handler=get_points,
        group="runs",
        role=Role.READER,
        query=(required("key", "the metric"), parameter("points", "about so many; every one unless given", NUMBER), *_PART),
        answers=COLUMNS,
    ),
    Endpoint(
        method="GET",
        path="/runs/{run}/log",
        summary="What the run printed",
        handler=get_log,
        group="runs",
        role=Role.READER,
        query=(parameter("offset", "from this byte on", NUMBER),),
        answers="text/plain",
    ),
    Endpoint(
        method="GET", path="/runs/{run}/diff", summary="The uncommitted diff", handler=get_diff, group="runs", role=Role.READER, answers="text/plain"
    ),
    Endpoint(
        method="GET",
        path="/runs/{run}/artifact",
        summary="The bytes of a file of the run",
        handler=get_artifact,
        group="runs",
        role=Role.READER,
        query=(
            required("path", "as the run knew it"),
            parameter("inline", "1 to show an image, a sound, a video or a page in a sandbox; every other file is a download", NUMBER),
            parameter("scripts", "1 lets such a page run its own scripts, without an origin and without a network", NUMBER),
        ),
        answers="application/octet-stream",
        shown=True,
    ),
    Endpoint(
        method="POST", path="/notes/preview", summary="A note as HTML", handler=preview_note, group="runs", role=Role.READER, body={"note": TEXT}
    ),
    Endpoint(
        method="POST",
        path="/runs/{run}/mark",
        summary="Mark as a mistake",
        handler=mark_run,
        group="runs",
        role=Role.CONTRIBUTOR,
        body={"reason": TEXT},
    ),
    Endpoint(
        method="POST",
        path="/runs/{run}/annotate",
        summary="Set note and tags",
        handler=annotate_run,
        group="runs",
        role=Role.CONTRIBUTOR,
        body={"note": TEXT, "tags": {"type": "object", "additionalProperties": TEXT}},
    ),
    Endpoint(method="POST", path="/ingest", summary="Bring in what was recorded", handler=ingest, group="runs", role=Role.CONTRIBUTOR),
    Endpoint(method="POST", path="/runs/{run}/stop", summary="Stop a running run", handler=stop_run, group="runs", role=Role.CONTRIBUTOR),
)
