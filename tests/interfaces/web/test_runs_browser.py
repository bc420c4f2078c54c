"""The table of runs in a real browser: all that match are scrolled through, and what happens meanwhile shows."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real("chromium")
BOX = "document.querySelector('[data-virtual]')"
SEEN = f"""(() => {{ const box = {BOX}.getBoundingClientRect();
return [...document.querySelectorAll('[data-row]')].filter(row => {{ const at = row.getBoundingClientRect();
return at.top >= box.top + 30 && at.bottom <= box.bottom; }}).map(row => row.dataset.row); }})()"""
LIVE = """
import lineal, pathlib, time
with lineal.run("long") as run:
    run.log(loss=3.5, step=0)
    while not pathlib.Path("on").exists():
        time.sleep(0.05)
    run.log(loss=0.25, step=1)
"""


def test_every_run_is_scrolled_to_and_only_some_are_in_the_page(watched: Any, workspace: Any) -> None:
    page = watched.open("/runs?mistakes=1")
    runs = [run.id for run in reversed(workspace.runs.all.values())]
    assert page.inner_text("[data-total]") == f"{len(runs):,}"
    assert page.evaluate(f"{BOX}.scrollHeight") // page.evaluate("document.querySelector('[data-row]').offsetHeight") in {len(runs), len(runs) + 1}
    for place in (900, 1700, 60, len(runs)):
        page.evaluate(f"{BOX}.scrollTop = document.querySelector('[data-row]').offsetHeight * {place}")
        page.wait_for_function(
            f"(runs) => {{ const seen = {SEEN}; return seen.length && seen[0] === runs[Math.min({place}, runs.length - seen.length)]; }}", arg=runs
        )
        assert page.locator("[data-rows] tbody tr").count() <= 200
        shown = page.evaluate(SEEN)
        assert runs[runs.index(shown[0]) :][: len(shown)] == shown
    watched.check("scrolled")


def test_a_selection_outlives_scrolling_and_coming_back(wide: Any) -> None:
    page = wide.open("/runs?order=metrics.rmse")
    page.evaluate(f"{BOX}.scrollTop = 20000")
    page.wait_for_function(f"() => {SEEN}.length > 3")
    for key in "jxjjx":
        page.keyboard.press(key)
    chosen = sorted(page.evaluate("[...document.querySelectorAll('[data-pick]:checked')].map(pick => pick.value)"))
    assert len(chosen) == 2
    page.evaluate(f"{BOX}.scrollTop = 0")
    page.wait_for_function("() => document.querySelectorAll('[data-pick]:checked').length === 0")
    assert page.inner_text("[data-count]") == "2"
    page.evaluate(f"{BOX}.scrollTop = 20000")
    page.wait_for_function("() => document.querySelectorAll('[data-pick]:checked').length === 2")
    page.wait_for_function("() => history.state && history.state.top === 20000")
    page.locator(f"[data-row='{chosen[0]}'] .first a").click()
    page.wait_for_url("**/runs/*")
    page.go_back()
    page.wait_for_function(f"() => {BOX}.scrollTop === 20000 && document.querySelectorAll('[data-pick]:checked').length === 2")
    wide.check("selected")


def test_rows_keep_their_place_when_others_come(wide: Any) -> None:
    page = wide.open("/runs")
    widths = "[...document.querySelectorAll('[data-rows] thead th')].map(head => head.offsetWidth)"
    before = page.evaluate(widths)
    page.evaluate(f"{BOX}.scrollTop = 30000")
    page.wait_for_function(f"() => {SEEN}.length > 3")
    assert page.evaluate(widths) == before
    shifts = "new Promise(done => new PerformanceObserver(list => done(list.getEntries().reduce((sum, each) => sum + each.value, 0)))"
    moved = page.evaluate(
        f"Promise.race([{shifts}.observe({{type: 'layout-shift', buffered: true}})), new Promise(done => setTimeout(done, 500, 0))])"
    )
    assert moved < 0.01


def test_the_search_box_completes_what_is_typed(wide: Any) -> None:
    page = wide.open("/runs")
    page.keyboard.press("/")
    page.keyboard.type("max_d")
    page.wait_for_selector("[role=option] >> text=params.max_depth")
    page.keyboard.press("ArrowDown")
    assert page.locator(".where").get_attribute("aria-activedescendant") == "option-0"
    page.keyboard.press("Enter")
    assert page.input_value(".where") == "params.max_depth "
    page.wait_for_selector("[role=option] >> text=operator")
    page.keyboard.press("Tab")
    assert page.input_value(".where") == "params.max_depth = "
    page.keyboard.type("8")
    page.wait_for_selector(".options", state="hidden")
    page.keyboard.press("Enter")
    page.wait_for_url("**where=*")
    page.goto("/runs?where=metrics.rmse > 1 and and")
    page.wait_for_function("() => document.activeElement.matches('.where') && document.activeElement.selectionStart === 21")
    wide.check("completed")


def test_without_events_the_page_asks_now_and_then(wide: Any, workspace: Any) -> None:
    run = list(workspace.runs.all.values())[-1]
    page = wide.open("/runs?columns=metrics.rmse")
    page.keyboard.press("j")
    focus = page.evaluate("document.activeElement.textContent")
    workspace.runs.all[run.id] = replace(run, metrics={"rmse": replace(run.metrics["rmse"], last=0.123456)})
    page.wait_for_selector(f"[data-row='{run.id}'] [title='0.123456']")
    assert page.evaluate("document.activeElement.textContent") == focus
    workspace.runs.all["e" * 32] = replace(run, id="e" * 32, number=5000, name="just-now")
    page.wait_for_selector("[data-row] >> text=just-now")
    del workspace.runs.all["e" * 32]
    workspace.runs.all[run.id] = run
    wide.check("polled")


def test_a_run_shows_itself_while_it_goes_on_without_a_reload(watch: Any, ui: Any, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(LIVE)
    subprocess.run([sys.executable, "-m", "lineal.main", "init"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", "import lineal\nwith lineal.run('first') as run: run.log(loss=9.5)"], cwd=tmp_path, check=True)
    with ui(tmp_path) as address:
        watched = watch(1280, address)
        page = watched.page
        page.goto("/runs")
        page.wait_for_selector("[data-row] >> text=first")  # it was brought in meanwhile
        page.wait_for_load_state()
        page.evaluate("window.same = true")
        page.keyboard.press("j")
        going = subprocess.Popen([sys.executable, "train.py"], cwd=tmp_path, env={**os.environ})
        page.wait_for_selector("[data-row]:has-text('long') >> text=3.5")
        assert page.evaluate("document.activeElement.textContent") == "first"
        (tmp_path / "on").touch()
        page.wait_for_selector("[data-row]:has-text('long'):has-text('finished') >> text=0.25")
        assert going.wait(timeout=60) == 0
        assert page.evaluate("window.same")
        assert page.inner_text("[data-total]") == "2"
        watched.check("live")
