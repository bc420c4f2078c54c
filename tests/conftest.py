"""What every test stands on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings

# A shared machine stalls now and then: how long one example took says nothing about the code.
settings.register_profile("lineal", deadline=None)
settings.load_profile("lineal")

pytest_plugins = [
    "tests.object_stores",
    "tests.faulty_proxy",
    "tests.postgres",
    "tests.lineal_server",
    "tests.mlflow_client",
    "tests.training_libraries",
    "tests.hosts",
]

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OPENED = 30_000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI says that every real part is there, a test that skips itself for want of one has failed."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and in CI nothing may be missing: {report.longrepr}"
    return report


@pytest.fixture
def new_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts real small file systems, of a size such as ``64k``, to be filled up."""
    made: list[Path] = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        try:
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("NO SMALL FILE SYSTEM: there is no mount command here, so a full disk is not tested")
        if done.returncode:
            pytest.skip(f"NO SMALL FILE SYSTEM: mount says {done.stderr.strip()!r}, so a full disk is not tested")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def tiny_disk(new_disk: Callable[[str], Path]) -> Path:
    """A real file system of 64 KiB."""
    return new_disk("64k")


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is such a place: for tests that make so much durable that waiting for the disk would be most of it."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="lineal-test-", dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


class Watched:
    """A page of a browser whose console, errors and requests are watched."""

    def __init__(self, browser: Any, width: int, base: str) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 800}, base_url=base)
        self.context.set_default_timeout(OPENED)
        self.page = self.context.new_page()
        self.trouble: list[str] = []
        self.page.on("console", lambda said: self.trouble.append(said.text) if said.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda asked: None if asked.url.startswith((base, "data:")) else self.trouble.append(f"asked for {asked.url}"))

    def open(self, path: str) -> Any:
        """Goes there, and looks once it is quiet."""
        self.page.goto(path)
        self.page.wait_for_load_state("networkidle")
        self.check(path)
        return self.page

    def check(self, path: str) -> None:
        """Nothing complained, nothing was asked for elsewhere, and the page is no wider than the window."""
        assert not self.trouble, f"{path}: {self.trouble}"
        assert self.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{path} is wider than the window"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A real browser. It lives for one module only: while it does, its loop keeps other tests of the process from running theirs."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def watch(chromium: Any) -> Iterator[Callable[[int, str], Watched]]:
    """Opens a watched page so many pixels wide over a base address; all are closed in the end."""
    opened: list[Watched] = []

    def opener(width: int, base: str) -> Watched:
        opened.append(Watched(chromium, width, base))
        return opened[-1]

    yield opener
    for each in opened:
        each.context.close()


@pytest.fixture(scope="session")
def ui() -> Callable[[Path], AbstractContextManager[str]]:
    """Serves a project's pages by `lineal ui` as a program, and gives their address."""

    @contextmanager
    def serve(folder: Path) -> Iterator[str]:
        command = [sys.executable, "-m", "lineal.main", "ui", "--port", "0"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().rpartition(" ")[2].strip()
            finally:
                process.terminate()
                process.communicate(timeout=20)

    return serve
