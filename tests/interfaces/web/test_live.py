"""News of runs as server-sent events: one watcher, however many follow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import anyio
import pytest

from lineal.errors import Unavailable
from lineal.interfaces.web import live
from lineal.interfaces.web.live import Hub, encoded, end_streams, hub_of
from lineal.records.run_table import News, Pulse


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECONDS", 0.02)


async def news(hub: Hub, change: Callable[[], object]) -> dict[str, Any]:
    """What is told after a change, once the watcher has seen what was before."""
    async with aclosing(hub.follow()) as events:
        assert await anext(events) == b"retry: 3000\n\n"
        told = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.2)
        change()
        event = (await asyncio.wait_for(told, 20)).decode()
    assert event.startswith("event: runs\ndata: ")
    return dict(json.loads(event.partition("data: ")[2]))


def test_a_run_that_moves_is_told_of(sample: Any) -> None:
    run = list(sample.runs.all.values())[-1]

    def moves() -> None:
        sample.runs.all[run.id] = replace(run, metrics={})

    assert anyio.run(news, hub_of(sample), moves) == {"new": 0, "changed": [run.id], "many": False}


def test_a_new_run_is_told_of_even_after_the_ledger_was_away(sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = next(iter(sample.runs.all.values()))
    asked = sample.table.pulse
    answers = iter([asked, _away, _away])

    def arrives() -> None:
        sample.runs.all["f" * 32] = replace(run, id="f" * 32, number=999)

    monkeypatch.setattr(sample.table, "pulse", lambda after=None: next(answers, asked)(after))
    told = anyio.run(news, Hub(sample), arrives)
    assert told["new"] == 999 - 300


def _away(_after: int | None = None) -> Pulse:
    raise Unavailable("the database restarts", kind="ledger-unavailable")


def test_nobody_watches_for_nobody_and_one_for_many(sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []
    before = sample.table.pulse

    def pulse(after: int | None = None) -> Pulse:
        asked.append(after)
        return before(after)  # type: ignore[no-any-return]

    monkeypatch.setattr(sample.table, "pulse", pulse)

    async def look() -> None:
        hub = Hub(sample)
        async with aclosing(hub.follow()) as first, aclosing(hub.follow()) as second:
            await anext(first)
            await anext(second)
            await asyncio.sleep(0.3)
            assert asked.count(None) == 1
            assert len(asked) > 1
        await asyncio.sleep(0.2)
        seen = len(asked)
        await asyncio.sleep(0.2)
        assert len(asked) == seen

    anyio.run(look)


def test_a_program_that_stops_ends_every_connection(sample: Any) -> None:
    async def look() -> None:
        events = hub_of(sample).follow()
        await anext(events)
        end_streams()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(events), 20)

    anyio.run(look)


def test_more_changes_than_can_be_named_are_only_said_to_be_many() -> None:
    body = json.loads(encoded(News(new=1, changed=tuple(map(str, range(live.MOST + 1))))).decode().partition("data: ")[2])
    assert body == {"new": 1, "changed": [], "many": True}
