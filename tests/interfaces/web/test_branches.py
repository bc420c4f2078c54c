"""Branches over HTTP and on pages, of a real project: looked at, merged, reverted, made and deleted, by requests and by clicks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lineal.bootstrap.compose import create_workspace
from lineal.interfaces.web import history
from lineal.interfaces.web.views import data
from lineal.pages import application
from lineal.workspace.local import LocalWorkspace

API = "/api/v1/datasets"


def prepare(folder: Path) -> LocalWorkspace:
    """A dataset ``birds`` with folders, on two branches that are at odds about one file."""
    space = create_workspace(folder, name="branches")
    birds = folder / "birds"
    for month in range(1, 4):
        (birds / "2024").mkdir(parents=True, exist_ok=True)
        (birds / "2024" / f"{month:02}.csv").write_text(f"id,seen\n{month},true\n")
    space.datasets.add(birds, message="the first")
    space.branches.create("birds", "cleaning")
    (birds / "2024" / "01.csv").write_text("id,seen\n1,false\n")
    (birds / "notes.txt").write_text("cleaned")
    space.datasets.add(birds, branch="cleaning", message="cleaned")
    space.datasets.checkout("birds")
    (birds / "2024" / "01.csv").write_text("id,seen\n1,unknown\n")
    space.datasets.add(birds, message="unknown")
    return space


@pytest.fixture
def space(tmp_path: Path) -> Iterator[LocalWorkspace]:
    made = prepare(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorkspace]:
    """The same for tests that change nothing."""
    made = prepare(tmp_path_factory.mktemp("unchanged"))
    yield made
    made.close()


@pytest.fixture
def client(space: LocalWorkspace, visitor: Any) -> Any:
    return type(visitor)(application(space))


def test_branches_are_read_made_and_deleted(client: Any) -> None:
    lines = client.get(f"{API}/birds/branches").json()["branches"]
    assert [(line["name"], line["version"], line["ahead"], line["behind"]) for line in lines] == [
        ("main", "birds@3", 0, 0),
        ("cleaning", "birds@2", 1, 1),
    ]
    assert client.post(f"{API}/birds/branches", {"branch": "labels", "at": "birds@1"}).json()["version"] == "birds@1"
    assert client.ask("DELETE", f"{API}/birds/branches/labels", json={}).json() == {"dataset": "birds", "deleted": "labels", "versions": []}
    refused = client.ask("DELETE", f"{API}/birds/branches/cleaning", json={})
    assert (refused.status_code, refused.json()["kind"]) == (409, "unmerged-branch")
    assert client.ask("DELETE", f"{API}/birds/branches/cleaning", json={"unmerged": True}).json()["versions"] == ["birds@2"]
    assert len(client.get(f"{API}/birds/versions").json()["versions"]) == 3


def test_a_merge_is_previewed_and_done(client: Any, space: LocalWorkspace) -> None:
    plan = client.get(f"{API}/birds/merge?source=cleaning").json()
    assert (plan["outcome"], plan["preview"], [conflict["path"] for conflict in plan["conflicts"]]) == ("merged", True, ["2024/01.csv"])
    assert client.get(f"{API}/birds/merge?source=cleaning&keep=theirs").json()["conflicts"][0]["beside"] == ""
    report = client.post(f"{API}/birds/merge", {"source": "cleaning", "message": "news"}).json()
    assert (report["version"], report["written"]) == ("birds@4", 2)
    assert space.datasets.get("birds").message == "news"
    assert (space.root / "birds" / "notes.txt").read_text() == "cleaned"


def test_a_revert_is_previewed_and_done(client: Any) -> None:
    assert client.get(f"{API}/birds@1/revert").json()["outcome"] == "reverted"
    assert client.post(f"{API}/birds@1/revert", {"message": "back"}).json()["version"] == "birds@4"
    assert client.get(f"{API}/birds@4/revert?only=1").json()["theirs"] == "birds@3"
    assert client.post(f"{API}/birds@4/revert", {"only": True, "branch": "main"}).json()["version"] == "birds@5"
    assert client.get(f"{API}/birds@main").json()["number"] == 5


def test_a_share_of_a_version_is_read_back(client: Any) -> None:
    found = client.get(f"{API}/birds@1/verify?percent=100&seed=7").json()
    assert (found["seed"], found["reports"][0]["damaged"]) == (7, [])
    assert client.get(f"{API}/birds@1/verify?percent=0").json()["kind"] == "bad-parameter"


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        (("GET", "/nothing/branches", None), 404, "unknown-reference"),
        (("POST", "/birds/branches", {}), 422, "bad-body"),
        (("POST", "/birds/branches", {"branch": "main"}), 422, "bad-name"),
        (("POST", "/birds/branches", {"branch": "cleaning"}), 409, "branch-exists"),
        (("POST", "/birds/branches", {"branch": "x", "at": 7}), 422, "bad-body"),
        (("DELETE", "/birds/branches/gone", {}), 404, "unknown-branch"),
        (("DELETE", "/birds/branches/main", {}), 422, "main-line"),
        (("GET", "/birds/merge", None), 422, "missing-parameter"),
        (("GET", "/birds/merge?source=gone", None), 404, "unknown-branch"),
        (("GET", "/birds/merge?source=cleaning&keep=mine", None), 422, "bad-parameter"),
        (("POST", "/birds/merge", {"source": "cleaning", "into": "gone"}), 404, "unknown-branch"),
        (("POST", "/birds/merge", {"source": "cleaning", "keep": "mine"}), 422, "bad-parameter"),
        (("POST", "/birds@9/revert", {}), 404, "unknown-reference"),
        (("POST", "/birds@1/revert", {"only": "yes"}), 422, "bad-body"),
        (("GET", "/birds@1/revert?branch=gone", None), 404, "unknown-branch"),
    ],
)
def test_bad_requests_are_answered_by_problems(unchanged: LocalWorkspace, visitor: Any, asked: tuple[str, str, Any], status: int, kind: str) -> None:
    method, path, body = asked
    answer = type(visitor)(application(unchanged)).ask(method, API + path, **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json()["kind"]) == (status, kind), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_working_copy_with_changes_refuses_a_merge(client: Any, space: LocalWorkspace) -> None:
    (space.root / "birds" / "notes.txt").write_text("not added")
    answer = client.post(f"{API}/birds/merge", {"source": "cleaning"})
    assert (answer.status_code, answer.json()["kind"]) == (409, "unsaved-changes")


def test_pages_show_what_the_branches_are(client: Any) -> None:
    page = client.get("/data/birds").text
    assert page.count('class="lines"') == 3
    assert "1 ahead, 1 behind" in page
    version = client.get("/data/birds@cleaning?folder=2024").text
    assert ">02.csv</a>" in version
    assert "notes.txt" not in version
    assert client.get("/data/birds/merge.json?source=cleaning").json()["outcome"] == "merged"
    assert client.get("/data/birds/revert").status_code == 422


def test_many_versions_and_files_come_in_pages(client: Any, space: LocalWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "VERSIONS", 4)
    monkeypatch.setattr(data, "FILES", 3)
    monkeypatch.setattr(history, "MOST_BARS", 2)
    for number in range(3):
        (space.root / "birds" / f"{number}.txt").write_text(str(number))
        space.datasets.add(space.root / "birds")
    first, second = client.get("/data/birds").text, client.get("/data/birds?offset=4").text
    assert (first.count('class="lines"'), second.count('class="lines"')) == (4, 2)
    assert 'href="/data/birds?offset=4"' in first
    assert "the last 2 versions" in first
    page = client.get("/data/birds@main").text
    assert page.count("<tr data-row>") == 3
    assert 'href="/data/birds@main?after=2.txt" rel="next"' in page
    assert client.get("/data/birds@main?after=2.txt").text.count("<tr data-row>") == 1


@pytest.mark.real("chromium")
def test_a_branch_is_made_merged_undone_and_deleted_by_clicks(tmp_path: Path, ui: Any, watch: Any) -> None:
    prepare(tmp_path).close()
    with ui(tmp_path) as base:
        watched = watch(1280, base)
        page = watched.open("/data/birds")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="New branch").click()
        page.get_by_label("Name").fill("labels")
        page.get_by_role("button", name="Make it").click()
        page.wait_for_selector("td b:text-is('labels')")
        page.locator("tr", has=page.locator("b:text-is('cleaning')")).get_by_role("link", name="Merge into main").click()
        page.wait_for_selector("h2:text-is('Conflicts')")
        watched.check("the merge")
        page.get_by_role("button", name="Merge into main").click()
        page.wait_for_selector("h1:text-is('birds@4')")
        page.wait_for_load_state("networkidle")
        watched.check("the merged version")
        assert page.get_by_text("01.csv.theirs-").count() == 1
        page.get_by_role("link", name="Undo it").click()
        page.get_by_role("button", name="Make this version").click()
        page.wait_for_selector("h1:text-is('birds@5')")
        page.goto("/data/birds")
        page.locator("tr", has=page.locator("b:text-is('labels')")).get_by_role("button", name="Delete").click()
        page.wait_for_selector("td b:text-is('labels')", state="detached")
        page.wait_for_load_state("networkidle")
        watched.check("the dataset")
        narrow = watch(400, base)
        for path in ("/data/birds", "/data/birds@4", "/data/birds/merge?source=cleaning", "/data/birds/revert?version=1", "/data/birds/diff"):
            narrow.open(path)
