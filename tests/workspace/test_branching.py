"""Branches of datasets: made, merged, reverted and deleted, with the working copy, the ledger and the graph following."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from lineal.errors import Conflict, InvalidInput, InvalidState, LinealError, NotFound
from lineal.ledger import schema
from lineal.ledger.events import list_events
from lineal.records.dataset import DatasetVersion
from lineal.records.graph import GENERATED, USED
from lineal.workspace import projection
from lineal.workspace.audit import LocalAudit
from lineal.workspace.branching import LocalBranches
from lineal.workspace.heads import Head, head_of, set_head
from lineal.workspace.references import resolve
from lineal.workspace.site import Site
from lineal.workspace.versioning import LocalDatasets


@pytest.fixture
def datasets(site: Site) -> LocalDatasets:
    return LocalDatasets(site)


@pytest.fixture
def branches(site: Site, datasets: LocalDatasets) -> LocalBranches:
    return LocalBranches(site, datasets)


@pytest.fixture
def data(site: Site, datasets: LocalDatasets) -> Path:
    """A folder with two files, added once as the dataset ``data``."""
    folder = site.layout.root / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("id,late\n1,true\n2,false\n")
    (folder / "b.txt").write_text("text")
    datasets.add(folder)
    return folder


def write(folder: Path, **files: str) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def there(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def diverged(datasets: LocalDatasets, branches: LocalBranches, data: Path, ours: dict[str, str], theirs: dict[str, str]) -> None:
    """Two lines from version 1: ``cleaning`` is version 2, the main line version 3; the working copy is on the main line."""
    branches.create("data", "cleaning")
    datasets.checkout("data@cleaning")
    write(data, **theirs)
    datasets.add(data)
    datasets.checkout("data")
    write(data, **ours)
    datasets.add(data)


def made_of(site: Site, version: DatasetVersion) -> set[str]:
    edges, occurrences = schema.edges.c, schema.occurrences.c
    with site.ledger.read() as connection:
        activity = connection.execute(select(edges.target).where(edges.source == version.occurrence, edges.relation == GENERATED)).scalar_one()
        used = connection.execute(select(edges.target).where(edges.source == activity, edges.relation == USED)).scalars().all()
        return set(connection.execute(select(occurrences.label).where(occurrences.id.in_(used))).scalars())


@pytest.mark.usefixtures("data")
def test_a_new_branch_is_where_the_working_copy_is_and_costs_no_version(branches: LocalBranches) -> None:
    made = branches.create("data", "cleaning")
    assert (made.name, made.version, made.ahead, made.behind, made.current) == ("cleaning", "data@1", 0, 0, False)
    assert [(line.name, line.current) for line in branches.list("data")] == [("main", True), ("cleaning", False)]


def test_a_branch_can_begin_at_an_earlier_version(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    write(data, c_txt="more")
    datasets.add(data)
    for at in ("1", "data@1", "data:data@1", f"~{datasets.get('data@1').commit[7:19]}"):
        branch = branches.create("data", f"from-{len(branches.list('data'))}", at=at)
        assert (branch.version, branch.ahead, branch.behind) == ("data@1", 0, 1)


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", ["main", "latest", "7", "beef", "a/b", "..", "", "-x", "x y", "n" * 101])
def test_a_name_that_is_none_or_could_be_a_version_is_refused(branches: LocalBranches, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        branches.create("data", name)
    assert caught.value.kind == "bad-name"


@pytest.mark.usefixtures("data")
def test_a_branch_that_is_there_is_not_made_again(branches: LocalBranches) -> None:
    branches.create("data", "cleaning")
    with pytest.raises(Conflict, match="has a branch cleaning already"):
        branches.create("data", "cleaning")


def test_checkout_moves_the_working_copy_to_a_branch_and_add_goes_on_there(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs"})
    assert datasets.get("data@cleaning").reference == "data@2"
    assert datasets.get("data").reference == datasets.get("data@main").reference == "data@3"
    assert datasets.get("data@2").branch == "cleaning"
    assert datasets.get("data@3").parents == (datasets.get("data@1").commit,)
    assert [(line.name, line.version, line.ahead, line.behind) for line in branches.list("data")] == [
        ("main", "data@3", 0, 0),
        ("cleaning", "data@2", 1, 1),
    ]


def test_status_says_the_branch_and_what_was_there_last(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs"})
    datasets.checkout("data@cleaning")
    (status,) = datasets.status()
    assert (status.branch, status.latest, status.base, status.clean) == ("cleaning", "data@2", "", True)
    datasets.checkout("data@1")
    (status,) = datasets.status("data")
    assert (status.branch, status.latest, status.base, status.clean) == ("cleaning", "data@2", "data@1", False)


def test_add_to_a_named_branch_moves_there_and_refuses_one_that_is_not_there(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    branches.create("data", "cleaning")
    write(data, c_txt="c")
    with pytest.raises(NotFound) as caught:
        datasets.add(data, branch="cleanning")
    assert caught.value.kind == "unknown-branch"
    assert datasets.add(data, branch="cleaning").branch == "cleaning"
    assert datasets.status()[0].branch == "cleaning"
    assert datasets.get("data").reference == "data@1"
    assert datasets.add(data).reference == "data@2"


def test_the_list_names_the_latest_of_the_main_line(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    branches.create("data", "cleaning")
    write(data, c_txt="c")
    datasets.add(data, branch="cleaning")
    assert [(found.latest, found.versions) for found in datasets.list()] == [("data@1", 2)]


def test_a_merge_takes_what_each_side_changed_and_the_working_copy_follows(
    site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path
) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs", "sub__d_txt": "new"})
    plan = branches.plan_merge("data", "cleaning")
    assert (plan.outcome, plan.added, plan.modified, plan.base, plan.version, plan.preview) == ("merged", 1, 1, ("data@1",), "", True)
    assert len(datasets.versions("data")) == 3
    done = branches.merge("data", "cleaning")
    assert (done.version, done.conflicts, done.preview, done.written) == ("data@4", (), False, 2)
    assert there(data) == {"a.csv": "id,late\n1,true\n2,false\n", "b.txt": "theirs", "c.txt": "ours", "sub/d.txt": "new"}
    merged = datasets.get("data")
    assert merged.parents == (datasets.get("data@3").commit, datasets.get("data@2").commit)
    assert (merged.files, merged.size, merged.message) == (4, 23 + 6 + 4 + 3, "Merge cleaning into main")
    assert set(merged.schema) == {"a.csv"}
    assert made_of(site, merged) == {"data@2", "data@3"}
    assert datasets.status()[0].clean
    assert branches.merge("data", "cleaning").outcome == "up-to-date"


def test_a_branch_that_only_went_on_is_taken_as_it_is(site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    branches.create("data", "cleaning")
    write(data, b_txt="new")
    datasets.add(data, branch="cleaning")
    datasets.checkout("data")
    assert branches.plan_merge("data", "cleaning").outcome == "fast-forward"
    done = branches.merge("data", "cleaning")
    assert (done.outcome, done.version, done.written) == ("fast-forward", "data@2", 1)
    assert datasets.get("data").reference == "data@2"
    assert there(data)["b.txt"] == "new"
    with site.ledger.read() as connection:
        assert list_events(connection, project_id=site.project_id)[0]["action"] == "dataset.forwarded"


def test_both_sides_of_a_conflict_are_kept_and_named(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    rows = "id,late\n1,true\n2,false\n"
    diverged(datasets, branches, data, ours={"a_csv": rows + "3,true\n"}, theirs={"a_csv": rows + "4,true\n5,true\n"})
    done = branches.merge("data", "cleaning")
    (conflict,) = done.conflicts
    beside = f"a.csv.theirs-{datasets.get('data@2').commit[7:15]}"
    assert (conflict.path, conflict.kind, conflict.beside) == ("a.csv", "both-changed", beside)
    assert (conflict.rows["added"], conflict.rows["changed"]) == (1, 1)
    assert there(data)["a.csv"] == rows + "3,true\n"
    assert there(data)[beside] == rows + "4,true\n5,true\n"
    assert datasets.get("data@4").conflicts == done.conflicts
    assert set(datasets.get("data@4").schema) == {"a.csv"}


def test_a_conflict_is_decided_for_a_side_where_that_is_asked_for(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"b_txt": "ours"}, theirs={"b_txt": "theirs"})
    assert branches.merge("data", "cleaning", keep="theirs").conflicts[0].beside == ""
    assert there(data)["b.txt"] == "theirs"
    with pytest.raises(InvalidInput, match="keep must be one of"):
        branches.merge("data", "cleaning", keep="mine")


def test_a_merge_into_another_branch_leaves_the_working_copy_alone(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs"})
    write(data, c_txt="not added yet")
    done = branches.merge("data", "main", into="cleaning", message="news")
    assert (done.into, done.version, done.written) == ("cleaning", "data@4", 0)
    assert datasets.get("data@4").message == "news"
    assert (datasets.get("data@cleaning").reference, datasets.get("data").reference) == ("data@4", "data@3")
    assert there(data)["c.txt"] == "not added yet"


def test_a_merge_refuses_to_go_over_what_was_not_added(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs"})
    write(data, c_txt="not added yet")
    with pytest.raises(InvalidState) as caught:
        branches.merge("data", "cleaning")
    assert caught.value.kind == "unsaved-changes"
    assert datasets.get("data").reference == "data@3"
    assert there(data) == {"a.csv": "id,late\n1,true\n2,false\n", "b.txt": "text", "c.txt": "not added yet"}


def test_a_merge_without_a_working_copy_makes_none(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs"})
    for path in sorted(data.rglob("*"), reverse=True):
        path.unlink()
    data.rmdir()
    assert branches.merge("data", "cleaning").version == "data@4"
    assert not data.exists()


def test_lines_that_were_merged_crosswise_are_merged_without_asking_again(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"a_csv": "ours"}, theirs={"b_txt": "theirs"})
    branches.create("data", "kept")
    branches.merge("data", "cleaning")
    branches.merge("data", "kept", into="cleaning")
    write(data, c_txt="after")
    datasets.add(data)
    done = branches.merge("data", "main", into="cleaning")
    assert done.base == ("data@2", "data@3")
    assert (done.outcome, done.conflicts) == ("merged", ())
    datasets.checkout("data@cleaning")
    assert there(data) == {"a.csv": "ours", "b.txt": "theirs", "c.txt": "after"}


def test_a_dataset_of_one_file_is_merged_as_that_file(site: Site, datasets: LocalDatasets, branches: LocalBranches) -> None:
    file = site.layout.root / "one.csv"
    file.write_text("a\n1\n")
    datasets.add(file)
    branches.create("one", "side")
    file.write_text("a\n2\n")
    datasets.add(file, branch="side")
    datasets.checkout("one")
    file.write_text("a\n3\n")
    datasets.add(file)
    with pytest.raises(Conflict) as caught:
        branches.plan_merge("one", "side")
    assert caught.value.kind == "merge-conflict"
    done = branches.merge("one", "side", keep="theirs")
    assert done.conflicts[0].kind == "both-changed"
    assert file.read_text() == "a\n2\n"
    assert datasets.get("one").single_file


def test_a_file_and_a_folder_are_not_merged(site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    branches.create("data", "side")
    file = site.layout.root / "one.csv"
    file.write_text("a\n1\n")
    datasets.add(file, name="data", branch="side")
    write(data, c_txt="c")
    datasets.add(data, name="data", branch="main")
    with pytest.raises(InvalidState, match=r"data@2 is a file"):
        branches.merge("data", "side")


def test_a_revert_makes_a_new_version_of_an_old_one_and_loses_none(site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    write(data, b_txt="second", c_txt="c")
    datasets.add(data)
    plan = branches.plan_revert("data@1")
    assert (plan.outcome, plan.removed, plan.modified) == ("reverted", 1, 1)
    done = branches.revert("data@1")
    assert (done.version, done.written) == ("data@3", 2)
    back, first = datasets.get("data"), datasets.get("data@1")
    assert (back.digest, back.files, back.size, back.message) == (first.digest, first.files, first.size, "Back to data@1")
    assert back.reverts == first.commit
    assert back.schema == first.schema
    assert made_of(site, back) == {"data@1", "data@2"}
    assert there(data) == {"a.csv": "id,late\n1,true\n2,false\n", "b.txt": "text"}
    assert branches.revert("data@2").version == "data@4"
    assert there(data)["b.txt"] == "second"
    assert branches.revert("data@2").outcome == "up-to-date"


def test_one_version_is_undone_while_what_came_after_it_stays(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    write(data, b_txt="mistake", wrong_txt="wrong")
    datasets.add(data)
    write(data, c_txt="later")
    datasets.add(data)
    assert branches.plan_undo("data@2").removed == 1
    assert branches.undo("data@2").version == "data@4"
    assert there(data) == {"a.csv": "id,late\n1,true\n2,false\n", "b.txt": "text", "c.txt": "later"}
    assert branches.undo("data@2").outcome == "up-to-date"


def test_undoing_a_merge_takes_back_what_it_brought_in(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs"})
    branches.merge("data", "cleaning")
    branches.undo("data@4")
    assert there(data) == {"a.csv": "id,late\n1,true\n2,false\n", "b.txt": "text", "c.txt": "ours"}


def test_undoing_what_was_changed_again_keeps_both(datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    write(data, b_txt="second")
    second = datasets.add(data)
    write(data, b_txt="third")
    datasets.add(data)
    (conflict,) = branches.undo("data@2").conflicts
    assert conflict.beside == f"b.txt.before-{second.commit[7:15]}"
    assert there(data)["b.txt"] == "third"
    assert there(data)[conflict.beside] == "text"


def test_undoing_the_first_version_leaves_an_empty_folder_but_of_one_file_nothing(
    site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path
) -> None:
    assert branches.undo("data@1").removed == 2
    assert there(data) == {}
    file = site.layout.root / "one.csv"
    file.write_text("a\n1\n")
    datasets.add(file)
    with pytest.raises(InvalidInput) as caught:
        branches.undo("one@1")
    assert caught.value.kind == "nothing-left"


def test_a_branch_with_versions_of_its_own_is_deleted_only_when_that_is_said_and_they_stay(
    site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path
) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs"})
    with pytest.raises(InvalidState, match="data@2 would be on no branch") as caught:
        branches.delete("data", "cleaning")
    assert caught.value.kind == "unmerged-branch"
    assert [version.reference for version in branches.delete("data", "cleaning", unmerged=True)] == ["data@2"]
    assert [line.name for line in branches.list("data")] == ["main"]
    assert [version.number for version in datasets.versions("data")] == [3, 2, 1]
    assert datasets.checkout("data@2", site.layout.root / "elsewhere") == 2
    assert branches.create("data", "again", at="2").version == "data@2"


@pytest.mark.usefixtures("data")
def test_a_merged_branch_goes_without_a_word_and_leaves_no_ref(site: Site, branches: LocalBranches) -> None:
    branches.create("data", "cleaning")
    assert branches.delete("data", "cleaning") == ()
    assert set(site.store.refs()) == {"datasets/data"}


@pytest.mark.usefixtures("data")
def test_neither_the_main_line_nor_the_branch_of_the_working_copy_is_deleted(datasets: LocalDatasets, branches: LocalBranches) -> None:
    branches.create("data", "cleaning")
    datasets.checkout("data@cleaning")
    kinds = []
    for branch in ("main", "cleaning", "gone"):
        with pytest.raises(LinealError) as caught:
            branches.delete("data", branch, unmerged=True)
        kinds.append(caught.value.kind)
    assert kinds == ["main-line", "current-branch", "unknown-branch"]


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (("nothing", "cleaning", ""), "unknown-reference"),
        (("data", "gone", ""), "unknown-branch"),
        (("data", "9", ""), "unknown-reference"),
        (("data", "cleaning", "gone"), "unknown-branch"),
        (("data@1", "cleaning", ""), "bad-name"),
        (("data", "other@1", ""), "other-dataset"),
    ],
)
def test_a_merge_of_what_is_not_there_is_refused_by_name(
    datasets: LocalDatasets, branches: LocalBranches, data: Path, asked: tuple[str, str, str], kind: str
) -> None:
    branches.create("data", "cleaning")
    other = data.parent / "other"
    other.mkdir()
    datasets.add(other)
    with pytest.raises(LinealError) as caught:
        branches.merge(asked[0], asked[1], into=asked[2])
    assert caught.value.kind == kind


def test_a_deleted_version_is_merged_with_nothing(site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs"})
    version = datasets.get("data@2")
    with site.ledger.write() as connection:
        for table, column in ((schema.dataset_versions, schema.dataset_versions.c.occurrence), (schema.occurrences, schema.occurrences.c.id)):
            connection.execute(table.update().where(column == version.occurrence).values(deleted_at=1))
    with pytest.raises(NotFound) as caught:
        branches.merge("data", "cleaning")
    assert caught.value.kind == "deleted"
    assert resolve(site, "data:data@cleaning").label == "data@1"


def test_all_lines_are_in_the_ledger_again_after_it_is_made_anew(site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    diverged(datasets, branches, data, ours={"b_txt": "ours"}, theirs={"b_txt": "theirs"})
    branches.merge("data", "cleaning")
    branches.revert("data@1")
    branches.create("data", "lost", at="2")
    datasets.checkout("data@lost")
    write(data, e_txt="e")
    datasets.add(data)
    datasets.checkout("data")
    branches.delete("data", "lost", unmerged=True)
    before = datasets.versions("data")
    with site.ledger.write() as connection:
        connection.execute(schema.dataset_versions.delete())
    assert sum("not in the ledger" in line for report in LocalAudit(site, datasets).check() for line in report.damaged) == 6
    assert len(projection.project_all(site)) == 6
    after = datasets.versions("data")
    assert [(found.number, found.commit, found.parents, found.branch, found.reverts, found.conflicts) for found in after] == [
        (found.number, found.commit, found.parents, found.branch, found.reverts, found.conflicts) for found in before
    ]
    assert LocalAudit(site, datasets).check()[-1].sound


def test_merges_at_the_same_time_all_go_in(site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path) -> None:
    for number in range(4):
        branches.create("data", f"part-{number}", at="1")
        datasets.checkout(f"data@part-{number}")
        write(data, **{f"part{number}_txt": str(number)})
        datasets.add(data)
    datasets.checkout("data")
    write(data, c_txt="main")
    datasets.add(data)
    branches.create("data", "all")
    program = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        "from pathlib import Path\n"
        "from conftest import open_site\n"
        "from lineal.workspace.branching import LocalBranches\n"
        "from lineal.workspace.versioning import LocalDatasets\n"
        "site = open_site(Path(sys.argv[2]))\n"
        "LocalBranches(site, LocalDatasets(site)).merge('data', sys.argv[3], into='all')\n"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent), str(site.layout.root)]
    running = [subprocess.Popen([*command, f"part-{number}"], stderr=subprocess.PIPE) for number in range(4)]
    assert [(process.communicate()[1], process.returncode)[1] for process in running] == [0, 0, 0, 0]
    datasets.checkout("data@all")
    assert there(data) == {
        "a.csv": "id,late\n1,true\n2,false\n",
        "b.txt": "text",
        "c.txt": "main",
        **{f"part{number}.txt": str(number) for number in range(4)},
    }


@pytest.mark.usefixtures("data")
def test_a_worktree_has_branches_of_its_own(site: Site) -> None:
    other = site.layout.root.parent / "worktree"
    linked = type(site.layout)(root=other, state_folder=site.layout.state)
    assert linked.heads != site.layout.heads
    assert os.path.commonpath([linked.heads, site.layout.heads]) == str(site.layout.state / "heads")


def test_a_damaged_note_of_the_branch_is_said_and_not_guessed_over(site: Site, datasets: LocalDatasets, data: Path) -> None:
    (site.layout.heads / "data").write_text("{")
    with pytest.raises(LinealError) as caught:
        datasets.add(data)
    assert caught.value.kind == "damaged-head"


def test_a_version_whose_writer_died_before_its_row_is_there_when_it_is_asked_for(
    site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path
) -> None:
    branches.create("data", "cleaning")
    first = site.store.read_commit(datasets.get("data@1").commit)
    for branch, ref in (("", "datasets/data"), ("cleaning", "branches/data/cleaning")):
        head = site.store.ref(ref)
        meta = {**first.meta, "message": f"made on {branch}", "at": site.clock(), **({"branch": branch} if branch else {})}
        made = site.store.commit(first.root, parents=() if head is None else (head,), meta=meta)
        site.store.move_ref(ref, made, expected=head)
    assert datasets.get("data@cleaning").message == "made on cleaning"
    assert (datasets.get("data").message, datasets.get("data").number) == ("made on ", 3)
    assert (data / "a.csv").exists()


def test_a_checkout_that_died_is_finished_before_a_merge_and_never_taken_for_changes(
    site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path
) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"b_txt": "theirs"})
    head = head_of(site, "data")
    set_head(site, "data", replace(head, going=datasets.get("data@1").commit))
    (data / "c.txt").unlink()
    assert branches.merge("data", "cleaning").version == "data@4"
    assert there(data)["c.txt"] == "ours"
    assert head_of(site, "data") == Head(commit=datasets.get("data@4").commit)


def test_a_working_copy_that_cannot_follow_is_left_alone_and_that_is_said(
    site: Site, datasets: LocalDatasets, branches: LocalBranches, data: Path
) -> None:
    diverged(datasets, branches, data, ours={"c_txt": "ours"}, theirs={"x_txt": "theirs"})
    (data / ".linealignore").write_text("x.txt\n")
    datasets.add(data)
    (data / "x.txt").write_text("ignored, and in no version")
    done = branches.merge("data", "cleaning")
    assert (done.version, done.written) == ("data@5", 0)
    assert "x.txt" in done.left_behind
    assert (data / "x.txt").read_text() == "ignored, and in no version"
    assert (datasets.get("data").reference, head_of(site, "data").going) == ("data@5", None)
    (data / "x.txt").unlink()
    assert branches.merge("data", "cleaning").written == 1
    assert there(data)["x.txt"] == "theirs"
