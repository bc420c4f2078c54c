"""Files and notes of runs in a real browser: looked into, and kept from doing anything there."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lineal.records.digest import Digest
from lineal.records.run import FileUse

pytestmark = pytest.mark.real("chromium")
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000 1f15c4890000000d49444154789c6360f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
ATTACK = "top.pwned = parent.pwned = 1; document.title = 'pwned'; document.documentElement.dataset.ran = 'yes'; alert(1)"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" onload="{ATTACK}"><script>{ATTACK}</script></svg>'.encode()
HTML = f"<p id='p'>still</p><script>document.getElementById('p').textContent = 'ran'; try {{ {ATTACK} }} catch (e) {{}}</script>".encode()
NAME = "<img src=x onerror=top.pwned=1>"
FILES: Mapping[str, bytes] = {
    "out/a_step_1.png": PIXEL,
    "out/a_step_12.png": PIXEL,
    "out/x.svg": SVG,
    "out/r.html": HTML,
    f"out/{NAME}.csv": f"a,b\n{NAME},2\n".encode(),
    "out/n.md": f"# {NAME}\n\n[x](javascript:top.pwned=1)\n".encode(),
    "out/j.json": f'{{"{NAME}": ["{NAME}"]}}'.encode(),
    "out/b.bin": b"\0\1",
    "out/y.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><script>{ATTACK}</script></html>'.encode(),
}


@pytest.fixture
def run(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    found = next(run for run in workspace.runs.all.values() if run.status.ended and run.metrics)
    uses = tuple(FileUse(path=path, digest=Digest(f"blake3:{place:02d}"), size=len(data)) for place, (path, data) in enumerate(FILES.items()))
    monkeypatch.setitem(
        workspace.runs.all, found.id, replace(found, outputs=uses, inputs=(), note=f"*learned* {NAME} ![i](https://elsewhere.example/i.png)")
    )
    monkeypatch.setattr(workspace.runs, "artifact", lambda _reference, path: io.BytesIO(FILES[path]))
    return str(found.id)


def untouched(page: Any) -> bool:
    """Whether nothing that strangers wrote ran in the page."""
    return bool(page.evaluate("window.pwned === undefined && document.title !== 'pwned' && !document.querySelector('main img[src=x]')"))


def test_every_kind_of_file_is_looked_into_and_none_does_anything(watched: Any, run: str) -> None:
    dialogs: list[str] = []

    def said(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    watched.page.on("dialog", said)
    for path, selector in (
        ("out/a_step_1.png", "img.whole"),
        ("out/x.svg", "img.whole"),
        (f"out/{NAME}.csv", f"td:has-text('{NAME}')"),
        ("out/n.md", ".markdown h1"),
        ("out/j.json", ".values details"),
        ("out/b.bin", "text=it can only be downloaded"),
        ("out/y.xhtml", "pre.log"),
    ):
        page = watched.page
        page.goto(f"/runs/{run}")
        page.goto(f"/runs/{run}/files")
        page.locator(f".tree a[title={path!r}]").click()
        page.wait_for_selector(selector)
        assert untouched(page)
        watched.check(path)
    assert dialogs == []


def test_a_page_that_a_run_wrote_stays_in_its_sandbox(wide: Any, run: str) -> None:
    page = wide.page
    page.goto(f"/runs/{run}/files?path=out/r.html")
    frame = page.frame_locator("iframe.sandbox")
    assert frame.locator("#p").inner_text() == "still"
    page.click("text=Run them there")
    page.wait_for_selector("text=Its scripts run there")
    frame.locator("#p", has_text="ran").wait_for()
    assert frame.locator("#p").evaluate("() => origin") == "null"
    assert untouched(page)


@pytest.mark.parametrize("path", ["out/x.svg", "out/r.html"])
def test_opened_by_itself_it_runs_nothing(path: str, wide: Any, run: str) -> None:
    wide.page.goto(f"/api/v1/runs/{run}/artifact?path={path}&inline=1")
    assert wide.page.evaluate("document.documentElement.dataset.ran") is None
    assert wide.page.evaluate("origin") == "null"


def test_a_series_of_images_is_gone_through_with_a_slider(watched: Any, run: str) -> None:
    page = watched.open(f"/runs/{run}")
    picture = page.locator(".picture", has_text="out/a_step_#.png")
    picture.scroll_into_view_if_needed()
    assert "a_step_12" in picture.locator("img").get_attribute("src")
    picture.locator("input").fill("0")
    assert "a_step_1.png" in picture.locator("img").get_attribute("src")
    assert picture.locator("[data-step]").inner_text() == "step 1"
    assert "a_step_1.png" in picture.locator("a").first.get_attribute("href")
    watched.check("slider")


def test_a_note_is_rendered_tried_saved_and_kept_when_it_is_refused(watched: Any, run: str, workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from lineal.errors import Unavailable

    page = watched.open(f"/runs/{run}")
    assert page.locator("[data-note] em").inner_text() == "learned"
    assert NAME in page.locator("[data-note]").inner_text()
    assert untouched(page)
    page.click("text=Edit note")
    page.fill("[data-annotate] textarea", f"**more** {NAME}")
    page.click("[data-note-try]")
    page.wait_for_selector("[data-note-preview] strong")
    page.click("text=Save note")
    page.wait_for_selector("[data-note] strong")
    assert workspace.runs.get(run).note == f"**more** {NAME}"
    assert untouched(page)
    watched.check("note")

    def refuse(*_given: Any, **_further: Any) -> Any:
        raise Unavailable("the disk is full", kind="no-space")

    monkeypatch.setattr(workspace.runs, "annotate", refuse)
    page.click("text=Edit note")
    page.fill("[data-annotate] textarea", "long thoughts")
    page.click("text=Save note")
    page.wait_for_selector(".toast.bad >> text=the disk is full")
    assert page.input_value("[data-annotate] textarea") == "long thoughts"
    assert page.is_visible("[data-annotate] textarea")
