"""Charts of series in a real browser: zoomed, over time, by rank, several over each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytestmark = pytest.mark.real("chromium")


def curve(page: Any, key: str) -> Any:
    place = page.locator(f"[data-label='{key}']")
    place.scroll_into_view_if_needed()
    place.locator("canvas").first.wait_for()
    page.wait_for_function("place => place.dataset.points", arg=place.element_handle())
    return place


def drag(page: Any, plot: Any, first: float, last: float) -> None:
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * first, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * last, box["y"] + 60, steps=3)
    page.mouse.up()


@pytest.fixture
def run(workspace: Any) -> str:
    found = next(run for run in reversed(workspace.runs.all.values()) if run.status.ended and run.metrics["loss"].points > 100)
    return str(found.id)


def test_dragging_over_a_chart_zooms_in_and_asks_for_finer_points(wide: Any, run: str, workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    series, total = workspace.runs.series, workspace.runs.get(run).metrics["loss"].points

    def few(reference: str, key: str, **words: Any) -> Any:
        asked.append({"key": key, **words})
        return series(reference, key, **{**words, "points": 50})

    monkeypatch.setattr(workspace.runs, "series", few)
    page = wide.open(f"/runs/{run}")
    loss = curve(page, "loss")
    whole = loss.locator("[data-decimated]").inner_text()
    assert f"of {total:,} points" in whole
    assert "rank 0 of 2" in whole
    drag(page, loss.locator(".plot"), 0.4, 0.6)
    page.wait_for_url("**zoom=*")
    page.wait_for_function("before => document.querySelector('[data-label=loss] [data-decimated]').textContent !== before", arg=whole)
    part = next(words for words in asked if words["key"] == "loss" and words["start"] is not None)
    assert (part["rank"], 0 < part["start"] < part["stop"] < total) == (0, True)
    page.reload()
    curve(page, "loss")
    page.click("text=Reset zoom")
    assert "zoom=" not in page.url
    assert page.locator("[data-zoom-reset]").is_hidden()
    wide.check("zoom")


def test_a_chart_is_zoomed_by_keys_too(wide: Any, run: str) -> None:
    page = wide.open(f"/runs/{run}")
    curve(page, "loss").locator(".plot").focus()
    page.keyboard.press("+")
    assert "zoom=" in page.url
    page.keyboard.press("0")
    assert "zoom=" not in page.url
    wide.check("zoom by keys")


def test_other_ranks_are_drawn_when_they_are_asked_for(wide: Any, run: str) -> None:
    page = wide.open(f"/runs/{run}")
    loss = curve(page, "loss")
    before = int(loss.get_attribute("data-points"))
    page.check("[data-chart-ranks]")
    page.wait_for_function("before => Number(document.querySelector('[data-label=loss]').dataset.points) === 2 * before", arg=before)
    assert "ranks=all" in page.url
    wide.check("ranks")


def test_scale_smoothing_and_axis_are_in_the_address_and_come_back_with_it(wide: Any, run: str) -> None:
    page = wide.open(f"/runs/{run}?log=1&smooth=0.5&x=relative&zoom=3~9")
    curve(page, "loss")
    assert page.is_checked("[data-chart-log]")
    assert page.input_value("[data-chart-smooth]") == "0.5"
    assert page.input_value("[data-chart-x]") == "relative"
    page.select_option("[data-chart-x]", "time")
    assert "x=time" in page.url
    assert "zoom=" not in page.url
    wide.check("address")


def test_several_metrics_of_a_run_are_drawn_over_each_other(wide: Any, run: str, workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = workspace.runs.get(run)
    monkeypatch.setitem(workspace.runs.all, run, replace(found, metrics={**found.metrics, "val/a,b": found.metrics["loss"]}))
    page = wide.open(f"/runs/{run}")
    curve(page, "loss")
    page.click("summary:has-text('Draw several over each other')")
    for key in ("loss", "val/a,b"):
        page.check(f"[data-together-key][value='{key}']")
    page.wait_for_selector("[data-together] canvas")
    assert page.url.count("together=") == 2
    page.reload()
    page.wait_for_selector("[data-together] canvas")
    wide.check("together")


def test_a_series_that_cannot_be_had_says_so(wide: Any, run: str, workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from lineal.errors import Unavailable

    def refuse(*_given: Any, **_further: Any) -> Any:
        raise Unavailable("the ledger is away", kind="no-ledger")

    page = wide.open(f"/runs/{run}")
    curve(page, "loss")
    monkeypatch.setattr(workspace.runs, "series", refuse)
    page.check("[data-chart-ranks]")
    page.wait_for_selector("[data-label='loss'] >> text=the ledger is away")


def test_runs_are_drawn_over_each_other_and_those_left_out_are_counted(wide: Any, workspace: Any) -> None:
    runs = [run.id for run in workspace.runs.all.values() if "loss" in run.metrics and run.metrics["loss"].points > 1][:30]
    page = wide.open(f"/compare?runs={','.join(runs)}")
    place = page.locator("[data-overlay='loss']")
    place.scroll_into_view_if_needed()
    page.wait_for_selector("[data-overlay='loss'] >> text=the first 24 of 30 runs")
    wide.check("overlay")
