"""`lineal.runs` and `lineal.get` over a real project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import lineal
from lineal.bootstrap.session import close_shared
from lineal.errors import InvalidInput, NotFound
from lineal.interfaces.sdk.reading import FoundDataset


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from lineal.bootstrap.compose import create_workspace

    create_workspace(tmp_path, name="reading").close()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    close_shared()


def test_runs_are_found_and_shown_as_a_table(project: Path) -> None:
    assert project.is_dir()
    for depth in (2, 4):
        with lineal.run("train", params={"depth": depth}, tags={"team": "a"}) as run:
            run.log(loss=1 / depth, step=1)
            run.log(loss=0.5 / depth, step=2)
    found = lineal.runs(where="params.depth > 2")
    assert (len(found), found.total) == (1, 1)
    assert found[0].params == {"depth": 4}
    table = lineal.runs().to_pandas()
    assert sorted(table["params.depth"]) == [2, 4]
    assert set(table["tags.team"]) == {"a"}
    points = found[0].to_pandas("loss")
    assert list(points["value"]) == [0.25, 0.125]
    assert list(points.columns) == ["key", "rank", "step", "value", "time"]
    again = lineal.get(f"run:{found[0].id}")
    assert again.name == "train"
    assert repr(found) == "<1 of 1 runs>"
    assert repr(found[0]) == f"<run {found[0].id[:8]} train, finished>"


def test_branches_are_read_made_and_merged_from_python(project: Path) -> None:
    folder = project / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("x,y\n1,2\n")
    space = lineal.open_workspace()
    space.datasets.add(folder, name="numbers")
    space.branches.create("numbers", "side")
    (folder / "b.csv").write_text("x,y\n3,4\n")
    space.datasets.add(folder, name="numbers", branch="side")
    side = lineal.get("numbers@side")
    assert isinstance(side, FoundDataset)
    assert (side.branch, side.paths()) == ("side", ["a.csv", "b.csv"])
    assert list(side.to_pandas("b.csv")["y"]) == [4]
    main = lineal.get("numbers")
    assert isinstance(main, FoundDataset)
    assert main.paths() == ["a.csv"]
    assert space.branches.plan_merge("numbers", "side", into="main").outcome == "fast-forward"
    assert space.branches.merge("numbers", "side", into="main").version == "numbers@2"
    assert space.branches.revert("numbers@1", branch="main", message="back").version == "numbers@3"
    assert space.branches.undo("numbers@3", branch="main").version == "numbers@4"
    latest = lineal.get("numbers")
    assert isinstance(latest, FoundDataset)
    assert (latest.paths(), latest.record.parents) == (["a.csv", "b.csv"], (space.datasets.get("numbers@3").commit,))


def test_a_dataset_is_read_without_a_checkout(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data/a.csv").write_text("x,y\n1,2\n3,4\n")
    lineal.open_workspace().datasets.add(Path("data"), name="numbers")
    version = lineal.get("data:numbers")
    assert isinstance(version, FoundDataset)
    assert list(version.to_pandas()["y"]) == [2, 4]
    assert version.paths() == ["a.csv"]
    assert repr(version) == "<dataset numbers@1, 1 file>"
    (project / "data/b.txt").write_text("no table")
    lineal.open_workspace().datasets.add(Path("data"), name="numbers")
    newest = lineal.get("data:numbers@2")
    assert isinstance(newest, FoundDataset)
    with pytest.raises(InvalidInput) as several:
        newest.to_pandas()
    with pytest.raises(InvalidInput) as no_table:
        newest.to_pandas("b.txt")
    assert (several.value.kind, no_table.value.kind) == ("which-file", "not-a-table")


def test_what_is_not_there_is_said(project: Path) -> None:
    assert project.is_dir()
    with pytest.raises(NotFound) as unknown:
        lineal.get("run:abcd")
    assert unknown.value.kind == "unknown-reference"
