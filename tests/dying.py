"""Kills a use case before each of its durable steps in turn, as a program of its own: it forks once for every death, and so needs to be one thread.

`python -m tests.dying SCENARIO FOLDER` prints one JSON document: how often it was killed, and everything that was wrong afterwards.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest, raw_hash
from lineal.store import durable
from lineal.store.backends.address import parse_address
from lineal.store.repository import Repository
from lineal.store.survey import Roots
from lineal.workspace.audit import LocalAudit
from lineal.workspace.branching import LocalBranches
from lineal.workspace.interface import silent
from lineal.workspace.project import create_project
from lineal.workspace.remoting import LocalRemotes
from lineal.workspace.site import Layout, Site
from lineal.workspace.versioning import LocalDatasets

KILLED = 137
MOST_STEPS = 500
PROJECT = "d" * 32
NOISE = random.Random(7).randbytes(200_000)


def open_site(root: Path) -> Site:
    """The project in a folder, as a new process would open it."""
    layout = Layout(root=root)
    layout.state.mkdir(parents=True, exist_ok=True)
    return Site(layout=layout, project_id=PROJECT, project="p", ledger_url=f"sqlite:///{layout.ledger}", actor="ada", settings={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A use case that is killed.

    Attributes:
        prepare: makes the project that it begins with; act: what is killed, and done again afterwards.
        holds: raises if what was finished before is not whole, be the act done or not; done: raises if the act has not happened.
    """

    prepare: Callable[[Path], object]
    act: Callable[[Path], object]
    holds: Callable[[Path], object]
    done: Callable[[Path], object]


def contents(site: Site, reference: str) -> dict[str, bytes]:
    """Every file of a version, read back."""
    datasets = LocalDatasets(site)
    return {os.fsdecode(entry.path): site.store.read(entry.digest) for entry in datasets.entries(reference)}


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and ".lineal-checkout" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def write(folder: Path, number: int) -> dict[str, bytes]:
    """What version ``number`` of the dataset looks like, written into a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "sub").mkdir(parents=True)
    held = {"same.txt": b"the same in all", "sub/text.txt": b"version %d" % number, "big.bin": bytes(range(256)) * 300 + b"%d" % number}
    for name, content in held.items():
        (folder / name).write_bytes(content)
    return held


EXPECTED = {number: {"same.txt", "sub/text.txt", "big.bin"} for number in (1, 2, 3)}


def add_version(root: Path, number: int) -> None:
    """Adds a version of the dataset."""
    write(root / "data", number)
    site = open_site(root)
    LocalDatasets(site).add(root / "data", name="d")
    site.close()


def check_version(root: Path, reference: str, number: int) -> None:
    """Raises unless a version holds exactly what was added."""
    site = open_site(root)
    held = contents(site, reference)
    assert set(held) == EXPECTED[number], sorted(held)
    assert held["sub/text.txt"] == b"version %d" % number
    assert held["big.bin"] == bytes(range(256)) * 300 + b"%d" % number
    site.close()


def check_soundness(root: Path) -> None:
    """Raises unless everything that is stored is sound, and nothing half done is in the way of the next writer."""
    site = open_site(root)
    report = site.store.verify()
    assert report.sound, report.damaged
    site.store.put_bytes(os.urandom(100))
    site.close()


def check_everything(root: Path) -> None:
    """Raises unless `lineal fsck` is content."""
    site = open_site(root)
    found = LocalAudit(site, LocalDatasets(site)).check()
    assert all(report.sound for report in found), [report.damaged for report in found]
    site.close()


def two_versions(root: Path) -> None:
    create_project(root, name="p", entropy=lambda count: bytes.fromhex(PROJECT)[:count])
    add_version(root, 1)
    add_version(root, 2)


def both_hold(root: Path) -> None:
    check_soundness(root)
    check_version(root, "d@1", 1)
    check_version(root, "d@2", 2)


def third_is_there(root: Path) -> None:
    check_version(root, "d@3", 3)
    check_everything(root)


def open_store(root: Path) -> Repository:
    return Repository.open(root / "store", project_id=PROJECT)


def commit(store: Repository, number: int) -> Digest:
    """A version of three files behind a ref; half of the big one is the same in all."""
    held = {b"same": b"the same in all", b"text": b"version %d" % number, b"big": NOISE + bytes([number]) * 70_000}
    with store.session(), store.batch():
        root = store.put_tree(TreeEntry(path=path, mode="file", size=len(data), digest=store.put_bytes(data)) for path, data in held.items())
        head = store.ref("datasets/d")
        made = store.commit(root, parents=() if head is None else (head,), meta={"number": number})
    store.move_ref("datasets/d", made, expected=head)
    return made


def garbage(root: Path) -> None:
    """Two versions, of which the first is given up, a pack that nobody needs, and one of which little is needed."""
    store = open_store(root)
    first = commit(store, 1)
    (root / "given-up").write_text(first)
    store.put_bytes(NOISE[::-1])
    with store.session(), store.batch():
        store.put_bytes(NOISE[1:])
        shared = store.put_bytes(b"version 2")
    assert store.contains(shared)
    commit(store, 2)
    store.close()


def free_everything(root: Path) -> None:
    store = open_store(root)
    given_up = frozenset({raw_hash(Digest((root / "given-up").read_text()))})
    store.collect_garbage(lambda: Roots(given_up=given_up), name="p", grace=0.0, scratch=root / "scratch", progress=silent)
    store.close()


def second_holds(root: Path) -> None:
    store = open_store(root)
    report = store.verify()
    assert report.sound or report.damaged[0].endswith("is damaged or missing"), report.damaged
    head = store.ref("datasets/d")
    assert head is not None
    read = store.read_commit(head)
    assert read.meta == {"number": 2}
    assert {entry.path: store.read(entry.digest) for entry in store.entries(read.root)}[b"text"] == b"version 2"
    store.close()


def nothing_left(root: Path) -> None:
    free_everything(root)  # what the killed one condemned and did not delete
    store = open_store(root)
    assert store.verify().sound
    store.close()
    packs = sum(path.stat().st_size for path in (root / "store").rglob("*.pack"))
    assert packs < 1.5 * len(NOISE), packs
    assert not list((root / "store" / "gc").rglob("*.pack"))
    assert not list((root / "scratch").iterdir())


def check_out_first(root: Path) -> None:
    site = open_site(root)
    LocalDatasets(site).checkout("d@1", root / "data")
    site.close()


def working_copy_is_whole(root: Path) -> None:
    """Every file is one of a version, whole: never half of one."""
    both_hold(root)
    for name, content in files(root / "data").items():
        assert content in {known[name] for known in (write(root / "w", 1), write(root / "w", 2))}, name


def with_remote(root: Path) -> None:
    two_versions(root)
    site = open_site(root)
    LocalRemotes(site, LocalDatasets(site)).add("far", str(root / "far"))
    site.close()


def point_at(project: Path, far: Path) -> None:
    """Makes the project's remote the store in ``far``: the project was copied, and its remotes have absolute addresses."""
    book = project / ".lineal" / "remotes.json"
    body = json.loads(book.read_bytes())
    body["remotes"][0]["url"] = str(far)
    book.write_text(json.dumps(body))


def push(root: Path) -> None:
    point_at(root, root / "far")
    site = open_site(root)
    LocalRemotes(site, LocalDatasets(site)).push(remote="far")
    site.close()


def far_store(root: Path) -> Repository:
    return Repository.at(parse_address(str(root / "far"), base=root), project_id=PROJECT)


def remote_is_sound(root: Path) -> None:
    store = far_store(root)
    assert store.verify().sound, store.verify().damaged
    store.close()


def is_pushed(root: Path) -> None:
    near, far = open_site(root).store, far_store(root)
    assert far.ref("datasets/d") == near.ref("datasets/d") is not None
    near.close()
    far.close()


def pull_back(root: Path) -> None:
    """Pulls what was pushed into a project that has nothing."""
    point_at(root / "other", root / "far")
    site = open_site(root / "other")
    LocalRemotes(site, LocalDatasets(site)).pull(remote="far")
    site.close()


def with_something_to_pull(root: Path) -> None:
    with_remote(root)
    push(root)
    create_project(root / "other", name="p", entropy=lambda count: bytes.fromhex(PROJECT)[:count])
    site = open_site(root / "other")
    LocalRemotes(site, LocalDatasets(site)).add("far", str(root / "far"))
    site.close()


def two_branches(root: Path) -> None:
    """Version 2 on the main line, where the working copy is, and version 3 on another; both changed the same two files of version 1."""
    create_project(root, name="p", entropy=lambda count: bytes.fromhex(PROJECT)[:count])
    add_version(root, 1)
    site = open_site(root)
    datasets = LocalDatasets(site)
    LocalBranches(site, datasets).create("d", "side")
    write(root / "data", 2)
    datasets.add(root / "data", name="d")
    datasets.checkout("d@side")
    write(root / "data", 3)
    (root / "data" / "new.txt").write_bytes(b"only on the side")
    datasets.add(root / "data", name="d")
    datasets.checkout("d")
    site.close()


def working_copy(root: Path) -> dict[str, bytes]:
    """What lies in the dataset's folder, without what a checkout that was killed had made ready; that goes after a day."""
    return {name: content for name, content in files(root / "data").items() if not name.startswith(".lineal")}


def merge_side(root: Path) -> None:
    site = open_site(root)
    LocalBranches(site, LocalDatasets(site)).merge("d", "side")
    site.close()


def branches_hold(root: Path) -> None:
    """The main line is what it was or what it becomes, and every version can be read."""
    check_soundness(root)
    check_version(root, "d@1", 1)
    check_version(root, "d@2", 2)
    site = open_site(root)
    assert contents(site, "d@3")["new.txt"] == b"only on the side"
    branches = LocalBranches(site, LocalDatasets(site)).list("d")
    assert [branch.name for branch in branches] == ["main", "side"]
    assert branches[0].version in {"d@2", "d@4"}, branches[0].version
    site.close()


def both_sides_are_there(root: Path) -> None:
    """The merge holds both sides of what both changed, and the working copy is the merge."""
    check_everything(root)
    site = open_site(root)
    held = contents(site, "d@4")
    kept = {name.partition(".theirs-")[0] for name in held if ".theirs-" in name}
    assert kept == {"sub/text.txt", "big.bin"}, sorted(held)
    assert held["sub/text.txt"] == b"version 2"
    assert held["new.txt"] == b"only on the side"
    assert working_copy(root) == held
    assert len(LocalDatasets(site).versions("d")) == 4
    site.close()


SCENARIOS = {
    "merge": Scenario(prepare=two_branches, act=merge_side, holds=branches_hold, done=both_sides_are_there),
    "push": Scenario(prepare=with_remote, act=push, holds=remote_is_sound, done=is_pushed),
    "pull": Scenario(
        prepare=with_something_to_pull,
        act=pull_back,
        holds=lambda root: check_soundness(root / "other"),
        done=lambda root: both_hold(root / "other"),
    ),
    "add": Scenario(prepare=two_versions, act=lambda root: add_version(root, 3), holds=both_hold, done=third_is_there),
    "gc": Scenario(prepare=garbage, act=free_everything, holds=second_holds, done=nothing_left),
    "checkout": Scenario(
        prepare=two_versions,
        act=check_out_first,
        holds=working_copy_is_whole,
        done=lambda root: check_version(root, "d@1", 1),
    ),
}


def forked(deed: Callable[[], object]) -> int:
    """The exit status of a deed done by a child of its own; 1 if it raised."""
    child = os.fork()
    if child == 0:
        try:
            deed()
        except BaseException:  # noqa: BLE001 - the parent is told by the exit status
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step: int) -> Callable[[str, object, object], None]:
    """Ends this process, as a kill would, before its ``step``-th durable step."""
    count = 0

    def count_one(_what: str, _path: object, _to: object) -> None:
        nonlocal count
        count += 1
        if count == step:
            os._exit(KILLED)

    return count_one


def die(scenario: Scenario, root: Path, step: int) -> None:
    """Does the act up to a step."""
    durable.watch(killed_at(step))
    scenario.act(root)


def walk(scenario: Scenario, folder: Path) -> dict[str, Any]:
    """Kills the act before every step; says how many there were, and what went wrong."""
    template = folder / "template"
    template.mkdir(parents=True)
    scenario.prepare(template)
    shutil.copytree(template, folder / "first")
    scenario.act(folder / "first")  # what is imported here, no child need import
    scenario.done(folder / "first")
    wrong: list[str] = []
    for step in range(1, MOST_STEPS):
        root = folder / f"step{step}"
        shutil.copytree(template, root, symlinks=True)
        status = forked(partial(die, scenario, root, step))
        wrong += [f"step {step}: {problem}" for problem in problems(scenario, root, status)]
        shutil.rmtree(root)
        if status != KILLED:
            return {"steps": step - 1, "wrong": wrong}
    return {"steps": MOST_STEPS, "wrong": ["it never ends"]}


def problems(scenario: Scenario, root: Path, status: int) -> Iterator[str]:
    """What is not as it must be after a death, and after the same command has been given again."""
    if status not in {0, KILLED}:
        yield f"the act itself failed with {status}"

    def check() -> None:
        scenario.holds(root)
        scenario.act(root)
        scenario.done(root)
        scenario.holds(root)

    if forked(check):
        yield "what was finished is not whole, or the command does not succeed again"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(walk(SCENARIOS[sys.argv[1]], Path(sys.argv[2]))))
