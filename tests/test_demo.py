"""The main job, end to end, as `make demo` plays it; then its data in the pages, clicked through in a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(900)
LINEAL = (sys.executable, "-P", "-m", "lineal.main")


@dataclass(frozen=True)
class Story:
    folder: Path
    told: str

    def ask(self, *arguments: str) -> Any:
        done = subprocess.run([*LINEAL, *arguments, "--json"], cwd=self.folder, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    pytest.importorskip("skops")
    folder = tmp_path_factory.mktemp("demo") / "flights of 2013"
    done = subprocess.run([*LINEAL, "demo", str(folder), "--no-ui"], capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    yield Story(folder=folder, told=done.stdout)
    subprocess.run([*LINEAL, "undeploy", "delay"], cwd=folder, capture_output=True, check=True)


@pytest.fixture(scope="module")
def address(story: Story) -> Iterator[str]:
    command = [*LINEAL, "ui", "--port", "0"]
    with subprocess.Popen(command, cwd=story.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().rpartition(" ")[2].strip()
        process.terminate()
        process.communicate(timeout=20)


def test_every_chapter_is_told(story: Story) -> None:
    for title in ("1. Record", "2. Ship", "3. Watch", "4. Trace", "5. Guard", "6. Doubt", "7. Summary"):
        assert title in story.told


def test_the_runs_are_recorded_as_they_went(story: Story) -> None:
    runs = story.ask("runs", "--where", "name = 'train' and not tags.reproduces != ''", "--limit", "50")
    assert [run["status"] for run in runs].count("finished") >= 6
    assert [run["status"] for run in runs].count("failed") == 1
    for run in runs:
        assert {use["path"] for use in run["inputs"]} >= {"data/train.csv", "data/test.csv"} or run["status"] == "failed"
        assert run["code"]["commit"]
        assert "scikit-learn" in run["environment"]["packages"]
        assert run["capture"]["grade"] == "complete"


def test_a_split_by_time_scores_as_production_will(story: Story) -> None:
    best = story.ask("runs", "--where", "name = 'train' and status = 'finished'", "--order", "-auc")[0]
    assert 0.6 < best["metrics"]["auc"] < 0.7


def test_the_graph_reaches_from_the_source_to_the_service(story: Story) -> None:
    graph = story.ask("lineage", "deployment:delay")
    assert {node["kind"] for node in graph["nodes"]} >= {"deployment", "model", "run", "file", "dataset", "source"}
    assert {edge["relation"] for edge in graph["edges"]} == {"used", "wasGeneratedBy"}


def test_the_monitor_sees_quiet_inputs_and_a_bad_june(story: Story) -> None:
    report = story.ask("monitor", "delay")
    assert [window["label"] for window in report["windows"]] == ["2013-04", "2013-05", "2013-06"]
    rates = [window["quality"]["base_rate"] for window in report["windows"]]
    assert rates[2] == max(rates)
    assert all(0.9 < window["quality"]["coverage"] < 1 for window in report["windows"])
    assert all(drift["psi"] < 0.06 for window in report["windows"] for drift in window["drift"] if drift["level"] != "skipped")
    assert "month" in report["skipped"]


def test_everything_stored_is_sound(story: Story) -> None:
    assert all(report["sound"] for report in story.ask("fsck"))


def test_it_is_kept_in_little_space(story: Story) -> None:
    kept = sum(path.stat().st_size for path in (story.folder / ".lineal").rglob("*") if path.is_file())
    assert kept < 40_000_000


@pytest.mark.real("chromium")
@pytest.mark.parametrize("width", [1280, 400])
def test_the_story_is_there_in_the_pages(story: Story, address: str, watch: Callable[[int, str], Any], width: int) -> None:
    visitor = watch(width, address)
    page = visitor.open("/runs")
    page.get_by_role("link", name="train").first.click()
    page.wait_for_url("**/runs/*")
    assert page.get_by_text("auc").first.is_visible()
    visitor.open("/models/delay@1")
    page = visitor.open("/deployments/delay")
    assert page.get_by_text("2013-06").first.is_visible()
    page = visitor.open("/delete?ref=data:flights@1")
    assert page.get_by_text("Refused").is_visible()
    prediction = story.ask("show", "deployment:delay")
    assert prediction["name"] == "delay"
    for path in ("/data", "/data/flights", "/data/flights@2", "/data/flights/diff?a=1&b=2", "/graph?focus=model:delay@1", "/audit", "/models"):
        visitor.open(path)


@pytest.mark.real("chromium")
def test_a_wrong_prediction_is_traced_by_clicks(address: str, watch: Callable[[int, str], Any]) -> None:
    visitor = watch(1280, address)
    page = visitor.open("/deployments/delay")
    page.get_by_role("link", name="wrong only").click()
    page.wait_for_url("**wrong**")
    page.locator("a[href^='/predictions/']").first.click()
    page.wait_for_url("**/predictions/*")
    assert page.get_by_text("flights.csv:").first.is_visible()
    page.get_by_role("link", name="delay@1").first.click()
    page.wait_for_url("**/models/delay@1**")
    visitor.check("the way back from a prediction")
