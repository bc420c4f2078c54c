"""The pages in a real browser: first over the sample of 2,000 runs, then over a real project that recorded itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lineal.interfaces import web

pytestmark = pytest.mark.real("chromium")
TRAIN = """
import csv, lineal
with lineal.run("train") as run:
    depth = run.param("depth", 2)
    with open(run.input("data/birds.csv", role="train")) as file:
        rows = list(csv.reader(file))
    for step in range(40):
        run.log(loss=depth / (step + 1), step=step)
    run.summary(rmse=1 / depth, on="test")
    with open(run.output("out.txt"), "w") as file:
        file.write(f"{len(rows)} <b>rows</b>")
    print("<script>alert('x')</script>")
"""


def test_no_page_complains_or_spills_over(watched: Any, workspace: Any) -> None:
    runs = list(workspace.runs.all)
    prediction = workspace.deployments.predictions("price")[0].id
    for path in (
        "/runs",
        "/runs?where=metrics.rmse > ",
        f"/runs/{runs[-5]}",
        f"/compare?runs={','.join(runs[1980:1985])}",
        f"/compare?runs={','.join(runs[1900:1924])}",
        "/graph",
        "/graph?focus=data:houses@2&fold=0",
        "/data",
        "/data/houses",
        "/data/houses@2",
        "/data/houses/diff",
        "/models",
        "/models/price",
        "/models/price@2",
        "/deployments",
        "/deployments/price",
        f"/predictions/{prediction}",
        "/audit",
        "/search?q=price",
        "/delete?ref=data:houses@2",
    ):
        watched.open(path)


def test_runs_are_found_sorted_and_compared_by_keys(wide: Any) -> None:
    page = wide.open("/runs")
    page.keyboard.press("/")
    page.keyboard.type("params.max_depth = 8")
    page.keyboard.press("Enter")
    page.wait_for_url("**where=*")
    assert "status=" not in page.url
    page.click("thead a:has-text('rmse')")
    page.wait_for_url("**order=*")
    assert page.locator("th[aria-sort='ascending']").inner_text() == "rmse"
    for _ in range(3):
        page.keyboard.press("j")
        page.keyboard.press("x")
    assert "selected=" in page.url
    assert page.locator("[data-count]").inner_text() == "3"
    page.keyboard.press("c")
    page.wait_for_url("**/compare?runs=*")
    page.wait_for_selector("#scatter canvas")
    page.wait_for_selector("[data-overlay] canvas")
    assert page.locator("h1").inner_text() == "Compare 3 runs"
    page.go_back()
    page.wait_for_selector("[data-pick]:checked")
    assert page.locator("[data-pick]:checked").count() == 3
    wide.check("keys")


def test_places_are_two_keys_away(wide: Any) -> None:
    page = wide.open("/runs")
    for key, path in (("d", "/data"), ("m", "/models"), ("g", "/graph"), ("r", "/runs")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"**{path}")
    page.keyboard.press("?")
    assert page.locator("dialog.keys").is_visible()
    wide.check("places")


def test_a_mark_is_written_and_shown(wide: Any, workspace: Any) -> None:
    run = list(workspace.runs.all)[500]
    page = wide.open(f"/runs/{run}")
    page.click("text=Mark as mistake")
    page.fill("dialog textarea", "<b>leak</b>")
    page.click("dialog >> text=Mark")
    page.wait_for_selector(".notice >> text=<b>leak</b>")
    assert workspace.runs.get(run).mistake == "<b>leak</b>"
    page.fill("[data-annotate] textarea", "kept")
    page.click("text=Save note")
    page.wait_for_selector(".toast >> text=Saved")
    assert workspace.runs.get(run).note == "kept"
    wide.check("mark")


def test_a_refusal_keeps_what_was_typed(wide: Any, workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from lineal.errors import Unavailable

    def refuse(*_given: Any, **_further: Any) -> Any:
        raise Unavailable("the disk is full", kind="no-space", hint="Make room.")

    monkeypatch.setattr(workspace.runs, "annotate", refuse)
    page = wide.open(f"/runs/{list(workspace.runs.all)[600]}")
    page.fill("[data-annotate] textarea", "long thoughts")
    page.click("text=Save note")
    page.wait_for_selector(".toast.bad >> text=the disk is full")
    assert page.input_value("[data-annotate] textarea") == "long thoughts"


def test_a_running_run_goes_on_without_a_reload(wide: Any, workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    run = list(workspace.runs.all.values())[-1]
    page = wide.open(f"/runs/{run.id}")
    page.focus("[data-annotate] textarea")
    page.keyboard.type("typing")
    lines = [page.locator("[data-log]").inner_text().encode(), b"\nnext epoch\n"]
    monkeypatch.setattr(workspace.runs, "log", lambda _reference: iter(lines))
    workspace.runs.all[run.id] = replace(run, metrics={**run.metrics, "fresh": run.metrics["rmse"]})
    page.wait_for_selector("#live >> text=fresh")
    page.wait_for_selector("[data-log]:has-text('next epoch')")
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    assert page.input_value("[data-annotate] textarea") == "typing"
    workspace.runs.all[run.id] = run
    wide.check("running")


def test_the_graph_selects_centres_and_unfolds(wide: Any) -> None:
    page = wide.open("/graph?focus=data:houses@2")
    assert page.locator("#graph .edges .lit").count() == 5
    many = page.locator("#graph .box.many").first
    many.dispatch_event("click")
    folded = page.locator("#graph .box").count()
    page.click("#facts >> text=Unfold")
    page.wait_for_url("**unfold=*")
    assert "focus=data" in page.url
    assert page.locator("#graph .box").count() > folded
    page.locator("#graph .box", has_text="prepare").dblclick()
    page.wait_for_url("**focus=run*")
    assert page.locator("#graph .box.focus").count() == 1
    wide.check("graph")


def test_two_thousand_nodes_are_drawn_one_by_one(wide: Any) -> None:
    page = wide.open("/graph?focus=data:houses@2&fold=0")
    assert page.locator("#graph .box").count() == 2000


def test_the_monitor_is_drawn_and_a_distribution_picked(wide: Any) -> None:
    page = wide.open("/deployments/price")
    for figure in ("quality", "coverage", "distribution"):
        page.wait_for_selector(f"#{figure} canvas")
    page.click(".cell[data-feature='rooms'][data-window='1']")
    assert page.locator("[data-distribution-title]").inner_text() == "rooms: training and 2026-03"
    assert "feature=rooms" in page.url
    page.click("text=truth differs")
    page.wait_for_url("**wrong=1*")
    page.locator("#predictions tbody a").first.click()
    page.wait_for_url("**/predictions/*")
    assert page.locator(".trace > li").count() == 8
    wide.check("monitor")


def test_a_theme_stays_chosen(wide: Any) -> None:
    page = wide.open("/runs")
    before = page.evaluate("getComputedStyle(document.body).colorScheme || getComputedStyle(document.documentElement).colorScheme")
    page.click("[data-theme-switch]")
    chosen = page.evaluate("document.documentElement.dataset.theme")
    assert chosen != before
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == chosen


def test_a_deletion_is_previewed_and_carried_out(wide: Any, workspace: Any) -> None:
    run = list(workspace.runs.all)[700]
    page = wide.open(f"/runs/{run}")
    page.click("text=Delete…")
    page.wait_for_selector("text=What falls")
    page.click("button.danger.primary")
    page.wait_for_url("**/runs")
    assert workspace.resolve(f"run:{run}").marks == frozenset()
    assert "deleted" in workspace.lineage.graph(f"run:{run}", depth=0).nodes[0].marks


def test_own_script_and_style_stay_small() -> None:
    static = Path(web.__file__).parent / "static"
    assert sum(path.stat().st_size for path in static.glob("*.*")) <= 150_000


def test_a_real_project_is_shown_as_it_recorded_itself(watch: Any, ui: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "birds.csv").write_text("kind,mass\nwren,9\nrook,480\n")
    (tmp_path / "train.py").write_text(TRAIN)

    def lineal(*words: str) -> None:
        subprocess.run([sys.executable, "-m", "lineal.main", *words], cwd=tmp_path, check=True, capture_output=True, env={**os.environ})

    lineal("init")
    lineal("data", "add", "data", "--name", "birds", "-m", "two <b>birds</b>")
    for depth in ("2", "4"):
        lineal("run", "-p", f"depth={depth}", "--", sys.executable, "train.py")
    with ui(tmp_path) as base:
        watched = watch(1280, base)
        page = watched.open("/runs")
        assert page.locator("[data-row]").count() == 2
        page.click("[data-row] .first a >> nth=0")
        page.wait_for_selector("[data-series] canvas")
        assert re.search(r"<script>alert\('x'\)</script>", page.locator("[data-log]").inner_text())
        assert page.locator(".strip .box.kind-dataset", has_text="birds@1").count() == 1
        page.locator(".strip .box.kind-dataset", has_text="birds@1").click()
        page.wait_for_selector("h1:has-text('birds@1')")
        page.locator(".nodes >> text=train").first.wait_for()
        for path in ("/graph", "/data/birds", "/data/birds/diff", "/models", "/deployments", "/audit", "/compare", "/search?q=train"):
            watched.open(path)
