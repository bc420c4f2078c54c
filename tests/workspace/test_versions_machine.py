"""Adding, branching, merging, going back, pushing, pulling, checking out, deleting and collecting garbage in any order: a dictionary says what must be so."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lineal.workspace.audit import LocalAudit
from lineal.workspace.branching import LocalBranches
from lineal.workspace.disposal import collect
from lineal.workspace.interface import silent
from lineal.workspace.project import create_project
from lineal.workspace.remoting import LocalRemotes
from lineal.workspace.retention import carry_out_deletion, preview_deletion
from lineal.workspace.site import Layout, Site
from lineal.workspace.versioning import LocalDatasets

PROJECT = "e" * 32
MONTH = 31 * 86_400 * 1_000_000
NAMES = st.sampled_from(["a", "b", "sub/c", "sub/d"])
CONTENTS = st.sampled_from([b"", b"one", b"two", b"x" * 70_000, bytes(range(256)) * 600, bytes(range(255)) * 600])

Files = dict[str, bytes]


class Versions(RuleBasedStateMachine):
    """Drives a real project, with a remote and a second project that pulls from it."""

    @initialize()
    def begin(self) -> None:
        memory = Path("/dev/shm")
        self.root = Path(tempfile.mkdtemp(prefix="lineal-test-", dir=memory if memory.is_dir() else None))
        self.data = self.root / "data"
        self.later = 0
        self.versions: dict[int, Files] = {}  # that were not deleted, by number
        self.tips: dict[str, int] = {}  # the version each line is at
        self.line = "main"
        self.pushed: dict[str, int] = {}
        create_project(self.root, name="p", entropy=lambda count: bytes.fromhex(PROJECT)[:count])
        self.open()
        LocalRemotes(self.site, self.datasets).add("far", str(self.root / "far"))
        self.write({"a": b"first"})
        self.number(self.datasets.add(self.data, name="d").number, {"a": b"first"})

    def open(self) -> None:
        """Opens the project, as a new process would."""
        layout = Layout(root=self.root)
        self.site = Site(layout=layout, project_id=PROJECT, project="p", ledger_url=f"sqlite:///{layout.ledger}", actor="ada", settings={})
        clock = self.site.clock
        self.site.clock = lambda: clock() + self.later
        self.datasets = LocalDatasets(self.site)
        self.branches = LocalBranches(self.site, self.datasets)
        self.remotes = LocalRemotes(self.site, self.datasets)

    def write(self, files: Files) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir()
        for name, content in files.items():
            path = self.data / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def number(self, number: int, files: Files) -> None:
        """Notes a version at the tip of the line that the working copy is on."""
        self.versions[number] = files
        self.tips[self.line] = number

    def read(self, reference: str) -> Files:
        return {entry.path.decode(): self.site.store.read(entry.digest) for entry in self.datasets.entries(reference) if entry.mode != "folder"}

    @rule(name=NAMES, content=CONTENTS)
    def add(self, name: str, content: bytes) -> None:
        files = {**self.versions[self.tips[self.line]], name: content}
        self.write(files)
        self.number(self.datasets.add(self.data, name="d").number, files)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        files = {path: content for path, content in self.versions[self.tips[self.line]].items() if path != name}
        self.write(files)
        self.number(self.datasets.add(self.data, name="d").number, files)

    @precondition(lambda self: "exp" not in self.tips)
    @rule()
    def branch(self) -> None:
        self.branches.create("d", "exp")
        self.tips["exp"] = self.tips[self.line]

    @precondition(lambda self: "exp" in self.tips)
    @rule()
    def switch(self) -> None:
        self.line = "exp" if self.line == "main" else "main"
        self.datasets.checkout(f"d@{self.line}")

    @precondition(lambda self: "exp" in self.tips)
    @rule()
    def merge(self) -> None:
        """What both sides have is there afterwards, and where only one side changed something, that side counts."""
        other = "main" if self.line == "exp" else "exp"
        ours, theirs = self.versions[self.tips[self.line]], self.versions[self.tips[other]]
        self.branches.merge("d", other)
        made = self.datasets.get(f"d@{self.line}")
        merged = self.read(f"d@{self.line}")
        assert {path: merged.get(path) for path in ours if ours[path] == theirs.get(path)} == {
            path: content for path, content in ours.items() if content == theirs.get(path)
        }
        assert set(merged.values()) <= set(ours.values()) | set(theirs.values())
        self.number(made.number, merged)

    @rule(data=st.data())
    def revert(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.versions)))
        self.branches.revert(f"d@{number}")
        self.number(self.datasets.get(f"d@{self.line}").number, self.versions[number])

    @rule(data=st.data())
    def checkout(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.versions)))
        target = self.root / "out"
        self.datasets.checkout(f"d@{number}", target)
        assert {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()} == self.versions[number]
        shutil.rmtree(target)

    @precondition(lambda self: len(self.versions) > len(set(self.tips.values())))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(set(self.versions) - set(self.tips.values()))))
        plan = preview_deletion(self.site, f"data:d@{number}")
        fallen = {int(node.label.partition("@")[2]) for node in plan.falls if node.label.startswith("d@")}
        if not fallen & set(self.tips.values()):  # what was merged or taken back from it falls, too
            carry_out_deletion(self.site, f"data:d@{number}", plan.hash)
            self.versions = {number: files for number, files in self.versions.items() if number not in fallen}

    @rule(passes=st.booleans())
    def collect(self, passes: bool) -> None:  # noqa: FBT001 - drawn
        self.later += MONTH if passes else 0
        collect(self.site, grace=0.0, progress=silent)

    @rule()
    def push(self) -> None:
        self.remotes.push(remote="far")
        self.pushed = dict(self.tips)

    @precondition(lambda self: bool(self.pushed))
    @rule()
    def pull_elsewhere(self) -> None:
        other = self.root / "other"
        create_project(other, name="p", entropy=lambda count: bytes.fromhex(PROJECT)[:count])
        layout = Layout(root=other)
        site = Site(layout=layout, project_id=PROJECT, project="p", ledger_url=f"sqlite:///{layout.ledger}", actor="ada", settings={})
        datasets = LocalDatasets(site)
        remotes = LocalRemotes(site, datasets)
        remotes.add("far", str(self.root / "far"))
        remotes.pull(remote="far")
        for line, number in self.pushed.items():
            if number in self.versions:
                held = {entry.path.decode(): site.store.read(entry.digest) for entry in datasets.entries(f"d@{line}") if entry.mode != "folder"}
                assert held == self.versions[number]
        site.close()
        shutil.rmtree(other)

    @rule()
    def reopen(self) -> None:
        self.site.close()
        self.open()

    @invariant()
    def every_line_is_where_it_must_be(self) -> None:
        for line, number in getattr(self, "tips", {}).items():
            assert self.read(f"d@{line}") == self.versions[number]

    def teardown(self) -> None:
        if not hasattr(self, "site"):
            return
        for number, files in self.versions.items():
            assert self.read(f"d@{number}") == files
        self.site.close()
        damaged = [line for report in LocalAudit(self.site, self.datasets).check() for line in report.damaged]
        assert not damaged, damaged
        self.site.close()
        shutil.rmtree(self.root)


Versions.TestCase.settings = settings(max_examples=6, stateful_step_count=14, deadline=None)
TestVersions = Versions.TestCase
