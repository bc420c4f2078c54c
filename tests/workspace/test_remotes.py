"""Push, pull and clone between whole projects."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.object_stores import ObjectServer

from lineal.bootstrap.compose import clone_workspace, create_workspace
from lineal.errors import Conflict, InvalidInput, InvalidState, LinealError, NotFound, PermissionDenied
from lineal.records.remote import AHEAD, CURRENT, DIVERGED, MOVED, NEW, PARTLY, Transfer
from lineal.store.repository import Repository
from lineal.workspace.local import LocalWorkspace


class Team:
    """Opens projects, and closes them in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[LocalWorkspace] = []

    def make(self, name: str) -> LocalWorkspace:
        return self._keep(create_workspace(self.folder / name))

    def clone(self, url: str, name: str, **options: str) -> LocalWorkspace:
        return self._keep(clone_workspace(url, self.folder / name, **options))

    def _keep(self, made: LocalWorkspace) -> LocalWorkspace:
        self.opened.append(made)
        return made


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    made = Team(tmp_path)
    yield made
    for workspace in made.opened:
        workspace.close()


def write(workspace: LocalWorkspace, files: dict[str, bytes], folder: str = "data") -> None:
    for name, data in files.items():
        path = workspace.root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def outcomes(done: Transfer) -> dict[str, str]:
    return {f"{line.name}@{line.branch}": line.outcome for line in done.lines}


def contents(workspace: LocalWorkspace, reference: str) -> dict[str, bytes]:
    found = {}
    for entry in workspace.datasets.entries(reference):
        with workspace.datasets.open(reference, entry.path.decode()) as file:
            found[entry.path.decode()] = file.read()
    return found


@pytest.fixture(params=["folder", "seaweed"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "remote")
    server: ObjectServer = request.getfixturevalue("seaweed")
    return server.url()


FILES = {"a.txt": b"one", "deep/b.bin": random.Random(1).randbytes(200_000), "deep/c.txt": b"three"}


def test_a_project_goes_to_a_remote_and_comes_back_as_the_same_project(team: Team, url: str) -> None:
    ada = team.make("ada")
    write(ada, FILES)
    first = ada.datasets.add(ada.root / "data", name="flights", message="first")
    write(ada, {"a.txt": b"two"})
    second = ada.datasets.add(ada.root / "data", name="flights", message="second")
    ada.remotes.add("origin", url)
    assert outcomes(ada.remotes.push()) == {"flights@main": NEW}
    assert outcomes(ada.remotes.push()) == {"flights@main": CURRENT}

    bob = team.clone(url, "bob")
    assert (bob.site.project_id, bob.project) == (ada.site.project_id, "ada")
    assert outcomes(bob.remotes.pull()) == {"flights@main": NEW}
    assert [version.message for version in bob.datasets.versions("flights")] == ["second", "first"]
    assert [version.commit for version in bob.datasets.versions("flights")] == [second.commit, first.commit]
    assert contents(bob, "data:flights@1") == FILES
    assert contents(bob, "data:flights@2") == FILES | {"a.txt": b"two"}
    bob.datasets.checkout("flights")
    assert (bob.root / "data" / "a.txt").read_bytes() == b"two"
    assert all(report.sound for report in bob.audit.check())

    write(bob, {"d.txt": b"four"})
    bob.datasets.add(bob.root / "data", name="flights", message="third")
    assert outcomes(bob.remotes.push(["flights"])) == {"flights@main": MOVED}
    assert outcomes(ada.remotes.push()) == {"flights@main": AHEAD}
    assert outcomes(ada.remotes.pull(["flights"])) == {"flights@main": MOVED}
    assert contents(ada, "flights")["d.txt"] == b"four"
    assert ada.datasets.versions("flights")[0].message == "third"


def test_where_both_sides_moved_nothing_is_overwritten(team: Team, url: str) -> None:
    ada = team.make("ada")
    write(ada, FILES)
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", url)
    ada.remotes.push()
    bob = team.clone(url, "bob")
    bob.remotes.pull()
    for workspace, text in ((ada, b"ada's"), (bob, b"bob's")):
        workspace.datasets.checkout("flights")
        write(workspace, {"a.txt": text})
        workspace.datasets.add(workspace.root / "data", name="flights")
    bob.remotes.push()
    with pytest.raises(Conflict) as caught:
        ada.remotes.push()
    assert caught.value.kind == "remote-moved"
    assert "lineal pull flights" in caught.value.hint
    done = ada.remotes.pull()
    assert outcomes(done) == {"flights@main": DIVERGED}
    assert done.lines[0].kept_as == "from-origin"
    assert contents(ada, "flights")["a.txt"] == b"ada's"
    store = ada.site.store
    assert store.ref("branches/flights/from-origin") == store.ref("remotes/origin/datasets/flights") == bob.site.store.ref("datasets/flights")
    with pytest.raises(Conflict):
        ada.remotes.push()
    assert outcomes(ada.remotes.pull()) == {"flights@main": DIVERGED}
    assert list(store.refs("branches/")) == ["branches/flights/from-origin"]


def test_who_pushes_second_moves_nothing_even_if_the_first_came_in_between(team: Team, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = team.make("ada")
    write(ada, FILES)
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", url)
    ada.remotes.push()
    bob = team.clone(url, "bob")
    bob.remotes.pull()
    for workspace, text in ((ada, b"ada's"), (bob, b"bob's")):
        workspace.datasets.checkout("flights")
        write(workspace, {"a.txt": text})
        workspace.datasets.add(workspace.root / "data", name="flights")
    send = Repository.send

    def late(self: Repository, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(Repository, "send", send)
        bob.remotes.push()
        return send(self, *arguments, **options)

    monkeypatch.setattr(Repository, "send", late)
    with pytest.raises(Conflict) as caught:
        ada.remotes.push()
    assert caught.value.kind == "remote-moved"
    copy = team.clone(url, "copy")
    copy.remotes.pull()
    assert contents(copy, "flights")["a.txt"] == b"bob's"


def test_a_part_of_a_version_comes_first_and_the_rest_when_it_is_wanted(team: Team, url: str) -> None:
    ada = team.make("ada")
    files = {f"{folder}/{number}.bin": random.Random(folder + str(number)).randbytes(100_000) for folder in ("train", "test") for number in range(4)}
    write(ada, files)
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", url)
    ada.remotes.push()

    bob = team.clone(url, "bob")
    done = bob.remotes.pull(only=["test"])
    assert done.bytes < 600_000
    version = bob.datasets.get("flights")
    here = {entry.path for entry in bob.datasets.entries("flights") if bob.site.store.contains(entry.digest)}
    assert here == {name.encode() for name in files if name.startswith("test/")}
    assert [item.lends for item in bob.remotes.list()] == [True]
    assert contents(bob, "flights") == files
    assert not bob.site.store.contains(next(entry.digest for entry in bob.datasets.entries("flights", prefix="train/")))

    filled = bob.remotes.pull([version.reference], only=["train"])
    assert filled.bytes > 300_000
    assert all(bob.site.store.contains(entry.digest) for entry in bob.datasets.entries("flights"))
    assert bob.remotes.pull([version.reference]).objects == 0


def test_what_was_left_at_a_remote_that_is_gone_is_named_as_such(team: Team, tmp_path: Path) -> None:
    ada = team.make("ada")
    write(ada, FILES)
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", str(tmp_path / "remote"))
    ada.remotes.push()
    bob = team.clone(str(tmp_path / "remote"), "bob")
    bob.remotes.pull(only=())
    (tmp_path / "remote").rename(tmp_path / "elsewhere")
    with pytest.raises(NotFound) as caught:
        contents(bob, "flights")
    assert caught.value.kind == "not-fetched"
    (tmp_path / "elsewhere").rename(tmp_path / "remote")
    assert contents(bob, "flights") == FILES


def test_a_lazy_clone_pushes_what_it_adds_and_elsewhere_only_what_it_has(team: Team, tmp_path: Path) -> None:
    ada = team.make("ada")
    write(ada, FILES)
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", str(tmp_path / "remote"))
    ada.remotes.push()
    bob = team.clone(str(tmp_path / "remote"), "bob")
    bob.remotes.pull(only=())
    bob.remotes.add("other", str(tmp_path / "other"))
    with pytest.raises(NotFound) as caught:
        bob.remotes.push(remote="other")
    assert caught.value.kind == "not-fetched"
    bob.datasets.checkout("flights")
    write(bob, {"new.txt": b"new"})
    bob.datasets.add(bob.root / "data", name="flights")
    assert outcomes(bob.remotes.push(remote="origin")) == {"flights@main": MOVED}
    for version in bob.datasets.versions("flights"):
        bob.remotes.pull([version.reference], remote="origin")
    assert outcomes(bob.remotes.push(remote="other")) == {"flights@main": NEW}
    ada.remotes.pull()
    assert contents(ada, "flights") == FILES | {"new.txt": b"new"}


def test_contents_are_sent_ahead_without_moving_a_version(team: Team, url: str) -> None:
    ada = team.make("ada")
    write(ada, FILES)
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", url)
    assert outcomes(ada.remotes.push(only=["deep"])) == {"flights@main": PARTLY}
    with pytest.raises(NotFound):
        team.clone(url, "bob")
    rest = ada.remotes.push()
    assert outcomes(rest) == {"flights@main": NEW}
    bob = team.clone(url, "bob")
    bob.remotes.pull()
    assert contents(bob, "flights") == FILES


def test_a_push_of_ten_files_out_of_many_takes_at_most_twelve_requests(team: Team, seaweed: ObjectServer) -> None:
    ada = team.make("ada")
    write(ada, {f"{number % 9}/{number:05}.txt": b"%d" % number for number in range(3000)})
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", seaweed.url())
    ada.remotes.push()
    for turn in range(3):
        write(ada, {f"{number % 9}/{number:05}.txt": b"changed %d" % turn for number in range(turn, 3000, 300)})
        ada.datasets.add(ada.root / "data", name="flights")
        done = ada.remotes.push()
        assert outcomes(done) == {"flights@main": MOVED}
        assert done.requests <= 12
        assert done.bytes < 250_000


def test_several_projects_share_a_remote_and_one_is_chosen(team: Team, url: str) -> None:
    for name in ("ada", "bob"):
        made = team.make(name)
        write(made, {"a.txt": name.encode()})
        made.datasets.add(made.root / "data", name="flights")
        made.remotes.add("origin", url)
        made.remotes.push()
    with pytest.raises(InvalidInput) as caught:
        team.clone(url, "copy")
    assert caught.value.kind == "which-project"
    assert "ada" in caught.value.hint
    copy = team.clone(url, "copy", project="bob")
    copy.remotes.pull()
    assert contents(copy, "flights") == {"a.txt": b"bob"}
    with pytest.raises(NotFound):
        team.clone(url, "copy2", project="eve")


def test_a_clone_goes_into_an_empty_folder_or_goes_on_where_it_was(team: Team, tmp_path: Path) -> None:
    ada = team.make("ada")
    write(ada, FILES)
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", str(tmp_path / "remote"))
    ada.remotes.push()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(InvalidInput) as caught:
        team.clone(str(tmp_path / "remote"), "full")
    assert caught.value.kind == "folder-not-empty"
    team.clone(str(tmp_path / "remote"), "bob")
    again = team.clone(str(tmp_path / "remote"), "bob")
    assert outcomes(again.remotes.pull()) == {"flights@main": NEW}


def test_remotes_are_named_listed_and_forgotten(team: Team, tmp_path: Path) -> None:
    ada = team.make("ada")
    with pytest.raises(NotFound) as none:
        ada.remotes.push()
    assert none.value.kind == "no-remote"
    ada.remotes.add("b", "s3://bucket/p?region=eu-west-1")
    ada.remotes.add("a", "../shared")
    assert [(item.name, item.url) for item in ada.remotes.list()] == [
        ("a", f"file://{tmp_path}/shared"),
        ("b", "s3://bucket/p?region=eu-west-1"),
    ]
    with pytest.raises(InvalidInput) as several:
        ada.remotes.push()
    assert several.value.kind == "which-remote"
    with pytest.raises(Conflict) as taken:
        ada.remotes.add("a", "/elsewhere")
    assert taken.value.kind == "name-taken"
    ada.remotes.remove("a")
    assert [item.name for item in ada.remotes.list()] == ["b"]
    for call in (lambda: ada.remotes.remove("a"), lambda: ada.remotes.pull(remote="a")):
        with pytest.raises(NotFound) as unknown:
            call()
        assert unknown.value.kind == "unknown-remote"
    assert "region" in json.dumps(json.loads((ada.root / ".lineal" / "remotes.json").read_text()))


BAD: list[tuple[str, type[LinealError], str]] = [
    ("s3://AKIAABCDEFGHIJKLMNOP:verysecretverysecret@bucket/p", InvalidInput, "secret-in-address"),
    ("gopher://bucket", InvalidInput, "bad-address"),
]


@pytest.mark.parametrize(("text", "error", "kind"), BAD)
def test_a_bad_address_is_refused_and_nothing_is_kept(team: Team, text: str, error: type[LinealError], kind: str) -> None:
    ada = team.make("ada")
    with pytest.raises(error) as caught:
        ada.remotes.add("origin", text)
    assert caught.value.kind == kind
    assert ada.remotes.list() == ()


def test_nothing_is_half_done_at_a_remote_that_cannot_be_used(
    team: Team, seaweed: ObjectServer, careless: ObjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ada = team.make("ada")
    write(ada, FILES)
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("careless", careless.url())
    ada.remotes.add("wrong", seaweed.url())
    with pytest.raises(InvalidState) as ignoring:
        ada.remotes.push(remote="careless")
    assert ignoring.value.kind == "no-preconditions"
    seaweed.enter(monkeypatch)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrongwrongwrongwrong")
    with pytest.raises(PermissionDenied) as denied:
        ada.remotes.push(remote="wrong")
    assert "wrongwrong" not in str(denied.value)
    seaweed.enter(monkeypatch)
    assert outcomes(ada.remotes.push(remote="wrong")) == {"flights@main": NEW}
    with pytest.raises(NotFound) as nowhere:
        team.clone(str(tmp_path / "nothing"), "copy")
    assert nowhere.value.kind == "no-store"
    assert not (tmp_path / "nothing").exists()
    assert not (tmp_path / "copy").exists()


def test_what_is_left_at_a_remote_is_no_damage_and_outlives_a_collection(team: Team, tmp_path: Path) -> None:
    ada = team.make("ada")
    write(ada, {f"{number}.bin": random.Random(number).randbytes(100_000) for number in range(6)})
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", str(tmp_path / "remote"))
    ada.remotes.push()
    bob = team.clone(str(tmp_path / "remote"), "bob")
    bob.remotes.pull(only=["3.bin"])
    assert [report.damaged for report in bob.audit.check() if not report.sound] == []
    bob.datasets.collect(grace=0.0)
    assert bob.site.store.contains(next(entry.digest for entry in bob.datasets.entries("flights", prefix="3.bin")))
    assert len(contents(bob, "flights")) == 6
    (tmp_path / "remote").rename(tmp_path / "elsewhere")
    assert [report.damaged for report in bob.audit.check() if not report.sound] == []


def test_a_branch_that_a_pull_made_stays_with_who_pulled_unless_it_is_named(team: Team, tmp_path: Path) -> None:
    url = str(tmp_path / "remote")
    ada = team.make("ada")
    write(ada, FILES)
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", url)
    ada.remotes.push()
    bob = team.clone(url, "bob")
    bob.remotes.pull()
    bob.datasets.checkout("flights")
    for round_ in range(2):
        for workspace in (ada, bob):
            write(workspace, {f"{workspace.root.name}.txt": b"%d" % round_})
            workspace.datasets.add(workspace.root / "data", name="flights")
        bob.remotes.push()
        ada.remotes.pull()
        ada.branches.merge("flights", "from-origin")
        assert outcomes(ada.remotes.push()) == {"flights@main": MOVED}
        assert outcomes(bob.remotes.pull(["flights"])) == {"flights@main": MOVED}
        bob.datasets.checkout("flights")
    assert outcomes(ada.remotes.push(["flights@from-origin"])) == {"flights@from-origin": NEW}
    for workspace in (ada, bob):
        write(workspace, {f"{workspace.root.name}.txt": b"again"})
        workspace.datasets.add(workspace.root / "data", name="flights")
    ada.remotes.push()
    assert outcomes(bob.remotes.pull()) == {"flights@main": DIVERGED, "flights@from-origin": AHEAD}, "the remote has a branch of that name, too"


def test_a_new_branch_alone_travels_without_what_the_main_line_has_there(team: Team, tmp_path: Path) -> None:
    ada = team.make("ada")
    write(ada, {f"{number:04}.txt": b"%d" % number for number in range(2000)})
    ada.datasets.add(ada.root / "data", name="flights")
    ada.remotes.add("origin", str(tmp_path / "remote"))
    ada.remotes.push()
    ada.branches.create("flights", "trial")
    write(ada, {"new.txt": b"new"})
    ada.datasets.add(ada.root / "data", name="flights", branch="trial")
    done = ada.remotes.push(["flights@trial"])
    assert outcomes(done) == {"flights@trial": NEW}
    assert done.objects < 10


def test_a_remote_is_no_file_and_lies_in_no_folder_of_other_things(team: Team, tmp_path: Path) -> None:
    ada = team.make("ada")
    (tmp_path / "file").write_bytes(b"")
    for place, kind in ((tmp_path / "file", "not-a-folder"), (ada.root, "folder-not-empty")):
        with pytest.raises(InvalidInput) as caught:
            ada.remotes.add("origin", str(place))
        assert caught.value.kind == kind
    with pytest.raises(InvalidInput) as caught:
        clone_workspace(_pushed(ada, tmp_path / "remote"), tmp_path / "file")
    assert caught.value.kind == "not-a-folder"


def test_a_clone_without_a_working_copy_says_so_instead_of_listing_every_file_as_removed(team: Team, tmp_path: Path) -> None:
    ada = team.make("ada")
    bob = team.clone(_pushed(ada, tmp_path / "remote"), "bob")
    bob.remotes.pull()
    assert [status.there for status in bob.datasets.status()] == [False]
    bob.datasets.checkout("flights")
    assert [status.there for status in bob.datasets.status()] == [True]


def test_what_was_left_at_a_remote_that_is_gone_is_no_damage(team: Team, tmp_path: Path) -> None:
    ada = team.make("ada")
    bob = team.clone(_pushed(ada, tmp_path / "remote"), "bob")
    bob.remotes.pull(only=[])
    (tmp_path / "remote").rename(tmp_path / "elsewhere")
    with pytest.raises(NotFound) as caught:
        bob.datasets.verify("flights")
    assert caught.value.kind == "not-fetched"


def _pushed(workspace: LocalWorkspace, place: Path) -> str:
    write(workspace, FILES)
    workspace.datasets.add(workspace.root / "data", name="flights")
    workspace.remotes.add("origin", str(place))
    workspace.remotes.push()
    return str(place)
