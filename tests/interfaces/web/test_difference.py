"""Two runs against one another, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.real("chromium")


@pytest.fixture
def pair(workspace: Any) -> list[str]:
    return [run.id for run in workspace.runs.all.values() if run.status.ended and run.metrics][100:102]


def test_two_runs_show_differences_ratios_code_and_log(watched: Any, pair: list[str], workspace: Any) -> None:
    page = watched.open(f"/compare?runs={','.join(pair)}")
    page.wait_for_selector("[data-difference]")
    before, after = (workspace.runs.get(run).metrics["rmse"].last for run in pair)
    cells = page.locator(".comparison tr:has(th[title='rmse']) td").all_inner_texts()
    assert float(cells[2]) == pytest.approx(after - before, rel=1e-3, abs=1e-6)
    assert float(cells[3]) == pytest.approx(after / before, rel=1e-3)
    lines = page.locator(".code-diff").first.locator("tr.plus, tr.minus").all_inner_texts()
    assert lines == ["2\t\t−rate = 0.1", "\t2\t+rate = 0.2  # <b>"]
    assert page.locator("summary:has-text(\"<script>alert('x')</script>\")").count() == 1
    assert page.locator("section:has(h2:has-text('Log')) tr.plus").inner_text() == "\t2\t+<script>alert('x')</script>"
    assert page.locator("text=7 further code files differ").is_visible()
    assert page.locator("#scatter").count() == 0
    watched.check("difference")


def test_two_runs_are_swapped(wide: Any, pair: list[str]) -> None:
    page = wide.open(f"/compare?runs={','.join(pair)}")
    page.click("text=Swap")
    page.wait_for_url(f"**runs={pair[1]},{pair[0]}*")


def test_a_run_offers_what_it_is_likely_to_be_compared_with(wide: Any, workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    parent, run = (each for each in list(workspace.runs.all.values())[200:202])
    monkeypatch.setitem(workspace.runs.all, run.id, replace(run, parent=parent.id, tags={"reproduces": parent.id}))
    page = wide.open(f"/runs/{run.id}")
    page.click("summary:has-text('Compare with')")
    page.wait_for_selector(".others a")
    links = page.locator(".others a").all_inner_texts()
    assert links[0].endswith("the run it reproduces")
    assert not [text for text in links if text.endswith("its parent")]
    page.fill(".others input[name=runs]:not([type=hidden])", parent.id[:12])
    page.click(".others button")
    page.wait_for_url(f"**/compare?runs={parent.id[:12]}&runs={run.id}")
    page.wait_for_selector("[data-difference]")
    wide.check("compare with")
