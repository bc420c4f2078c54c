"""The pages over a second real project, nothing like the demo: a regression that is registered, deployed and judged, among many runs."""

from __future__ import annotations

import csv
import datetime as dt
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lineal.bootstrap.compose import open_workspace
from lineal.capture.journal import JournalWriter
from lineal.records import journal

pytestmark = pytest.mark.real("chromium")
MANY = 2000
WIDTHS = (1280, 400)
BATCHES = 12
TRAIN = """
import csv, math
import numpy as np
import lineal
from sklearn.linear_model import Ridge
with lineal.run("fit") as run:
    with open(run.input("houses/sold.csv", role="train")) as file:
        rows = list(csv.DictReader(file))
    table = np.array([[float(row["rooms"]), float(row["area"])] for row in rows])
    price = np.array([float(row["price"]) for row in rows])
    model = Ridge(alpha=run.param("alpha", 1.0)).fit(table, price)
    for step in range(3000):
        run.log(loss=1 / (1 + step) + 0.05 * math.sin(step), step=step)
    run.summary(mae=float(abs(model.predict(table) - price).mean()), on="test")
    run.model("cottage", model, example=table)
"""


def house(chance: random.Random) -> tuple[int, float, int]:
    rooms, area = chance.randrange(1, 8), round(chance.uniform(30, 220), 1)
    return rooms, area, round(20_000 * rooms + 3_000 * area + chance.gauss(0, 20_000))


def lineal(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "lineal.main", *words], cwd=folder, check=True, capture_output=True, env={**os.environ})


def sweep(folder: Path) -> None:
    """Many runs, by the journals that their programs would have written."""
    workspace = open_workspace(folder)
    chance = random.Random(3)
    project = workspace.runs.search(limit=1).runs[0].project
    begun = time.time_ns() // 1000 - (MANY + 60) * 60_000_000
    for number in range(MANY):
        run, at = f"{chance.getrandbits(128):032x}", begun + number * 60_000_000
        begin = {"name": "sweep", "author": "ada", "command": ["python", "sweep.py"], "started": at}
        writer = JournalWriter(
            folder / ".lineal" / "journals" / run,
            run=run,
            project=project,
            clock=lambda: begun,
            entropy=os.urandom,
            role="owner",
            begin=begin,
            flush_seconds=3600,
        )
        writer.append(journal.PARAMS, values={"alpha": 10 ** chance.uniform(-3, 3), "depth": number % 12}, origin="recorded")
        writer.append(journal.SUMMARY, values={"mae": chance.uniform(1e4, 3e4)}, on="test", time=at)
        writer.append(journal.END, status="finished", exit_code=0, ended=at + 9_000_000, cpu_seconds=1.5, peak_memory_bytes=10**8)
        writer.close()
    workspace.runs.ingest()
    workspace.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, ui: Any) -> Iterator[tuple[Path, str]]:
    """The project and the address of its pages; what was deployed is stopped in the end."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("cottages")
    (folder / "houses").mkdir()
    (folder / "train.py").write_text(TRAIN)
    chance = random.Random(7)
    with (folder / "houses" / "sold.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("rooms", "area", "price"), *(house(chance) for _ in range(300))])
    lineal(folder, "init")
    lineal(folder, "data", "add", "houses", "--name", "houses")
    lineal(folder, "run", "-p", "alpha=2", "--", sys.executable, "train.py")
    sweep(folder)
    with ui(folder) as base:
        yield folder, base
        for deployment in httpx.get(f"{base}/api/v1/deployments").json()["deployments"]:
            httpx.post(f"{base}/api/v1/deployments/{deployment['name']}/undeploy", json={}, timeout=30)


def test_a_model_goes_from_its_run_to_production_by_buttons(project: tuple[Path, str], watch: Any) -> None:
    _, base = project
    watched = watch(1280, base)
    page = watched.open("/runs")
    assert page.inner_text("[data-total]") == f"{MANY + 1:,}"
    page.click("[data-row] .first a:has-text('train')")
    page.wait_for_selector("[data-series] canvas")
    assert "of 3,000 points; the band" in page.locator("[data-decimated]").inner_text()
    page.click("text=Register model")
    page.fill("#register [name=name]", "cottage")
    page.click("#register button.primary")
    page.wait_for_url("**/models/cottage@1")
    page.click("text=Set alias")
    page.fill("#alias [name=alias]", "best")
    page.click("#alias button.primary")
    page.locator(".heading .tag", has_text="best").wait_for()
    page.click("button:has-text('Deploy')")
    page.fill("#deploy [name=name]", "cottage-price")
    page.check("#deploy [value=x0]")
    page.click("#deploy button.primary")
    page.wait_for_url("**/deployments/cottage-price")
    page.locator(".status-serving").wait_for()
    watched.check("deployed")
    page.goto("/models/cottage@1")
    page.click("button:has-text('Deploy')")
    page.fill("#deploy [name=name]", "cottage-price")
    page.check("#deploy [name=trial]")
    page.click("#deploy button.primary")
    assert "in production" in page.locator("#deploy .refusal").inner_text()
    assert page.input_value("#deploy [name=name]") == "cottage-price"


def deployed(base: str) -> str:
    """The service's address. Where the test that deploys by buttons runs in another process, it is deployed by the API."""
    if not httpx.get(f"{base}/api/v1/deployments").json()["deployments"]:
        run = httpx.get(f"{base}/api/v1/runs?where=name = train").json()["runs"][0]["id"]
        httpx.post(f"{base}/api/v1/models", json={"run": run, "name": "cottage"}, timeout=30).raise_for_status()
        wanted = {"model": "cottage@1", "name": "cottage-price", "skip_drift": ["x0"]}
        httpx.post(f"{base}/api/v1/deployments", json=wanted, timeout=60).raise_for_status()
    return str(httpx.get(f"{base}/api/v1/deployments/cottage-price").json()["url"])


@pytest.fixture(scope="module")
def judged(project: tuple[Path, str]) -> str:
    """The base address, once the service has answered for two months and most of the truth is known."""
    _, base = project
    url = deployed(base)
    chance, truths = random.Random(1), []
    for batch in range(BATCHES):
        houses = [house(chance) for _ in range(60)]
        body = {
            "instances": [{"x0": rooms, "x1": area + 90 * (batch >= BATCHES // 2)} for rooms, area, _ in houses],
            "event_time": [dt.datetime(2026, 1 + 2 * batch // BATCHES, 3 + batch, hour % 24, tzinfo=dt.UTC).isoformat() for hour in range(60)],
            "keys": [f"house {batch}/{number}" for number in range(60)],
        }
        identifiers = httpx.post(f"{url}/predict", json=body, timeout=30).json()["prediction_ids"]
        truths += [{"prediction_id": identifier, "label": price} for identifier, (_, _, price) in zip(identifiers, houses, strict=True)]
    for _ in range(50):
        if httpx.get(f"{base}/api/v1/deployments/cottage-price").json()["predictions"] == 60 * BATCHES:
            break
        time.sleep(0.1)
    receipt = httpx.post(f"{base}/api/v1/monitors/cottage-price/truth", json={"rows": truths[:-20]}, timeout=30).json()
    assert receipt["unknown"] == 0
    return base


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_shows_it(judged: str, watch: Any, width: int) -> None:
    watched = watch(width, judged)
    prediction = httpx.get(f"{judged}/api/v1/deployments/cottage-price/predictions?limit=1").json()["predictions"][0]["id"]
    runs = [run["id"] for run in httpx.get(f"{judged}/api/v1/runs?limit=4").json()["runs"]]
    for path in (
        "/runs?offset=200&limit=200&order=metrics.mae",
        "/runs?where=metrics.mae > ",
        f"/runs/{runs[0]}?log=1&smooth=0.8",
        f"/compare?runs={','.join(runs)}",
        "/graph",
        "/graph?focus=model:cottage@1",
        "/data/houses@1",
        "/models",
        "/models/cottage@1",
        "/deployments",
        "/deployments/cottage-price",
        "/deployments/cottage-price?every=week&wrong=1",
        "/deployments/cottage-price?every=day",
        f"/predictions/{prediction}",
        "/audit?action=deployment",
    ):
        watched.open(path)


def within(box: dict[str, float], area: dict[str, float]) -> bool:
    return area["x"] <= box["x"] and box["x"] + box["width"] <= area["x"] + area["width"]


def test_the_graph_opens_where_it_can_be_read(judged: str, watch: Any) -> None:
    page = watch(1280, judged).open("/graph?focus=model:cottage@1")
    area, focus = page.locator("#graph").bounding_box(), page.locator("#graph .box.focus").bounding_box()
    assert within(focus, area)
    assert focus["height"] >= 15
    assert page.locator("#graph .edges .lit").count() == 1
    page.keyboard.press("+")
    larger = page.locator("#graph .box.focus").bounding_box()["height"]
    assert larger > focus["height"]
    page.click("text=Fit")
    for box in page.locator("#graph .box").all():
        assert within(box.bounding_box(), area)
    assert "view=" in page.url


def test_the_monitor_of_a_regression_is_walked_by_keys(judged: str, watch: Any) -> None:
    watched = watch(1280, judged)
    page = watched.open("/deployments/cottage-price")
    assert page.locator(".alerts dt").count() >= 1
    assert "Error" in page.locator("#predictions thead").inner_text()
    assert page.locator("#predictions tbody td", has_text="house 11/59").count() == 1
    page.focus(".cell[data-feature=''][data-window='0']")
    page.keyboard.press("ArrowDown")
    assert page.locator("[data-distribution-title]").inner_text() == "x1: training and 2026-01"
    page.keyboard.press("ArrowRight")
    assert page.locator("[data-distribution-title]").inner_text() == "x1: training and 2026-02"
    page.select_option("[data-metric]", "rmse")
    assert "metric=rmse" in page.url
    page.locator("#predictions tbody a").first.click()
    page.wait_for_url("**/predictions/*")
    watched.check("monitor")


def test_a_tag_is_put_on_and_taken_off(judged: str, watch: Any) -> None:
    watched = watch(400, judged)
    page = watched.open("/runs?order=metrics.mae")
    page.locator("[data-row] .first a").first.click()
    page.fill("[name=tag]", "stage=kept")
    page.press("[name=tag]", "Enter")
    page.locator(".tags .tag", has_text="stage=kept").wait_for()
    page.click("[data-untag=stage]")
    page.locator(".tags .tag").wait_for(state="detached")
    watched.check("tags")


def test_what_was_deleted_is_taken_back_from_the_record(judged: str, watch: Any) -> None:
    watched = watch(1280, judged)
    watched.page.on("dialog", lambda dialog: dialog.accept())
    page = watched.open("/runs?where=params.depth = 7")
    number = page.locator("[data-row] .first .dim").first.inner_text()
    page.locator("[data-row] .first a").first.click()
    page.click("text=Delete…")
    page.click("button.danger.primary")
    page.wait_for_url("**/runs")
    page.goto("/audit?action=run.deleted")
    assert number in page.locator("tbody tr").first.inner_text()
    page.click("text=Take back")
    page.locator("tbody button:has-text('Take back')").wait_for(state="detached")
    page.goto("/runs?where=params.depth = 7")
    assert number in page.locator("table.runs tbody").inner_text()


def test_a_service_is_stopped_after_a_question(judged: str, watch: Any) -> None:
    watched = watch(1280, judged)
    watched.page.on("dialog", lambda dialog: dialog.accept())
    page = watched.open("/deployments/cottage-price")
    page.click("text=Undeploy")
    page.locator(".status-stopped").wait_for()
    watched.check("stopped")
