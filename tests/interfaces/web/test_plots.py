"""Points and parallel axes of many runs in a real browser: what is selected by drawing a range."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.real("chromium")
AXIS = """([name, share]) => {
  const chart = echarts.getInstanceByDom(document.querySelector("#parallel .plot"));
  const model = chart.getModel();
  let found = null;
  model.eachComponent("parallelAxis", (each) => {
    if (!each.name.startsWith(name)) return;
    const layout = model.getComponent("parallel").coordinateSystem.getAxisLayout(`dim${each.get("dim")}`);
    const box = document.querySelector("#parallel .plot").getBoundingClientRect();
    found = [box.x + layout.position[0], box.y + layout.position[1] - share * (layout.position[1] - 52)];
  });
  return found;
}"""


def drawn(page: Any) -> None:
    page.wait_for_selector("#scatter[data-drawn] canvas")
    page.wait_for_selector("#parallel canvas")


def count(page: Any) -> tuple[int, int]:
    found = re.search(r"([\d,]+) of ([\d,]+) runs selected", page.inner_text("[data-selected-count]"))
    assert found
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def brush(page: Any, name: str, low: float, high: float) -> None:
    page.locator("#parallel").scroll_into_view_if_needed()
    x, bottom = page.evaluate(AXIS, [name, low])
    _x, top = page.evaluate(AXIS, [name, high])
    page.mouse.move(x, bottom)
    page.mouse.down()
    page.mouse.move(x, top, steps=4)
    page.mouse.up()


def test_every_run_that_matches_is_drawn_and_a_range_selects(wide: Any, workspace: Any) -> None:
    page = wide.open("/charts?where=params.max_depth >= 4&axes=params.max_depth,metrics.rmse")
    drawn(page)
    matching = workspace.table.count(where="params.max_depth >= 4")
    brush(page, "rmse", 0.02, 0.4)
    page.wait_for_url("**range=metrics.rmse*")
    selected, total = count(page)
    low, high = (float(each) for each in re.findall(r"metrics\.rmse%7E([^%]+)%7E([^&]+)", page.url)[0])
    rows = workspace.table.rows(where="params.max_depth >= 4", limit=5000).rows
    assert (selected, total) == (sum(low <= row.metrics.get("rmse", -1) <= high for row in rows), matching)
    assert 0 < selected < total
    page.reload()
    drawn(page)
    page.wait_for_selector("text=runs selected")
    assert count(page) == (selected, total)
    page.click("[data-selected-compare]")
    page.wait_for_url("**/compare?runs=*")
    drawn(page)
    wide.check("range")


def test_points_are_selected_by_a_rectangle(wide: Any) -> None:
    page = wide.open("/charts")
    drawn(page)
    box = page.locator("#scatter .plot").bounding_box()
    page.mouse.move(box["x"] + 70, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + 130, steps=4)
    page.mouse.up()
    page.wait_for_selector("text=runs selected")
    selected, total = count(page)
    assert 0 < selected < total
    assert "Compare" in page.inner_text("[data-selected-compare]")


def test_what_is_drawn_is_in_the_address(wide: Any) -> None:
    page = wide.open("/charts?x=metrics.r2&y=rmse&colour=metrics.rmse&axes=params.max_depth,metrics.rmse")
    drawn(page)
    assert [page.input_value(f"[data-axis='{name}']") for name in ("x", "y", "colour")] == ["metrics.r2", "metrics.rmse", "metrics.rmse"]
    page.click("summary:has-text('Axes')")
    assert page.locator("[data-axes] input:checked").count() == 2
    page.check("[data-axes] input[value='metrics.r2']")
    assert "axes=params.max_depth,metrics.r2,metrics.rmse" in page.url or "axes=params.max_depth,metrics.rmse,metrics.r2" in page.url
    page.select_option("[data-axis='colour']", "metrics.r2")
    assert "colour=metrics.r2" in page.url
    wide.check("address")


def test_a_filter_that_cannot_be_read_and_one_that_nothing_fits_say_so(watched: Any) -> None:
    page = watched.open("/charts?where=metrics.rmse >")
    assert page.locator(".notice.bad").is_visible()
    assert page.input_value(".where") == "metrics.rmse >"
    page = watched.open("/charts?where=params.max_depth = 99")
    assert page.locator("text=Fewer than two runs match").is_visible()


def test_the_page_works_on_a_phone(watched: Any) -> None:
    page = watched.open("/charts?where=params.max_depth = 8")
    drawn(page)
    watched.check("charts")
